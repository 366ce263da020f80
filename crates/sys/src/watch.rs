//! Changes of files and directories, as inotify tells them.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Watches files and directories.
#[derive(Debug)]
pub struct Watcher {
    fd: OwnedFd,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When inotify instances or descriptors are exhausted.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
    }

    /// Watches a file, or a directory with the files in it; the number that its changes carry. A file that is watched
    /// already has the number it had.
    ///
    /// # Errors
    /// When there is no such file, or watches are exhausted.
    pub fn add(&self, path: &Path) -> io::Result<i32> {
        let what = WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MODIFY
            | WatchFlags::MOVE;
        Ok(inotify::add_watch(&self.fd, path, what | WatchFlags::MOVE_SELF)?)
    }

    /// Numbers of what has changed since the last question, each once.
    #[must_use]
    pub fn changed(&self) -> Vec<i32> {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.fd, &mut space);
        let mut found = Vec::new();
        while let Ok(event) = reader.next() {
            // A watch that has ended said what happened before.
            if !event.events().contains(ReadFlags::IGNORED) && !found.contains(&event.wd()) {
                found.push(event.wd());
            }
        }
        found
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_write_a_replacement_and_a_new_file_in_a_directory_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let (file, other) = (root.path().join("file"), root.path().join("other"));
        fs::write(&file, "").unwrap();
        let watcher = Watcher::new().unwrap();
        let number = watcher.add(&file).unwrap();
        assert!(watcher.changed().is_empty());
        fs::write(&file, "x").unwrap();
        assert_eq!(watcher.changed(), [number]);
        fs::write(&other, "y").unwrap();
        assert!(watcher.changed().is_empty());
        fs::rename(&other, &file).unwrap();
        assert_eq!(watcher.changed(), [number]);
        let directory = watcher.add(root.path()).unwrap();
        fs::write(&other, "z").unwrap();
        assert_eq!(watcher.changed(), [directory]);
        assert!(watcher.add(Path::new("/no/such/file")).is_err());
    }
}
