//! Why processes end: by themselves, or because they are to be replaced.

use core::fmt;
use core::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// Nobody could tell.
    Unknown,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exited with code {code}"),
            Self::Signal(9) => write!(f, "was killed by signal 9 (SIGKILL, perhaps for lack of memory)"),
            Self::Signal(number) => {
                const NAMES: [&str; 16] = [
                    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
                    "USR2", "PIPE", "ALRM", "TERM",
                ];
                let name = usize::try_from(*number).ok().and_then(|number| NAMES.get(number));
                let verb = if matches!(number, 4 | 6 | 7 | 8 | 11) { "crashed with" } else { "was ended by" };
                match name {
                    Some(name) => write!(f, "{verb} signal {number} (SIG{name})"),
                    None => write!(f, "{verb} signal {number}"),
                }
            }
            Self::Unknown => write!(f, "ended"),
        }
    }
}

/// Why a worker is recycled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It answered this many requests.
    Requests(u64),
    /// It is this old.
    Age(Duration),
    /// It has this many resident bytes.
    Resident(u64),
    /// It has this much address space in bytes.
    AddressSpace(u64),
    /// It has this many bytes that no other process shares.
    Unique(u64),
    /// Its share of memory is this many bytes.
    Proportional(u64),
    /// An exception that the configuration names left the application.
    Exception,
    /// One of its requests is this long past its deadline and cannot be interrupted.
    Overdue(Duration),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Requests(count) => write!(f, "it has answered {count} requests (max-requests)"),
            Self::Age(age) => write!(f, "it is {} s old (max-worker-lifetime)", age.as_secs()),
            Self::Resident(bytes) => write!(f, "it uses {} MiB of memory (reload-on-rss)", bytes / MIB),
            Self::AddressSpace(bytes) => {
                write!(f, "it has {} MiB of address space (reload-on-as)", bytes / MIB)
            }
            Self::Unique(bytes) => {
                write!(f, "it has {} MiB of memory of its own (reload-on-uss)", bytes / MIB)
            }
            Self::Proportional(bytes) => {
                write!(f, "its share of memory is {} MiB (reload-on-pss)", bytes / MIB)
            }
            Self::Exception => write!(f, "an exception left the application (reload-on-exception)"),
            Self::Overdue(overdue) => write!(
                f,
                "a request is {:.1} s past its deadline and did not yield (harakiri)",
                overdue.as_secs_f64()
            ),
        }
    }
}
