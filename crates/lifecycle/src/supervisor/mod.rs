//! Decides what the master does about its processes: start, replace, recycle, reload, roll back, stop.
//!
//! A generation is a zygote and the workers it forked. At most one serves (`live`) and at most one is on its way to
//! (`candidate`); others are leaving. What happened comes in through [`Supervisor::handle`]; after each event the whole
//! state is settled level-triggered, so a lost or repeated event cannot leave it stuck.
//! Does no I/O and reads no clock: `now` is the monotonic time, commands are appended to a list that `master` performs.

mod leave;
mod notice;
mod policy;
mod pool;
mod settle;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use notice::{Level, Notice};
pub use policy::Policy;

use crate::message::ForkId;
use crate::throttle::Throttle;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use pool::{Origin, Phase, Pool, Process, State, Zygote};

/// Time between the order to end at once and the kill.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

/// Time a zygote has to answer a fork command, and to end once its children have.
pub const ZYGOTE_GRACE: Duration = Duration::from_secs(10);

/// A worker that lived this long after it became ready did not die at once.
pub const SETTLED: Duration = Duration::from_secs(1);

/// A zygote that lived this long did not die at once.
pub const ZYGOTE_SETTLED: Duration = Duration::from_secs(60);

/// Generations that may be draining when a reload begins; with more, it waits.
pub const MAX_LEAVING: usize = 8;

/// Exit code when the application does not load at the start, as uWSGI's `need-app`.
pub const EXIT_NO_APP: i32 = 22;

/// Exit code when the instance cannot start for another reason.
pub const EXIT_START_FAILED: i32 = 1;

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
            Self::Overdue(overdue) => write!(
                f,
                "a request is {:.1} s past its deadline and did not yield (harakiri)",
                overdue.as_secs_f64()
            ),
        }
    }
}

/// What the master saw of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Requests answered since it was forked.
    pub requests: u64,
    /// Resident bytes, when they are known.
    pub resident: Option<u64>,
    /// Bytes of address space, when they are known.
    pub address_space: Option<u64>,
    /// How long the most overdue request is past its deadline.
    pub overdue: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The instance starts.
    Start(Policy),
    /// The operator wants a reload, with these rules.
    Reload(Policy),
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
    /// A look at a worker.
    Sample(ForkId, Sample),
    /// Stop when what is in flight has been answered.
    Stop,
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

/// How the instance ends.
#[derive(Clone, Debug, PartialEq)]
struct Stop {
    code: i32,
    reason: Option<String>,
    halted: bool,
    done: bool,
}

/// The whole instance.
#[derive(Debug)]
pub struct Supervisor {
    pools: BTreeMap<u32, Pool>,
    processes: BTreeMap<ForkId, Process>,
    live: Option<u32>,
    candidate: Option<u32>,
    /// Rules of a reload that has to wait.
    pending: Option<Policy>,
    stop: Option<Stop>,
    recovery: Throttle,
    recovery_at: Duration,
    next_generation: u32,
    next_id: ForkId,
    random: u64,
}

impl Supervisor {
    /// Nothing runs yet. `seed` spreads the recycling of workers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            pools: BTreeMap::new(),
            processes: BTreeMap::new(),
            live: None,
            candidate: None,
            pending: None,
            stop: None,
            recovery: Throttle::default(),
            recovery_at: Duration::ZERO,
            next_generation: 1,
            next_id: 1,
            random: seed | 1,
        }
    }

    /// The generation that serves.
    #[must_use]
    pub fn live(&self) -> Option<u32> {
        self.live
    }

    /// Whether a new generation is on its way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.live.is_some() && (self.candidate.is_some() || self.pending.is_some())
    }

    /// Whether the instance is ending.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// Tells what happened; appends what is to be done.
    pub fn handle(&mut self, now: Duration, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Start(policy) => self.start(now, Origin::First, policy, None, commands),
            Event::Reload(policy) => self.reload(now, policy, commands),
            Event::ZygoteReady(generation) => self.zygote_ready(generation),
            Event::LoadFailed { generation, message } => {
                if self.candidate == Some(generation) {
                    self.candidate_failed(now, EXIT_NO_APP, message, commands);
                }
            }
            Event::ZygoteGone { generation, why } => self.zygote_gone(now, generation, why, commands),
            Event::Forked { id, pid } => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.pid = Some(pid);
                    if matches!(process.state, State::Forking(_)) {
                        process.state = State::Starting;
                    }
                }
            }
            Event::ForkFailed { id, errno } => self.fork_failed(now, id, errno, commands),
            Event::WorkerReady(id) => self.worker_ready(now, id, commands),
            Event::WorkerLoadFailed { id, message } => {
                let generation = self.processes.get(&id).map(|process| process.generation);
                if generation.is_some() && generation == self.candidate {
                    self.candidate_failed(now, EXIT_NO_APP, message, commands);
                }
            }
            Event::WorkerExited { id, ended } => self.worker_exited(now, id, ended, commands),
            Event::Sample(id, sample) => self.look_at(now, id, sample, commands),
            Event::Stop => self.stop(now, false, commands),
            Event::Halt => self.stop(now, true, commands),
            Event::Timeout => {}
        }
        self.settle(now, commands);
    }

    fn start(
        &mut self,
        now: Duration,
        origin: Origin,
        policy: Policy,
        like: Option<u32>,
        commands: &mut Vec<Command>,
    ) {
        let generation = self.next_generation;
        self.next_generation += 1;
        self.candidate = Some(generation);
        self.pools.insert(generation, Pool::new(generation, origin, policy, now));
        if origin == Origin::Reload {
            commands.push(Command::Note(Notice::ReloadStarted { generation }));
        }
        commands.push(Command::SpawnZygote { generation, like });
    }

    fn reload(&mut self, now: Duration, policy: Policy, commands: &mut Vec<Command>) {
        if self.stop.is_some() {
            commands.push(Command::Note(Notice::ReloadIgnored));
            return;
        }
        if policy.exit_on_reload {
            return self.stop(now, false, commands);
        }
        if self.candidate.is_some() {
            commands.push(Command::Note(Notice::ReloadQueued));
        }
        self.pending = Some(policy);
    }

    fn zygote_ready(&mut self, generation: u32) {
        if let Some(pool) = self.pools.get_mut(&generation)
            && pool.zygote == Zygote::Loading
            && pool.phase == Phase::Loading
        {
            pool.zygote = Zygote::Ready;
            pool.phase = Phase::Starting;
        }
    }

    fn zygote_gone(&mut self, now: Duration, generation: u32, why: String, commands: &mut Vec<Command>) {
        let Some(pool) = self.pools.get_mut(&generation) else { return };
        pool.zygote = Zygote::Gone;
        let lasted = now.saturating_sub(pool.started);
        // What it was asked for and had not confirmed does not exist: such a process finds its channel closed and ends.
        let unborn: Vec<ForkId> = self
            .processes
            .iter()
            .filter(|(_, process)| process.generation == generation && process.pid.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in unborn {
            self.processes.remove(&id);
            self.vacate(id, generation);
        }
        if self.candidate == Some(generation) {
            self.candidate_failed(now, EXIT_START_FAILED, why, commands);
        } else if self.live == Some(generation) && self.stop.is_none() {
            if lasted >= ZYGOTE_SETTLED {
                self.recovery.handle_success();
            }
            let retry = self.recovery.handle_failure();
            self.recovery_at = now + retry;
            commands.push(Command::Note(Notice::ZygoteLost { why, retry }));
        }
    }

    fn fork_failed(&mut self, now: Duration, id: ForkId, errno: i32, commands: &mut Vec<Command>) {
        let Some(process) = self.processes.remove(&id) else { return };
        self.vacate(id, process.generation);
        let stopping = self.stop.is_some();
        let Some(seat) = self.pools.get_mut(&process.generation).and_then(|pool| pool.seat(process.worker))
        else {
            return;
        };
        // The machine is short of something: even the first retry waits.
        let retry = seat.throttle.handle_failure().max(core::time::Duration::from_millis(250));
        seat.not_before = now + retry;
        if !stopping {
            commands.push(Command::Note(Notice::ForkFailed { worker: process.worker, errno, retry }));
        }
    }

    fn worker_ready(&mut self, now: Duration, id: ForkId, commands: &mut Vec<Command>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if !matches!(process.state, State::Forking(_) | State::Starting) {
            return;
        }
        process.state = State::Ready;
        process.ready = Some(now);
        let (generation, worker) = (process.generation, process.worker);
        let Some(pool) = self.pools.get_mut(&generation) else { return };
        let (usual, overdue) = (pool.policy.worker_mercy, pool.policy.overdue_mercy);
        let Some(seat) = pool.seat(worker) else { return };
        if seat.successor == Some(id) {
            seat.successor = None;
            let mercy = match seat.due.take() {
                Some(Reason::Overdue(_)) => overdue.unwrap_or(usual),
                _ => usual,
            };
            if let Some(old) = seat.occupant.replace(id) {
                self.drain(now, old, Some(generation), mercy, commands);
            }
        }
    }

    /// Takes a process that no longer exists off its seat.
    fn vacate(&mut self, id: ForkId, generation: u32) {
        let Some(pool) = self.pools.get_mut(&generation) else { return };
        for seat in &mut pool.seats {
            if seat.successor == Some(id) {
                seat.successor = None;
            }
            if seat.occupant == Some(id) {
                seat.occupant = seat.successor.take();
                seat.due = None;
            }
        }
    }

    fn worker_exited(&mut self, now: Duration, id: ForkId, ended: Ended, commands: &mut Vec<Command>) {
        let Some(process) = self.processes.remove(&id) else { return };
        let forkable = self.pools.get(&process.generation).is_some_and(|pool| pool.zygote == Zygote::Ready);
        let Some(seat) = self.pools.get_mut(&process.generation).and_then(|pool| pool.seat(process.worker))
        else {
            return;
        };
        let seated = seat.occupant == Some(id) || seat.successor == Some(id);
        let settled = process.ready.is_some_and(|ready| now.saturating_sub(ready) >= SETTLED);
        let mut retry = Duration::ZERO;
        if settled {
            seat.throttle.handle_success();
        } else if seated {
            retry = match process.ready {
                Some(_) => seat.throttle.handle_failure_after_work(),
                None => seat.throttle.handle_failure(),
            };
            seat.not_before = now + retry;
        }
        let failures = seat.throttle.failures();
        self.vacate(id, process.generation);
        if !seated || !process.stays() && process.state != State::Killed {
            return;
        }
        if process.stays() {
            let retry = forkable.then_some(retry);
            commands.push(Command::Note(Notice::WorkerDied {
                worker: process.worker,
                pid: process.pid,
                ended,
                retry,
            }));
        }
        if self.candidate == Some(process.generation)
            && process.ready.is_none()
            && let Some(pool) = self.pools.get(&process.generation)
        {
            // At the start there is nothing to fall back on: trying again is better, unless somebody waits for the outcome.
            let attempts = pool.policy.start_attempts.filter(|_| pool.origin == Origin::First);
            if pool.origin != Origin::First || attempts.is_some_and(|most| failures >= most) {
                let why = alloc::format!("worker {} {ended} before it was ready", process.worker);
                self.candidate_failed(now, EXIT_START_FAILED, why, commands);
            }
        }
    }

    fn look_at(&mut self, now: Duration, id: ForkId, sample: Sample, commands: &mut Vec<Command>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(pool) = self.pools.get_mut(&process.generation) else { return };
        let policy = &pool.policy;
        let late = sample.overdue.zip(policy.overdue_grace).filter(|(overdue, grace)| overdue >= grace);
        // Its own client has been answered by now, so the worker may finish the others' requests first, beside a
        // replacement; unless there is none in time.
        let patience = policy.overdue_mercy.map_or(Duration::ZERO, |mercy| mercy + STOP_GRACE);
        if let Some((overdue, grace)) = late
            && matches!(process.state, State::Ready | State::Draining(_))
            && overdue >= grace + patience
        {
            let (worker, pid) = (process.worker, process.pid);
            process.state = State::Killed;
            commands.push(Command::Note(Notice::Overdue { worker, pid, overdue }));
            commands.push(Command::KillWorker(id));
            return;
        }
        let Some(ready) = process.ready.filter(|_| process.state == State::Ready) else { return };
        if let Some((overdue, _)) = late {
            if let Some(seat) = pool.seat(process.worker).filter(|seat| seat.occupant == Some(id)) {
                seat.due = Some(Reason::Overdue(overdue));
            }
            return;
        }
        let age = now.saturating_sub(ready);
        let (limit, policy) = (process.limit, &pool.policy);
        if age < policy.min_lifetime {
            return;
        }
        let reached = |value: Option<u64>, limit: Option<u64>| {
            value.zip(limit).filter(|(value, limit)| value >= limit).map(|(value, _)| value)
        };
        let due = reached(Some(sample.requests), limit)
            .map(Reason::Requests)
            .or_else(|| policy.max_lifetime.filter(|longest| age >= *longest).map(|_| Reason::Age(age)))
            .or_else(|| reached(sample.resident, policy.max_resident).map(Reason::Resident))
            .or_else(|| reached(sample.address_space, policy.max_address_space).map(Reason::AddressSpace));
        if let Some(seat) = pool.seat(process.worker)
            && seat.occupant == Some(id)
            && seat.due.is_none()
        {
            seat.due = due;
        }
    }

    /// A number from 0 to `bound`, for spreading only.
    fn spread(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound.saturating_add(1)
    }
}
