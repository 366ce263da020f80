//! Descriptors of files that somebody else owns.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

/// Our own, close-on-exec descriptor of the open file that `descriptor` is; the position stays shared.
///
/// # Errors
/// When `descriptor` is not open.
pub fn duplicate(descriptor: RawFd) -> io::Result<File> {
    if descriptor < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: borrowed for this call only; a number that is not open gives EBADF, nothing worse.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?))
}

/// Bytes that one write can give to a log without lines of other processes getting between: on a pipe only so many are
/// promised to stay together, while a file opened for appending takes all.
#[must_use]
pub fn longest_write(descriptor: RawFd) -> usize {
    const PIPE: usize = libc::PIPE_BUF;
    const OTHER: usize = 64 * 1024;
    if descriptor < 0 {
        return PIPE;
    }
    // SAFETY: as in `duplicate`.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match rustix::fs::fstat(borrowed) {
        Ok(found) if rustix::fs::FileType::from_raw_mode(found.st_mode).is_file() => OTHER,
        _ => PIPE,
    }
}

/// Opens a file and takes the one lock that all who hold it share out among themselves (`flock`); `None` when somebody else
/// has it and `waits` is false. It is given back when the file is closed here and in every process that inherited it.
///
/// # Errors
/// When there is no such file, or its file system has no locks.
pub fn hold(path: &std::path::Path, waits: bool) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    let file = File::open(path)?;
    let operation =
        if waits { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    match flock(&file, operation) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Length of a regular file; `None` for pipes, sockets, devices and directories.
///
/// # Errors
/// When the file cannot be looked at.
pub fn regular_length(file: &File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some(metadata.len()))
}

/// Whether the peer of a socket is still there: no end of stream and no error waits.
///
/// Bytes that wait are left where they are.
#[must_use]
pub fn is_connected(descriptor: RawFd) -> bool {
    if descriptor < 0 {
        return false;
    }
    // SAFETY: as in `duplicate`.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    crate::net::is_connected(borrowed)
}
