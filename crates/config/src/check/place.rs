//! What a start on this machine needs beside the configuration: directories, files and users that it names.
//!
//! Only `margrave check` looks, and only at what ends a start at once when it is not there: the working directory, the
//! virtual environment, Python files, and the directories of sockets, logs and pidfiles. Whether the application can be
//! imported only Python can say. With `--elsewhere` nobody looks: the configuration is for another machine.

use crate::diagnostic::{Diagnostic, Topic};
use crate::loader::Setting;
use crate::options::Status;
use crate::settings::Address;
use crate::values;
use crate::world::{EntryKind, World};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Options that name a file to write; its directory must be there before privileges are dropped.
const WRITTEN_AT_START: [&str; 5] = ["pidfile", "logto", "daemonize", "safe-pidfile", "logto2"];

/// Options that name a socket to listen on.
const SOCKETS: [&str; 9] = [
    "socket",
    "uwsgi-socket",
    "http-socket",
    "http11-socket",
    "http",
    "fastcgi-socket",
    "fastcgi-nph-socket",
    "scgi-socket",
    "stats",
];

/// Where accounts stand; others may come from elsewhere, so that nobody is sure.
const ACCOUNTS: [(&str, &str, &str); 2] = [("uid", "/etc/passwd", "user"), ("gid", "/etc/group", "group")];

/// Size of such a file.
const MAX_ACCOUNTS_BYTES: usize = 1 << 20;

/// What is not there.
pub fn look(settings: &[Setting], world: &dyn World) -> Vec<Diagnostic> {
    let mut place = Place { settings, world, directory: PathBuf::new(), findings: Vec::new() };
    if let Some(setting) = place.last("chdir") {
        place.directory.push(setting.text());
        place.must_be_directory(setting, &place.directory.clone());
    }
    if let Some(setting) = place.last("chdir2") {
        place.must_be_directory(setting, &place.directory.join(setting.text()));
    }
    if let Some(setting) = place.last("home") {
        place.must_be_environment(setting, Path::new(setting.text()));
    }
    if place.last("module").is_none()
        && let Some(setting) = place.last("wsgi-file")
    {
        place.must_be_file(setting, setting.text());
    }
    if let Some(setting) = place.last("emperor")
        && !setting.text().contains(['*', '?', '[', ':'])
    {
        place.must_be_directory(setting, Path::new(setting.text()));
    }
    for name in WRITTEN_AT_START {
        if let Some(setting) = place.last(name) {
            place.must_have_parent(setting, Path::new(setting.text()));
        }
    }
    place.look_at_lists();
    place.look_at_accounts();
    place.findings
}

struct Place<'a> {
    settings: &'a [Setting],
    world: &'a dyn World,
    /// What `chdir` comes to; empty for the directory of the start.
    directory: PathBuf,
    findings: Vec<Diagnostic>,
}

impl<'a> Place<'a> {
    fn look_at_lists(&mut self) {
        for setting in self.settings.iter().filter(|setting| setting.row.status == Status::Works) {
            let text = setting.text();
            match setting.row.name() {
                name if SOCKETS.contains(&name) => {
                    if let Ok((Address::Unix(path), _)) = values::address(text) {
                        self.must_have_parent(setting, &self.directory.join(path));
                    }
                }
                "logger" | "req-logger" => {
                    if let Some(path) = text.strip_prefix("file:").filter(|path| !path.contains("logfile=")) {
                        self.must_have_parent(setting, &self.directory.join(path));
                    }
                }
                "mount" => {
                    let target = text.split_once('=').map_or("", |(_, target)| target.trim());
                    if target.ends_with(".py") {
                        self.must_be_file(setting, target);
                    }
                }
                _ => {}
            }
        }
    }

    fn look_at_accounts(&mut self) {
        for (name, file, what) in ACCOUNTS {
            let Some(setting) = self.last(name) else { continue };
            let account = values::without_comment(setting.text()).0;
            let Ok(bytes) = self.world.read_file(Path::new(file), MAX_ACCOUNTS_BYTES) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let is_number = account.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number && !text.lines().any(|line| line.split(':').next() == Some(account)) {
                let message =
                    format!("{file} has no {what} `{account}`; create it, unless it comes from elsewhere");
                self.findings
                    .push(Diagnostic::warning(&setting.origin, &setting.name, message).about(Topic::Invalid));
            }
        }
    }

    /// The last use of an option that works and has a value which says what it means.
    fn last(&self, name: &str) -> Option<&'a Setting> {
        let found = self.settings.iter().rfind(|setting| setting.row.name() == name)?;
        let text = found.text();
        let is_plain = !text.is_empty() && !["$(", "%(", "@("].iter().any(|opening| text.contains(opening));
        (found.row.status == Status::Works && is_plain).then_some(found)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.world.target(path).ok().map(|entry| entry.kind)
    }

    fn must_be_directory(&mut self, setting: &Setting, path: &Path) {
        if self.kind(path) != Some(EntryKind::Directory) {
            let message =
                format!("there is no directory `{}` here; create it, or correct the path", path.display());
            self.findings.push(Diagnostic::error(&setting.origin, &setting.name, message));
        }
    }

    fn must_be_environment(&mut self, setting: &Setting, path: &Path) {
        let has = |name: &str| {
            !self.world.target(&path.join(name)).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        if self.kind(path) == Some(EntryKind::Directory) && !has("bin/python") && !has("bin/python3") {
            let shown = path.display();
            let message = format!(
                "`{shown}` is no virtual environment, since it has no bin/python; create it with `python3 -m venv --clear {shown}`"
            );
            self.findings.push(Diagnostic::error(&setting.origin, &setting.name, message));
        }
        self.must_be_directory(setting, path);
    }

    fn must_be_file(&mut self, setting: &Setting, path: &str) {
        let path = self.directory.join(path);
        if self.kind(&path).is_none() && self.is_there(&self.directory.clone()) {
            let message = format!("there is no file `{}` here; correct the path", path.display());
            self.findings.push(Diagnostic::error(&setting.origin, &setting.name, message));
        }
    }

    fn must_have_parent(&mut self, setting: &Setting, path: &Path) {
        let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return };
        let is_of_missing = parent.starts_with(&self.directory) && !self.is_there(&self.directory.clone());
        if !is_of_missing && !self.is_there(parent) {
            let message =
                format!("there is no directory `{}` here; create it, or correct the path", parent.display());
            self.findings.push(Diagnostic::error(&setting.origin, &setting.name, message));
        }
    }

    fn is_there(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.kind(path) == Some(EntryKind::Directory)
    }
}
