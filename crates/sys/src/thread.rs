//! Threads of this process, and its hard end.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

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
    let call = line(thread, "syscall").and_then(|text| text.split_whitespace().next().map(str::to_owned));
    let place = line(thread, "wchan").filter(|text| !text.is_empty() && text != "0");
    match (call, place) {
        (None, None) => None,
        (call, place) => Some(format!(
            "system call {}, waits in {}",
            call.as_deref().unwrap_or("unknown"),
            place.as_deref().unwrap_or("nothing")
        )),
    }
}

/// Whether a thread of this process runs or could run, and does not wait for anything but a processor.
#[must_use]
pub fn is_runnable(thread: u64) -> bool {
    // `id (name) state …`; the name may hold anything.
    line(thread, "stat")
        .is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R')))
}

/// How long a thread of this process has waited for a processor so far; `None` where the kernel does not say.
#[must_use]
pub fn time_waited(thread: u64) -> Option<Duration> {
    // Nanoseconds on a processor, nanoseconds of waiting for one, turns.
    line(thread, "schedstat")?.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// A line that the kernel says of a thread, in one read: it does not say how long it is, and reading to the end takes many.
fn line(thread: u64, name: &str) -> Option<String> {
    let mut text = [0; 1024];
    let length = File::open(format!("/proc/self/task/{thread}/{name}")).ok()?.read(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..length]).into_owned())
}

/// Ends the process at once: no destructors, no exit handlers. For processes whose threads cannot be stopped.
pub fn end_process(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn a_thread_that_waits_for_something_else_cannot_run() {
        assert!(is_runnable(id()));
        let (send, receive) = std::sync::mpsc::channel();
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            send.send(id()).unwrap();
            let _ = end.recv();
        });
        let thread = receive.recv().unwrap();
        while is_runnable(thread) {
            std::thread::yield_now();
        }
        drop(ended);
        sleeper.join().unwrap();
        // The kernel lets go of a thread a little later.
        while time_waited(thread).is_some() {
            std::thread::yield_now();
        }
        assert!(!is_runnable(thread), "it has ended");
    }

    #[test]
    fn more_threads_than_processors_wait_for_them() {
        let waits = AtomicBool::new(false);
        let count = 2 * std::thread::available_parallelism().map_or(1, usize::from) + 1;
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    let began = std::time::Instant::now();
                    while !waits.load(Relaxed) && began.elapsed() < Duration::from_secs(20) {
                        if time_waited(id()).is_some_and(|waited| waited > Duration::from_millis(20)) {
                            waits.store(true, Relaxed);
                        }
                    }
                });
            }
        });
        assert!(waits.load(Relaxed));
    }
}
