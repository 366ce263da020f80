//! What the supervisor hears and what it commands.

use super::{Ended, Notice, Policy, Reason};
use crate::cheaper::Load;
use crate::message::ForkId;
use crate::order::Manner;
use alloc::string::String;
use core::time::Duration;

/// What the master saw of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Requests answered since it was forked.
    pub requests: u64,
    /// Resident bytes, when they are known.
    pub resident: Option<u64>,
    /// Bytes of address space, when they are known.
    pub address_space: Option<u64>,
    /// Bytes that no other process shares, when they are known.
    pub unique: Option<u64>,
    /// Its share of memory in bytes, when it is known.
    pub proportional: Option<u64>,
    /// How long the most overdue request is past its deadline.
    pub overdue: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The instance starts.
    Start(Policy),
    /// The operator wants a reload, with these rules.
    Reload(Policy, Manner),
    /// The operator wants the application loaded again, with the rules as they are.
    ReloadWorkers(Manner),
    /// The same, worker by worker.
    ChainReload,
    /// So many workers more or fewer.
    Resize(i16),
    /// End all workers until the next connection.
    Sleep,
    /// A connection has come while no worker was there.
    Connection,
    /// Begin no more requests, or go on.
    Pause(bool),
    /// A look at what all workers do.
    Load(Load),
    /// A zygote is ready to fork.
    ZygoteReady(u32),
    /// The application did not load in a zygote, which will end.
    LoadFailed {
        /// The generation.
        generation: u32,
        /// One sentence.
        message: String,
    },
    /// A zygote ended, or could not be started.
    ZygoteGone {
        /// The generation.
        generation: u32,
        /// How, in words: `was killed by signal 9`.
        why: String,
    },
    /// A worker was forked.
    Forked {
        /// The command.
        id: ForkId,
        /// Its process id.
        pid: i32,
    },
    /// A fork failed.
    ForkFailed {
        /// The command.
        id: ForkId,
        /// Errno.
        errno: i32,
    },
    /// A worker accepts requests.
    WorkerReady(ForkId),
    /// The application did not load in a worker (`lazy-apps`), which will end.
    WorkerLoadFailed {
        /// The command that made it.
        id: ForkId,
        /// One sentence.
        message: String,
    },
    /// A worker ended and was reaped.
    WorkerExited {
        /// The command that made it.
        id: ForkId,
        /// How.
        ended: Ended,
    },
    /// A worker asks to be replaced.
    RecycleAsked(ForkId, Reason),
    /// A generation has answered the request of the check, or why not.
    Checked {
        /// The generation.
        generation: u32,
        /// What is wrong with the answer.
        verdict: Result<(), String>,
    },
    /// A look at a worker.
    Sample(ForkId, Sample),
    /// Stop when what is in flight has been answered.
    Stop,
    /// The same without announcing it: another instance has taken over.
    Retire,
    /// Stop at once.
    Halt,
    /// A time given by [`Supervisor::poll_timeout`] has come.
    Timeout,
}

/// What the master is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start a zygote.
    SpawnZygote {
        /// Number of the new generation.
        generation: u32,
        /// The generation whose settings it repeats; `None` = those that came with the last start or reload.
        like: Option<u32>,
    },
    /// Ask a zygote for a worker.
    Fork {
        /// The zygote's generation.
        generation: u32,
        /// Identifies the process from now on.
        id: ForkId,
        /// Worker number from 1.
        worker: u16,
        /// Row of the generation's scoreboard.
        slot: u16,
        /// Processes that had this worker number before.
        respawn: u32,
    },
    /// Ask a worker to finish and end.
    Drain {
        /// The worker.
        id: ForkId,
        /// The generation that adopts its idle connections.
        heir: Option<u32>,
        /// Time until it will be killed.
        mercy: Duration,
    },
    /// Tell a worker to begin no request, or to go on.
    Pause(ForkId, bool),
    /// Tell a worker, before anything else, to leave the listeners alone until it is opened.
    Shut(ForkId),
    /// Tell a worker that it may take connections.
    Open(ForkId),
    /// Tell a worker that a stop is near: it answers so whoever asks whether it is ready.
    Unready(ForkId),
    /// Send the generation the request of the check.
    Check(u32),
    /// Say when a connection comes, or no more.
    AwaitConnection(bool),
    /// Ask a worker to end at once.
    StopWorker(ForkId),
    /// Kill a worker.
    KillWorker(ForkId),
    /// Tell a zygote that no more forks will come.
    RetireZygote(u32),
    /// Kill a zygote.
    KillZygote(u32),
    /// This generation is the one that serves now: all its workers are ready, or one of the first generation.
    Serving(u32),
    /// Nothing of this generation is left; release what belongs to it.
    CloseGeneration(u32),
    /// Write to the log.
    Note(Notice),
    /// Everything has ended: exit.
    Exit {
        /// Process exit code.
        code: i32,
        /// Why, when it is a failure.
        reason: Option<String>,
    },
}
