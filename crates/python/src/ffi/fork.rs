//! `fork` as Python wants it: the hooks before and after around the system call, in one function.
//!
//! A bare `fork` would leave `random` with the same numbers in every worker, locks held and dead threads "alive".

use margrave_sys::fork::{Forked, fork};
use pyo3::{Python, ffi};
use std::io;

/// Forks the interpreter. The child comes back with only the calling thread.
///
/// # Errors
/// When the kernel refuses; the hooks of the parent have run all the same.
pub fn fork_interpreter(_py: Python<'_>) -> io::Result<Forked> {
    // SAFETY: the caller is attached to the main interpreter (the token says so), which is all that the hooks ask;
    // the import lock and the others that `BeforeFork` takes are released by exactly one of the two after-hooks.
    unsafe {
        ffi::PyOS_BeforeFork();
        let result = fork();
        match &result {
            Ok(Forked::Child) => ffi::PyOS_AfterFork_Child(),
            Ok(Forked::Parent(_)) | Err(_) => ffi::PyOS_AfterFork_Parent(),
        }
        result
    }
}
