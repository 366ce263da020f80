//! Threads of this process, and its hard end.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::time::Duration;

/// What the names of our threads begin with that run no code of the application. They never unmap a file.
pub const OURS: &str = "margrave-";

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

/// How long a thread of this process has run on a processor so far; `None` when there is no such thread.
#[must_use]
pub fn time_run(thread: u64) -> Option<Duration> {
    // The kernel's way to name the clock of a thread; `pthread_getcpuclockid` makes the same of what is known only to who
    // started it.
    const OF_THREAD: libc::clockid_t = 4;
    const SCHEDULED: libc::clockid_t = 2;
    let clock = !libc::pid_t::try_from(thread).ok()? << 3 | OF_THREAD | SCHEDULED;
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to memory of ours that the call fills whenever it returns 0; a clock that does not exist is an error.
    let time = unsafe {
        if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
            return None;
        }
        time.assume_init()
    };
    Some(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
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
    use std::sync::mpsc::{Sender, channel};
    use std::thread::JoinHandle;

    /// A thread that sleeps until the sender is dropped.
    fn sleeper() -> (u64, Sender<()>, JoinHandle<()>) {
        let (send, receive) = channel();
        let (ended, end) = channel();
        let sleeper = std::thread::spawn(move || {
            send.send(id()).unwrap();
            let _ = end.recv();
        });
        let thread = receive.recv().unwrap();
        while is_runnable(thread) {
            std::thread::yield_now();
        }
        (thread, ended, sleeper)
    }

    #[test]
    fn a_thread_that_waits_for_something_else_cannot_run() {
        assert!(is_runnable(id()));
        let (thread, ended, sleeper) = sleeper();
        drop(ended);
        sleeper.join().unwrap();
        // The kernel lets go of a thread a little later.
        while time_run(thread).is_some() {
            std::thread::yield_now();
        }
        assert!(!is_runnable(thread), "it has ended");
    }

    #[test]
    fn the_time_that_a_thread_has_run_grows_while_it_runs_only() {
        let (thread, ended, sleeper) = sleeper();
        let (own, other) = (time_run(id()).unwrap(), time_run(thread).unwrap());
        while time_run(id()).unwrap() < own + Duration::from_millis(20) {}
        assert_eq!(time_run(thread).unwrap(), other);
        drop(ended);
        sleeper.join().unwrap();
    }

    #[test]
    fn nobody_has_a_clock_of_a_thread_of_another_process() {
        assert_eq!(time_run(1), None);
    }
}
