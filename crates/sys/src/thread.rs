//! The calling thread, and the hard end of its process.

/// The kernel's id of the calling thread.
#[must_use]
pub fn id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs().into()
}

/// Ends the process at once: no destructors, no exit handlers. For processes whose threads cannot be stopped.
pub fn end_process(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(status) }
}
