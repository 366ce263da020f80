//! Which Python runs the application, and what is wrong with it when it does not start.
//!
//! In order: `python`, `home`, `$VIRTUAL_ENV`, `python3` beside the executable, `python3` in `$PATH`. Nothing here runs
//! Python: what can be seen from outside is checked, the rest the [`BOOTSTRAP`] answers by exit codes.

use crate::error::{StartError, plain};
use margrave_config::settings::{HostSettings, PythonSettings};
use std::env;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the interpreter runs first; in words that every Python understands.
pub const BOOTSTRAP: &str = include_str!("bootstrap.py");

/// Exit codes of [`BOOTSTRAP`].
const NO_PACKAGE: i32 = 97;
const TOO_OLD: i32 = 98;
const BROKEN_PACKAGE: i32 = 99;

/// An interpreter and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The executable, not resolved: a virtual environment is found by the path it is called by.
    pub path: PathBuf,
    /// The configuration named it.
    pub chosen: bool,
}

impl Interpreter {
    /// Finds the interpreter for a configuration.
    ///
    /// # Errors
    /// One sentence, when the configuration names one that is not there, or there is none at all.
    pub fn find(python: &PythonSettings, host: &HostSettings) -> Result<Self, StartError> {
        if let Some(path) = &python.interpreter {
            let path = if path.components().count() > 1 { path.clone() } else { in_path(path) };
            let chosen = Self { path, chosen: true };
            return chosen.checked("python");
        }
        if let Some(home) = &python.home {
            return Self { path: in_environment(home)?, chosen: true }.checked("home");
        }
        let virtual_env =
            host.env.iter().rev().find(|(name, _)| name == "VIRTUAL_ENV").map(|(_, value)| value);
        let virtual_env =
            virtual_env.map(PathBuf::from).or_else(|| env::var_os("VIRTUAL_ENV").map(PathBuf::from));
        let from_environment = virtual_env.filter(|home| !home.as_os_str().is_empty());
        let candidates = from_environment
            .map(|home| home.join("bin/python"))
            .into_iter()
            .chain(env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("python3"))))
            .chain([in_path(Path::new("python3"))]);
        candidates.into_iter().find(|path| is_executable(path)).map(|path| Self { path, chosen: false }).ok_or_else(
            || StartError::Interpreter("no python3 found in PATH; install Python 3.9 or later, or name one with `python = /path/to/python3` or `home = /path/to/venv`".into()),
        )
    }

    fn checked(self, option: &str) -> Result<Self, StartError> {
        if is_executable(&self.path) {
            return Ok(self);
        }
        let shown = self.path.display();
        let what = match self.path.metadata() {
            Ok(_) => "is not executable",
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "stands in a directory that this user may not enter"
            }
            Err(_) => "does not exist",
        };
        Err(StartError::Interpreter(format!(
            "{option}: the interpreter {shown} {what}; correct the path, or remove the option to use the python3 in PATH"
        )))
    }

    /// Whether this process may execute it still, after it has changed to another user; `real` is where its links lead.
    ///
    /// # Errors
    /// One sentence, when it may not.
    pub fn check_reachable(&self, real: &Path) -> Result<(), StartError> {
        if margrave_sys::process::may_execute(&self.path) {
            return Ok(());
        }
        let (uid, _) = margrave_sys::process::user_and_group();
        let user = margrave_sys::users::user_name(uid).unwrap_or_else(|| uid.to_string());
        let closed = real
            .ancestors()
            .skip(1)
            .filter(|directory| !margrave_sys::process::may_execute(directory))
            .last();
        let place = closed
            .map_or_else(String::new, |directory| format!(", to whom {} is closed", directory.display()));
        Err(StartError::Interpreter(format!(
            "uid: the interpreter {} cannot be executed by user {user}{place}; use one that this user can reach, with `home` or `python`",
            self.path.display()
        )))
    }

    /// A directory with a `margrave` package to use when the interpreter has none of its own.
    ///
    /// `MARGRAVE_PACKAGE` when it is set; else what is installed beside this executable, unless the configuration names
    /// the interpreter: then a missing package is a mistake to point out, not to paper over.
    #[must_use]
    pub fn fallback_package(&self) -> Option<PathBuf> {
        if let Some(given) = env::var_os("MARGRAVE_PACKAGE").filter(|given| !given.is_empty()) {
            return Some(given.into());
        }
        if self.chosen {
            return None;
        }
        let prefix = env::current_exe().ok()?.parent()?.parent()?.join("lib");
        margrave_sys::world::glob(&format!("{}/python3.*/site-packages/margrave/", prefix.display()))
            .first()
            .and_then(|found| Path::new(found).parent().map(Path::to_path_buf))
    }

    /// Says what an exit code of a zygote that never became ready means.
    #[must_use]
    pub fn explain(&self, code: i32) -> String {
        let python = self.path.display();
        match code {
            NO_PACKAGE => format!(
                "the interpreter {python} does not have Margrave; install it there with: {python} -m pip install margrave"
            ),
            TOO_OLD => format!(
                "the interpreter {python} is older than Python 3.9; name a newer one with `python` or `home`"
            ),
            BROKEN_PACKAGE => format!(
                "the Margrave package of {python} cannot be imported (see the line above); reinstall it with: {python} -m pip install --force-reinstall margrave"
            ),
            code => format!(
                "the interpreter {python} exited with code {code} before the application was loaded; what it wrote above says why"
            ),
        }
    }
}

/// The interpreter of a virtual environment or Python prefix.
fn in_environment(home: &Path) -> Result<PathBuf, StartError> {
    let shown = home.display();
    let names = ["bin/python", "bin/python3"].map(|name| home.join(name));
    // One behind a closed door is there; that it cannot be reached is another sentence.
    let is_missing =
        |path: &&PathBuf| path.metadata().is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied);
    if let Some(found) = names.iter().find(|path| !is_missing(path)) {
        return Ok(found.clone());
    }
    let create = format!("python3 -m venv --clear {shown} && {shown}/bin/python -m pip install margrave");
    let dangling = names.iter().find_map(|path| Some((path, path.read_link().ok()?)));
    let sentence = match (home.metadata(), dangling) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            format!("{shown} does not exist; create it with: {}", create.replace(" --clear", ""))
        }
        (Err(error), _) => format!("cannot enter {shown}: {}", plain(&error)),
        (Ok(found), _) if found.is_file() && is_executable(home) => {
            let prefix = home.parent().and_then(Path::parent).unwrap_or(home).display();
            format!(
                "{shown} is an interpreter, not its environment; write `home = {prefix}` or `python = {shown}`"
            )
        }
        (Ok(found), _) if !found.is_dir() => {
            format!("{shown} is a file; name the directory of a virtual environment")
        }
        (Ok(_), Some((link, target))) => format!(
            "{} points to {}, which does not exist (was Python upgraded?); make the environment again with: {create}",
            link.display(),
            target.display()
        ),
        (Ok(_), None) => {
            format!("{shown} is no virtual environment (it has no bin/python); create it with: {create}")
        }
    };
    Err(StartError::Interpreter(format!("home: {sentence}")))
}

/// A program name as the shell would find it; the bare name when it does not.
fn in_path(name: &Path) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| is_executable(path))
        .unwrap_or_else(|| name.to_path_buf())
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn find(change: impl FnOnce(&mut PythonSettings)) -> Result<Interpreter, String> {
        let mut settings = PythonSettings::default();
        change(&mut settings);
        Interpreter::find(&settings, &HostSettings::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_home_that_does_not_exist_is_named_with_the_command_that_makes_it() {
        let error = find(|python| python.home = Some("/no/such/venv".into())).unwrap_err();
        assert_eq!(
            error,
            "home: /no/such/venv does not exist; create it with: python3 -m venv /no/such/venv && /no/such/venv/bin/python -m pip install margrave"
        );
    }

    #[test]
    fn a_home_without_an_interpreter_and_an_interpreter_that_cannot_run_are_named() {
        let home = tempfile::tempdir().unwrap();
        let error = find(|python| python.home = Some(home.path().into())).unwrap_err();
        assert!(error.contains("is no virtual environment"), "{error}");
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::write(home.path().join("bin/python"), "").unwrap();
        let error = find(|python| python.home = Some(home.path().into())).unwrap_err();
        assert!(error.contains("is not executable"), "{error}");
    }

    #[test]
    fn a_home_that_is_something_else_is_told_apart() {
        let home = tempfile::tempdir().unwrap();
        let says = |path: PathBuf, part: &str| {
            let error = find(|python| python.home = Some(path)).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        fs::write(home.path().join("app.py"), "").unwrap();
        says(home.path().join("app.py"), "app.py is a file; name the directory");
        says(
            "/bin/sh".into(),
            "/bin/sh is an interpreter, not its environment; write `home = /` or `python = /bin/sh`",
        );
        fs::create_dir(home.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/no/such/python3.8", home.path().join("bin/python")).unwrap();
        says(home.path().into(), "bin/python points to /no/such/python3.8, which does not exist");
    }

    #[test]
    fn a_home_is_entered_by_its_own_path() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", home.path().join("bin/python")).unwrap();
        let found = find(|python| python.home = Some(home.path().into())).unwrap();
        assert_eq!(found, Interpreter { path: home.path().join("bin/python"), chosen: true });
    }

    #[test]
    fn a_missing_package_is_mended_by_the_command_given() {
        let found = Interpreter { path: "/venv/bin/python".into(), chosen: true };
        assert!(
            found.explain(97).ends_with("install it there with: /venv/bin/python -m pip install margrave")
        );
    }
}
