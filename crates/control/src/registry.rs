//! Which instances of a user run on this machine: a file each, in a directory of the user's own.
//!
//! `$XDG_RUNTIME_DIR/margrave`, `/run/margrave` for root, else a directory below `/tmp` with the user's number in its
//! name; or where `MARGRAVE_RUN_DIR` says. A directory that others can write to, or that is somebody else's, is not used. What a master that was killed
//! left behind is known by its process, which has gone or is another one, and removed.

use margrave_sys::process;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names another directory, and then the only one: for instances that are to be a world of their own.
pub const VARIABLE: &str = "MARGRAVE_RUN_DIR";

/// What kind of process an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A master with its workers.
    Instance,
    /// An emperor, which starts its vassals again when they end.
    Emperor,
}

/// One running instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, which need not be the only one.
    pub name: String,
    /// Process id of its master.
    pub pid: i32,
    /// When that process started, in the kernel's ticks: a pid alone may come to mean another process.
    pub started: u64,
    /// What it is.
    pub kind: Kind,
    /// Its control socket.
    pub socket: Option<PathBuf>,
    /// Its pidfile.
    pub pidfile: Option<PathBuf>,
    /// Where it was started.
    pub directory: PathBuf,
    /// Its version.
    pub version: String,
}

impl Entry {
    /// Whether that very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        process::start_time(self.pid) == Some(self.started)
    }
}

/// Directories that may hold entries of this user, the preferred one first.
fn candidates() -> Vec<PathBuf> {
    if let Some(only) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(only)];
    }
    let user = process::effective_user();
    let mut list = Vec::new();
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()) {
        list.push(PathBuf::from(runtime).join("margrave"));
    }
    if user == 0 {
        list.push(PathBuf::from("/run/margrave"));
    }
    list.push(PathBuf::from(format!("/run/user/{user}/margrave")));
    list.push(std::env::temp_dir().join(format!("margrave-{user}")));
    list.dedup();
    list
}

/// Whether a directory is ours alone.
fn is_own(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| {
        found.is_dir() && found.uid() == process::effective_user() && found.mode() & 0o077 == 0
    })
}

/// The directory for this user's entries, made if need be.
///
/// # Errors
/// When there is no place for it that is ours alone.
pub fn directory() -> io::Result<PathBuf> {
    let mut problem = io::Error::from(io::ErrorKind::NotFound);
    for candidate in candidates() {
        match DirBuilder::new().mode(0o700).create(&candidate) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                problem = error;
                continue;
            }
        }
        if is_own(&candidate) {
            return Ok(candidate);
        }
        let text = format!("{} is not a directory of this user alone", candidate.display());
        problem = io::Error::new(io::ErrorKind::PermissionDenied, text);
    }
    Err(problem)
}

/// An entry that we wrote; it goes with this value.
#[derive(Debug)]
pub struct Registration {
    path: PathBuf,
}

impl Registration {
    /// Writes an entry.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn write(entry: &Entry) -> io::Result<Self> {
        Self::write_in(&directory()?, entry)
    }

    fn write_in(directory: &Path, entry: &Entry) -> io::Result<Self> {
        let path = directory.join(format!("{}.json", entry.pid));
        let temporary = directory.join(format!("{}.json.new", entry.pid));
        // Left by a process of the same number that was killed; nobody else can write here.
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(entry)?)?;
        fs::rename(&temporary, &path)?;
        Ok(Self { path })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // After privileges were dropped the directory may not be ours; then the next list cleans up.
        let _ = fs::remove_file(&self.path);
    }
}

/// All running instances of this user, by name. What processes that have gone left behind is removed.
#[must_use]
pub fn list() -> Vec<Entry> {
    let mut found: Vec<Entry> =
        candidates().iter().filter(|path| is_own(path)).flat_map(|path| scan(path)).collect();
    found.sort_by(|one, other| (&one.name, one.pid).cmp(&(&other.name, other.pid)));
    found.dedup_by_key(|entry| entry.pid);
    found
}

fn scan(directory: &Path) -> Vec<Entry> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let mut alive = Vec::new();
    for path in files.flatten().map(|file| file.path()) {
        let is_entry = path.extension().is_some_and(|extension| extension == "json");
        let entry = fs::read(&path).ok().filter(|_| is_entry);
        match entry.and_then(|text| serde_json::from_slice::<Entry>(&text).ok()) {
            Some(entry) if entry.is_alive() => alive.push(entry),
            Some(entry) => {
                let _ = fs::remove_file(&path);
                let socket = entry.socket.filter(|socket| is_socket(socket));
                // Nobody listens on it any more, wherever it is.
                socket.into_iter().for_each(|socket| drop(fs::remove_file(socket)));
            }
            None => {}
        }
    }
    alive
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        let is_ours = found.uid() == process::effective_user();
        found.file_type().is_socket() && is_ours && std::os::unix::net::UnixStream::connect(path).is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn entry(pid: i32, started: u64) -> Entry {
        Entry {
            name: "site".into(),
            pid,
            started,
            kind: Kind::Instance,
            socket: None,
            pidfile: None,
            directory: "/".into(),
            version: "0".into(),
        }
    }

    #[test]
    fn an_entry_is_listed_while_its_process_runs_and_goes_with_its_registration() {
        let root = tempfile::tempdir().unwrap();
        let mine = entry(process::id(), process::start_time(process::id()).unwrap());
        let registration = Registration::write_in(root.path(), &mine).unwrap();
        assert_eq!(scan(root.path()), [mine]);
        drop(registration);
        assert!(scan(root.path()).is_empty());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_even_when_its_number_lives_on() {
        let root = tempfile::tempdir().unwrap();
        let socket = root.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let mut stale = entry(process::id(), 1);
        stale.socket = Some(socket.clone());
        std::mem::forget(Registration::write_in(root.path(), &stale).unwrap());
        assert!(scan(root.path()).is_empty());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_others_can_enter_is_not_ours_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        fs::create_dir(&path).unwrap();
        for (mode, expected) in [(0o700, true), (0o750, false), (0o707, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_own(&path), expected, "{mode:o}");
        }
        let link = root.path().join("l");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!is_own(&link));
    }
}
