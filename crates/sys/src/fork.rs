//! The system call that makes a process a second time.

use std::io;

/// Which side of a fork one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The new process.
    Child,
    /// The old one; the pid of the child.
    Parent(i32),
}

/// Forks. Python's hooks are the caller's business.
///
/// # Errors
/// When the kernel refuses (process limit, memory).
///
/// # Safety
/// The child has only the calling thread: locks that other threads held stay locked, so the caller must be
/// single-threaded or have taken every lock that the child will need.
pub unsafe fn fork() -> io::Result<Forked> {
    // SAFETY: the caller vouches for the state of its threads.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}
