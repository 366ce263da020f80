//! What the supervisor has to say: one sentence per event, for the log.

use super::{Ended, Reason};
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Ordinary life.
    Info,
    /// Something went wrong and is being dealt with.
    Warning,
    /// Something went wrong and the operator must act.
    Error,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A worker ended without being asked.
    WorkerDied {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
        /// How it ended.
        ended: Ended,
        /// When its replacement starts; `None` = with the next generation.
        retry: Option<Duration>,
    },
    /// A worker was killed because it did not end in time.
    NoMercy {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
    },
    /// A worker was killed because a request ran too long and would not be interrupted.
    Overdue {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
        /// How long past its deadline the request was.
        overdue: Duration,
    },
    /// A worker was killed for its size.
    TooLarge {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
        /// What is too large.
        reason: Reason,
    },
    /// A worker is being replaced.
    Recycling {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
        /// Why.
        reason: Reason,
    },
    /// The kernel refused a fork.
    ForkFailed {
        /// Number of the worker that was wanted.
        worker: u16,
        /// Errno.
        errno: i32,
        /// When it is tried again.
        retry: Duration,
    },
    /// The zygote ended while its workers serve.
    ZygoteLost {
        /// How, in words.
        why: String,
        /// When a new one starts.
        retry: Duration,
    },
    /// The zygote does not answer.
    ZygoteSilent,
    /// A reload begins.
    ReloadStarted {
        /// The new generation.
        generation: u32,
    },
    /// A worker of the generation before gives way to its successor.
    ChainLink {
        /// Its number.
        worker: u16,
        /// Its process id, when it was known.
        pid: Option<i32>,
    },
    /// The new generation must answer a request first.
    Checking {
        /// The new generation.
        generation: u32,
    },
    /// The number of workers changes.
    Resized {
        /// Workers from now on.
        wanted: u16,
        /// Workers before.
        before: u16,
    },
    /// How busy the workers were on the average, as `cheaper-busyness-verbose` wants to know.
    Busy {
        /// Per cent of the time of the last window.
        percent: u64,
        /// Workers that are wanted.
        workers: u16,
    },
    /// All workers end until a connection comes.
    Asleep,
    /// A connection has come.
    Awake {
        /// Workers that start.
        wanted: u16,
    },
    /// There has been no request for so long that the instance ends.
    DiesIdle {
        /// How long.
        idle: Duration,
    },
    /// No request is begun any more.
    Paused,
    /// Requests are begun again.
    Resumed,
    /// A stop is near.
    Unready {
        /// When it begins.
        delay: Duration,
    },
    /// A reload was asked for during another one, and will follow it.
    ReloadQueued,
    /// A reload was asked for during a stop.
    ReloadIgnored,
    /// The new generation serves.
    ReloadDone {
        /// The new generation.
        generation: u32,
        /// From its start until it served.
        took: Duration,
    },
    /// The new generation failed; the old one serves on.
    RolledBack {
        /// The generation that failed.
        generation: u32,
        /// Why.
        why: String,
    },
    /// The application did not load at the start.
    StartFailed {
        /// Why.
        why: String,
    },
    /// A stop begins.
    Stopping {
        /// Requests in flight are finished first.
        graceful: bool,
    },
}

impl Notice {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Recycling { .. }
            | Self::ReloadStarted { .. }
            | Self::ReloadQueued
            | Self::ReloadIgnored
            | Self::ReloadDone { .. }
            | Self::ChainLink { .. }
            | Self::Checking { .. }
            | Self::Resized { .. }
            | Self::Busy { .. }
            | Self::Asleep
            | Self::Awake { .. }
            | Self::DiesIdle { .. }
            | Self::Paused
            | Self::Resumed
            | Self::Unready { .. }
            | Self::Stopping { .. } => Level::Info,
            Self::WorkerDied { .. }
            | Self::NoMercy { .. }
            | Self::Overdue { .. }
            | Self::TooLarge { .. }
            | Self::ForkFailed { .. }
            | Self::ZygoteLost { .. }
            | Self::ZygoteSilent => Level::Warning,
            Self::RolledBack { .. } | Self::StartFailed { .. } => Level::Error,
        }
    }
}

struct Who(u16, Option<i32>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(pid) => write!(f, "worker {} (pid {pid})", self.0),
            None => write!(f, "worker {}", self.0),
        }
    }
}

/// A reason for a kill, by the name of the option that asks for it.
struct Evil(Reason);

impl fmt::Display for Evil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        match self.0 {
            Reason::Resident(bytes) => {
                write!(f, "it uses {} MiB of memory (evil-reload-on-rss)", bytes / MIB)
            }
            Reason::AddressSpace(bytes) => {
                write!(f, "it has {} MiB of address space (evil-reload-on-as)", bytes / MIB)
            }
            other => other.fmt(f),
        }
    }
}

struct Soon(Duration);

impl fmt::Display for Soon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { write!(f, "now") } else { write!(f, "in {:.2} s", self.0.as_secs_f64()) }
    }
}

impl fmt::Display for Notice {
    // tidy: table: one sentence for each notice
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkerDied { worker, pid, ended, retry } => {
                write!(f, "{} {ended}; ", Who(*worker, *pid))?;
                match retry {
                    Some(delay) => write!(f, "its replacement starts {}", Soon(*delay)),
                    None => write!(f, "its replacement comes with the next generation"),
                }
            }
            Self::NoMercy { worker, pid } => {
                write!(f, "{} did not end in time and was killed", Who(*worker, *pid))
            }
            Self::Overdue { worker, pid, overdue } => write!(
                f,
                "{} was killed: a request is {:.1} s past its deadline and did not yield",
                Who(*worker, *pid),
                overdue.as_secs_f64()
            ),
            Self::Recycling { worker, pid, reason } => {
                write!(f, "{} is being replaced: {reason}", Who(*worker, *pid))
            }
            Self::TooLarge { worker, pid, reason } => {
                write!(f, "{} was killed: {}", Who(*worker, *pid), Evil(*reason))
            }
            Self::ChainLink { worker, pid } => {
                write!(f, "chain reload: {} gives way to its successor", Who(*worker, *pid))
            }
            Self::Checking { generation } => {
                write!(f, "reload: generation {generation} must answer the check before it takes over")
            }
            Self::Resized { wanted, before } => {
                write!(f, "there are {wanted} workers from now on, {before} before")
            }
            Self::Busy { percent, workers } => write!(f, "busyness: {percent} % of {workers} workers"),
            Self::Asleep => write!(f, "all workers end; the next connection starts them again"),
            Self::Awake { wanted } => write!(f, "a connection has come; {wanted} workers start"),
            Self::DiesIdle { idle } => {
                write!(f, "there was no request for {} s (die-on-idle)", idle.as_secs())
            }
            Self::Paused => write!(f, "paused: no request is begun, connections wait"),
            Self::Resumed => write!(f, "the pause is over"),
            Self::Unready { delay } => write!(
                f,
                "not ready any more: stops in {:.0} s, serves until then (drain-delay)",
                delay.as_secs_f64()
            ),
            Self::ForkFailed { worker, errno, retry } => {
                write!(f, "worker {worker} could not be forked (errno {errno}); next try {}", Soon(*retry))
            }
            Self::ZygoteLost { why, retry } => {
                write!(f, "the zygote {why}; its workers serve on, a new generation starts {}", Soon(*retry))
            }
            Self::ZygoteSilent => write!(f, "the zygote does not answer and was killed"),
            Self::ReloadStarted { generation } => {
                write!(f, "reload: generation {generation} starts beside the one that serves")
            }
            Self::ReloadQueued => write!(f, "reload: one is under way, another will follow it"),
            Self::ReloadIgnored => write!(f, "reload: ignored, the instance is stopping"),
            Self::ReloadDone { generation, took } => {
                write!(f, "reload: generation {generation} serves after {:.2} s", took.as_secs_f64())
            }
            Self::RolledBack { generation, why } => {
                write!(f, "reload: generation {generation} failed, the old one serves on: {why}")
            }
            Self::StartFailed { why } => write!(f, "{why}"),
            Self::Stopping { graceful: true } => {
                write!(f, "stopping: requests in flight are finished first")
            }
            Self::Stopping { graceful: false } => write!(f, "stopping now"),
        }
    }
}
