//! FIFOs that anybody with the right to write to them gives orders through.

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A FIFO that we read.
#[derive(Debug)]
pub struct Fifo {
    file: fs::File,
}

impl Fifo {
    /// Makes a FIFO that its owner alone may write to, in the place of whatever has that path, and opens it. Reading
    /// never waits, and there is no end when the last writer leaves.
    ///
    /// # Errors
    /// When the path cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // With an end of our own to write to, it never comes to an end.
        let fd = open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { file: fd.into() })
    }

    /// What has been written; empty when nothing waits.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let mut buffer = [0; 256];
        match (&self.file).read(&mut buffer) {
            Ok(count) => buffer[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    #[test]
    fn writers_come_and_go_and_what_was_there_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        fs::write(&path, "old").unwrap();
        let fifo = Fifo::create(&path).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert!(found.file_type().is_fifo());
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        for word in ["r", "qQ"] {
            fs::write(&path, word).unwrap();
            assert_eq!(fifo.read(), word.as_bytes());
            assert!(fifo.read().is_empty());
        }
    }
}
