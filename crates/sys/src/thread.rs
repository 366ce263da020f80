//! Threads of this process, and its hard end.

use std::io;

/// The kernel's id of the calling thread.
#[must_use]
pub fn id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs().into()
}

/// Sends a signal to one thread of this process.
///
/// # Errors
/// When there is no such thread, or the number is no signal.
pub fn signal(thread: u64, number: i32) -> io::Result<()> {
    let thread = libc::pid_t::try_from(thread).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: takes three numbers; a thread that has ended gives ESRCH, and ids of other processes do not match ours.
    match unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, number) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The threads of this process: the kernel's id and the name of each, in order of their start.
#[must_use]
pub fn all() -> Vec<(u64, String)> {
    let listed = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut ids: Vec<u64> =
        listed.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    ids.sort_unstable();
    let name = |id| std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
    ids.into_iter().map(|id| (id, name(id).trim_end().to_owned())).collect()
}

/// What the kernel does for a thread of this process: the number of its system call, and where it waits.
#[must_use]
pub fn kernel_side(thread: u64) -> Option<String> {
    let read = |name| std::fs::read_to_string(format!("/proc/self/task/{thread}/{name}")).ok();
    let call = read("syscall").and_then(|text| text.split_whitespace().next().map(str::to_owned));
    let place = read("wchan").filter(|text| !text.is_empty() && text != "0");
    match (call, place) {
        (None, None) => None,
        (call, place) => Some(format!(
            "system call {}, waits in {}",
            call.as_deref().unwrap_or("unknown"),
            place.as_deref().unwrap_or("nothing")
        )),
    }
}

/// Ends the process at once: no destructors, no exit handlers. For processes whose threads cannot be stopped.
pub fn end_process(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(status) }
}
