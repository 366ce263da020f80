//! Signals as data: blocked in the master and read from a descriptor, so that nothing runs in a handler.

use crate::process::{EMPEROR_MARK, STOP_MARK};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// A signal that the master acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// SIGHUP.
    Hangup,
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGTERM.
    Terminate,
    /// SIGTERM from [`crate::process::ask_to_stop`].
    Stop,
    /// SIGTERM of the emperor of this vassal, from [`crate::process::command_vassal`].
    EmperorStop,
    /// SIGHUP of the emperor of this vassal.
    EmperorReload,
    /// SIGCHLD.
    Child,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
    /// SIGTSTP.
    Pause,
}

impl Received {
    /// The number of the signal, for those that an operator may give another meaning.
    #[must_use]
    pub fn number(self) -> Option<i32> {
        let is_free = !matches!(self, Self::Child | Self::Stop | Self::EmperorStop | Self::EmperorReload);
        TABLE.iter().find(|(_, received)| *received == self && is_free).map(|(number, _)| *number)
    }
}

const TABLE: [(i32, Received); 8] = [
    (libc::SIGHUP, Received::Hangup),
    (libc::SIGINT, Received::Interrupt),
    (libc::SIGQUIT, Received::Quit),
    (libc::SIGTERM, Received::Terminate),
    (libc::SIGCHLD, Received::Child),
    (libc::SIGUSR1, Received::User1),
    (libc::SIGUSR2, Received::User2),
    (libc::SIGTSTP, Received::Pause),
];

/// The descriptor on which blocked signals arrive.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks the signals of [`Received`] and opens the descriptor they arrive on, non-blocking.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn block() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` is initialised by sigemptyset before anything reads it; the descriptor that signalfd returns
        // is new and ours alone.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for (number, _) in TABLE {
                libc::sigaddset(set.as_mut_ptr(), number);
            }
            check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()))?;
            let fd = libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            check(fd)?;
            Ok(Self { fd: OwnedFd::from_raw_fd(fd) })
        }
    }

    /// The next signal, if one has arrived.
    #[must_use]
    pub fn next(&self) -> Option<Received> {
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            let length = rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut record)).ok()?;
            if length < record.len() {
                return None;
            }
            // SAFETY: the kernel filled the whole record, which is plain numbers; it need not be aligned.
            let info = unsafe { record.as_ptr().cast::<libc::signalfd_siginfo>().read_unaligned() };
            let number = info.ssi_signo;
            if let Some(marked) = marked(&info) {
                return Some(marked);
            }
            if let Some((_, received)) = TABLE.iter().find(|(known, _)| known.unsigned_abs() == number) {
                return Some(*received);
            }
        }
    }
}

/// What a value beside the signal makes of it.
fn marked(info: &libc::signalfd_siginfo) -> Option<Received> {
    if info.ssi_code != libc::SI_QUEUE {
        return None;
    }
    match (info.ssi_int, info.ssi_signo.cast_signed()) {
        (STOP_MARK, _) => Some(Received::Stop),
        (EMPEROR_MARK, libc::SIGTERM) => Some(Received::EmperorStop),
        (EMPEROR_MARK, libc::SIGHUP) => Some(Received::EmperorReload),
        _ => None,
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Unblocks every signal of the calling thread. Async-signal-safe.
///
/// # Errors
/// Never on Linux.
pub fn unblock_all() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is initialised by sigemptyset before sigprocmask reads it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()))
    }
}

/// How often the signal of [`count`] has been delivered.
static DELIVERED: AtomicU64 = AtomicU64::new(0);

/// From now on, the deliveries of a signal are counted, and nothing else happens on it.
///
/// # Errors
/// When the number is no signal that can be handled.
pub fn count(number: i32) -> io::Result<()> {
    extern "C" fn counted(_number: i32) {
        DELIVERED.fetch_add(1, Ordering::Release);
    }
    let handler: extern "C" fn(i32) = counted;
    // SAFETY: the action is zeroed plain data that is filled before the call, and the handler does one atomic addition,
    // which is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        check(libc::sigaction(number, &raw const action, std::ptr::null_mut()))
    }
}

/// Deliveries so far of the signal that [`count`] named.
#[must_use]
pub fn deliveries() -> u64 {
    DELIVERED.load(Ordering::Acquire)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The name of a signal for messages: `SIGKILL`, or `signal 42`.
#[must_use]
pub fn name(number: i32) -> String {
    const NAMES: [(i32, &str); 16] = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_and_not_acted_on() {
        // The mask belongs to this thread, and the signal is sent to this thread alone.
        let signals = Signals::block().unwrap();
        assert_eq!(signals.next(), None);
        // SAFETY: raise has no preconditions; SIGUSR1 is blocked in this thread.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert_eq!(signals.next(), Some(Received::User1));
        assert_eq!(signals.next(), None);
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(42), "signal 42");
    }
}
