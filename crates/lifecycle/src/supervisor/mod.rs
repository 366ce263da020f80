//! Decides what the master does about its processes: start, replace, recycle, reload, roll back, stop.
//!
//! A generation is a zygote and the workers it forked. At most one serves (`live`) and at most one is on its way to
//! (`candidate`); others are leaving. What happened comes in through [`Supervisor::handle`]; after each event the whole
//! state is settled level-triggered, so a lost or repeated event cannot leave it stuck.
//! Does no I/O and reads no clock: `now` is the monotonic time, commands are appended to a list that `master` performs.

mod chain;
mod event;
mod leave;
mod limits;
mod notice;
mod policy;
mod pool;
mod reason;
mod scale;
mod settle;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use event::{Command, Event, Sample};
pub use notice::{Level, Notice};
pub use policy::{Policy, SPARE_SEATS};
pub use reason::{Ended, Reason};

use crate::cheaper::Scaler;
use crate::message::ForkId;
use crate::order::Manner;
use crate::throttle::Throttle;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use pool::{Origin, Pace, Phase, Pool, Process, State, Wish, Zygote};

/// Time between the order to end at once and the kill.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

/// Time a zygote has to answer a fork command, and to end once its children have.
pub const ZYGOTE_GRACE: Duration = Duration::from_secs(10);

/// A worker that lived this long after it became ready did not die at once.
pub const SETTLED: Duration = Duration::from_secs(1);

/// A zygote that lived this long did not die at once.
pub const ZYGOTE_SETTLED: Duration = Duration::from_secs(60);

/// Time for what is in flight when workers give way brutally.
pub const BRUTAL_MERCY: Duration = Duration::from_secs(1);

/// Generations that may be draining when a reload begins; with more, it waits.
pub const MAX_LEAVING: usize = 8;

/// Exit code when the application does not load at the start, as uWSGI's `need-app`.
pub const EXIT_NO_APP: i32 = 22;

/// Exit code when the instance cannot start for another reason.
pub const EXIT_START_FAILED: i32 = 1;

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
    /// A reload that has to wait.
    pending: Option<Wish>,
    stop: Option<Stop>,
    /// The stop that has been announced begins then.
    farewell: Option<Duration>,
    paused: bool,
    /// There are no workers, and the next connection starts them.
    asleep: bool,
    scaler: Option<Scaler>,
    /// When there was a request last, and how many there had been.
    active: (Duration, u64),
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
            farewell: None,
            paused: false,
            asleep: false,
            scaler: None,
            active: (Duration::ZERO, 0),
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

    /// Whether no request is begun.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether there are no workers until the next connection.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.asleep
    }

    /// Workers that are wanted.
    #[must_use]
    pub fn wanted(&self) -> u16 {
        self.live.and_then(|live| self.pools.get(&live)).map_or(0, Pool::wanted)
    }

    /// Whether the instance is ending, or has said that it will.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some() || self.farewell.is_some()
    }

    /// Tells what happened; appends what is to be done.
    pub fn handle(&mut self, now: Duration, event: Event, commands: &mut Vec<Command>) {
        // What happened while we could not look is heard before anybody is found to be late.
        let is_time = matches!(event, Event::Timeout | Event::Halt);
        match event {
            Event::Start(policy) => {
                self.active.0 = now;
                self.asleep = policy.cheap;
                let wanted = if self.asleep { 0 } else { policy.initial() };
                let pool = Pool::new(self.next_generation, Origin::First, policy, wanted, now);
                self.start(pool, None, commands);
            }
            Event::Reload(..) | Event::ReloadWorkers(_) | Event::ChainReload => {
                self.handle_reload(now, event, commands);
            }
            Event::ZygoteReady(generation) => self.zygote_ready(now, generation),
            Event::LoadFailed { generation, message } => {
                if self.candidate == Some(generation) {
                    self.candidate_failed(now, EXIT_NO_APP, message, commands);
                }
            }
            Event::ZygoteGone { generation, why } => self.zygote_gone(now, generation, why, commands),
            Event::Forked { id, pid } => self.forked(id, pid),
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
            Event::RecycleAsked(id, reason) => self.recycle_asked(id, reason),
            Event::Checked { generation, verdict } => self.checked(now, generation, verdict, commands),
            Event::Resize(change) => self.resize(now, change, commands),
            Event::Sleep => self.sleep(now, commands),
            Event::Connection => self.wake(now, commands),
            Event::Pause(pause) => self.pause(pause, commands),
            Event::Load(load) => self.handle_load(now, &load, commands),
            Event::Stop => self.take_leave(now, commands),
            Event::Retire => self.stop(now, false, commands),
            Event::Halt => self.stop(now, true, commands),
            Event::Timeout => {}
        }
        self.settle(now, is_time, commands);
    }

    fn start(&mut self, pool: Pool, like: Option<u32>, commands: &mut Vec<Command>) {
        let generation = self.next_generation;
        self.next_generation += 1;
        self.candidate = Some(generation);
        if pool.origin == Origin::Reload {
            commands.push(Command::Note(Notice::ReloadStarted { generation }));
        }
        self.pools.insert(generation, pool);
        commands.push(Command::SpawnZygote { generation, like });
    }

    fn handle_reload(&mut self, now: Duration, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Reload(policy, _) if policy.exit_on_reload && self.stop.is_none() => {
                self.stop(now, false, commands);
            }
            Event::Reload(policy, manner) => {
                let wish = Wish { policy: Some(policy), manner, pace: Pace::Together };
                self.reload(wish, commands);
            }
            Event::ReloadWorkers(manner) => {
                self.reload(Wish { policy: None, manner, pace: Pace::Together }, commands);
            }
            _ => {
                let wish = Wish { policy: None, manner: Manner::Graceful, pace: Pace::OneByOne };
                self.reload(wish, commands);
            }
        }
    }

    fn reload(&mut self, wish: Wish, commands: &mut Vec<Command>) {
        if self.is_stopping() {
            commands.push(Command::Note(Notice::ReloadIgnored));
            return;
        }
        if self.candidate.is_some() {
            commands.push(Command::Note(Notice::ReloadQueued));
        }
        // Rules that were read must not be lost to a later wish for new workers alone.
        let policy = wish.policy.or_else(|| self.pending.take().and_then(|pending| pending.policy));
        self.pending = Some(Wish { policy, ..wish });
    }

    fn zygote_ready(&mut self, now: Duration, generation: u32) {
        if let Some(pool) = self.pools.get_mut(&generation)
            && pool.zygote == Zygote::Loading
            && pool.phase == Phase::Loading
        {
            pool.zygote = Zygote::Ready;
            pool.phase = Phase::Starting;
            pool.progress = now;
        }
    }

    fn forked(&mut self, id: ForkId, pid: i32) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.pid = Some(pid);
            if matches!(process.state, State::Forking(_)) {
                process.state = State::Starting;
            }
        }
    }

    fn checked(
        &mut self,
        now: Duration,
        generation: u32,
        verdict: Result<(), String>,
        commands: &mut Vec<Command>,
    ) {
        let Some(pool) = self.pools.get_mut(&generation).filter(|pool| pool.phase == Phase::Checking) else {
            return;
        };
        match verdict {
            Ok(()) => {
                pool.phase = Phase::Starting;
                pool.checked = true;
                pool.progress = now;
                if pool.pace == Pace::OneByOne {
                    self.open_doors(generation, commands);
                }
            }
            Err(why) => self.candidate_failed(now, EXIT_START_FAILED, why, commands),
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
        if self.farewell.is_some() {
            commands.push(Command::Unready(id));
        }
        if let Some(pool) = self.pools.get_mut(&generation).filter(|pool| pool.phase != Phase::Receding) {
            pool.progress = now;
        }
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
            if pool.origin != Origin::First
                || pool.policy.beside
                || attempts.is_some_and(|most| failures >= most)
            {
                let why = alloc::format!("worker {} {ended} before it was ready", process.worker);
                self.candidate_failed(now, EXIT_START_FAILED, why, commands);
            }
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
