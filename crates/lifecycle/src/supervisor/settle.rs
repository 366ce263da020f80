//! Brings the state to rest after each event: what is due is done, once, whoever caused it.

use super::pool::{Origin, Pace, Phase, Pool, Process, State, Zygote};
use super::{BRUTAL_MERCY, Command, MAX_LEAVING, Notice, Reason, Supervisor, ZYGOTE_GRACE};
use crate::order::Manner;
use alloc::vec::Vec;
use core::time::Duration;

impl Supervisor {
    pub(super) fn settle(&mut self, now: Duration, is_time: bool, commands: &mut Vec<Command>) {
        if is_time {
            self.enforce_deadlines(now, commands);
            if self.stop.is_none() && self.farewell.is_some_and(|at| now >= at) {
                self.stop(now, false, commands);
            }
            if self.stop.is_none() {
                self.give_up_late_candidate(now, commands);
            }
        }
        if self.stop.is_none() {
            self.check_candidate(commands);
            self.hand_over(now, commands);
            self.give_back(now, commands);
            self.promote_candidate(now, commands);
            self.start_next_generation(now, commands);
        }
        if self.stop.is_none() {
            self.fill_seats(now, commands);
            self.recycle(now, commands);
        }
        self.bury(now, commands);
        if let Some(stop) = &mut self.stop
            && self.pools.is_empty()
            && !stop.done
        {
            stop.done = true;
            commands.push(Command::Exit { code: stop.code, reason: stop.reason.clone() });
        }
    }

    /// The time at which [`Event::Timeout`](super::Event::Timeout) is to be handled.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let processes = self.processes.values().filter_map(|process| match process.state {
            State::Forking(at) => {
                let answers = |pool: &super::Pool| matches!(pool.zygote, Zygote::Ready | Zygote::Retired(_));
                self.pools.get(&process.generation).is_some_and(answers).then_some(at)
            }
            // Its zygote was killed already, and takes it along when it is reaped.
            State::Draining(at) | State::Stopping(at) => {
                let waits = process.pid.is_none()
                    && self.pools.get(&process.generation).is_some_and(|pool| pool.zygote == Zygote::Killed);
                (!waits).then_some(at)
            }
            _ => None,
        });
        let pools = self.pools.values().filter_map(|pool| match pool.zygote {
            Zygote::Retired(at) => at,
            _ => pool.deadline().filter(|_| self.candidate == Some(pool.number)),
        });
        let open = |pool: &&super::Pool| {
            self.stop.is_none() && self.openings(pool) > 0 && self.free_slot(pool.number).is_some()
        };
        let seats =
            self.pools.values().filter(open).flat_map(|pool| {
                pool.seats.iter().filter(|seat| seat.is_vacant()).map(|seat| seat.not_before)
            });
        let recycling = self.recycle_time();
        let recovery = self.needs_recovery().then_some(self.recovery_at);
        let farewell = self.farewell.filter(|_| self.stop.is_none());
        processes.chain(pools).chain(seats).chain(recycling).chain(recovery).chain(farewell).min()
    }

    fn give_up_late_candidate(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let late = self
            .candidate
            .and_then(|number| self.pools.get(&number))
            .filter(|pool| pool.deadline().is_some_and(|deadline| now >= deadline));
        let Some(pool) = late else { return };
        if pool.phase == Phase::Receding {
            // What serves goes on serving, unless that keeps the operator from mending what is wrong.
            let number = pool.number;
            let live = self.live.and_then(|live| self.pools.get(&live));
            if self.pending.is_some() && live.is_some_and(|live| live.zygote == Zygote::Ready) {
                return self.let_go(now, number, commands);
            }
            if let Some(pool) = self.pools.get_mut(&number) {
                pool.progress = now;
            }
            return;
        }
        let why = alloc::format!("it was not ready within {} s", pool.policy.reload_deadline.as_secs());
        self.candidate_failed(now, super::EXIT_START_FAILED, why, commands);
    }

    /// How many of the wanted workers of a generation are ready, and whether all are.
    pub(super) fn readiness(&self, pool: &Pool) -> (usize, bool) {
        let is_ready = |id| self.processes.get(id).is_some_and(|process| process.state == State::Ready);
        let open = || pool.seats.iter().filter(|seat| seat.open);
        let ready = open().filter(|seat| seat.occupant.as_ref().is_some_and(is_ready)).count();
        (ready, ready == open().count())
    }

    /// When the workers of the candidate are ready, it is asked to prove itself, where that is wanted. Of one that
    /// takes over worker by worker the first is enough.
    fn check_candidate(&mut self, commands: &mut Vec<Command>) {
        let Some(number) = self.candidate else { return };
        let Some(pool) =
            self.pools.get(&number).filter(|pool| pool.phase == Phase::Starting && !pool.checked)
        else {
            return;
        };
        let (ready, all) = self.readiness(pool);
        // Without a worker, as in cheap mode, there is nobody to ask.
        let nobody = pool.wanted() == 0;
        if !(all || pool.pace == Pace::OneByOne && ready > 0) {
            return;
        }
        if let Some(pool) = self.pools.get_mut(&number) {
            if nobody {
                pool.checked = true;
                return;
            }
            pool.phase = Phase::Checking;
        }
        commands.push(Command::Note(Notice::Checking { generation: number }));
        commands.push(Command::Check(number));
    }

    /// Whether nobody serves, and the generation that should cannot have workers any more.
    fn is_lost(&self, generation: u32) -> bool {
        let lost = |pool: &Pool| pool.zygote != Zygote::Ready && self.readiness(pool).0 == 0;
        self.pools.get(&generation).is_some_and(lost)
    }

    /// When every worker of the candidate is ready, it serves, and the one before it drains. The first generation has
    /// none before it, and serves with its first worker; so does one that comes after everything was lost.
    fn promote_candidate(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let Some(number) = self.candidate else { return };
        let Some(pool) = self.pools.get(&number).filter(|pool| pool.phase == Phase::Starting && pool.checked)
        else {
            return;
        };
        let (ready, all) = self.readiness(pool);
        let is_awaited = pool.is_alone() || self.live.is_some_and(|live| self.is_lost(live));
        if !(all || is_awaited && ready > 0) {
            return;
        }
        let (origin, manner, took) = (pool.origin, pool.manner, now.saturating_sub(pool.started));
        let is_asleep = pool.wanted() == 0;
        if let Some(pool) = self.pools.get_mut(&number) {
            pool.phase = Phase::Live;
            pool.pace = Pace::Together;
        }
        self.candidate = None;
        self.open_doors(number, commands);
        let old = self.live.replace(number);
        commands.push(Command::Serving(number));
        if self.asleep && is_asleep {
            commands.push(Command::AwaitConnection(true));
        }
        if let Some(old) = old {
            let usual = self.pools.get(&old).map_or(Duration::ZERO, |pool| pool.policy.worker_mercy);
            let mercy = if manner == Manner::Brutal { usual.min(BRUTAL_MERCY) } else { usual };
            self.dismiss(now, old, Some(number), mercy, commands);
        }
        // After the old workers were told: who reads this may ask, and expects the new code.
        if origin != Origin::First {
            commands.push(Command::Note(Notice::ReloadDone { generation: number, took }));
        }
    }

    /// Lets the workers of a generation take connections.
    pub(super) fn open_doors(&mut self, generation: u32, commands: &mut Vec<Command>) {
        for (id, process) in &mut self.processes {
            if process.generation == generation && process.stays() && core::mem::take(&mut process.shut) {
                commands.push(Command::Open(*id));
            }
        }
    }

    /// Starts the generation of a waiting reload, or one to replace a generation that lost its zygote.
    fn start_next_generation(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if self.candidate.is_some() || self.farewell.is_some() && self.pending.is_some() {
            return;
        }
        let Some((live, before)) = self.live.and_then(|live| Some((live, self.pools.get(&live)?))) else {
            return;
        };
        let (policy, wanted) = (before.policy.clone(), before.wanted());
        let leaving = self.pools.values().filter(|pool| pool.phase == Phase::Leaving).count();
        let number = self.next_generation;
        if leaving < MAX_LEAVING
            && let Some(wish) = self.pending.take()
        {
            let like = wish.policy.is_none().then_some(live);
            let wanted = match &wish.policy {
                Some(new) => self.wanted_after_reload(new, wanted),
                None => wanted,
            };
            let policy = wish.policy.unwrap_or(policy);
            let mut pool = Pool::new(number, Origin::Reload, policy, wanted, now);
            (pool.manner, pool.pace) = (wish.manner, wish.pace);
            self.start(pool, like, commands);
        } else if self.needs_recovery() && now >= self.recovery_at {
            self.start(Pool::new(number, Origin::Recovery, policy, wanted, now), Some(live), commands);
        }
    }

    fn needs_recovery(&self) -> bool {
        let lost = |number| self.pools.get(&number).is_some_and(|pool| pool.zygote == Zygote::Gone);
        self.stop.is_none() && self.candidate.is_none() && self.live.is_some_and(lost)
    }

    fn fill_seats(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let mut wanted = Vec::new();
        for pool in self.pools.values() {
            let vacant =
                (1..).zip(&pool.seats).filter(|(_, seat)| seat.is_vacant() && now >= seat.not_before);
            wanted.extend(vacant.take(self.openings(pool)).map(|(worker, _)| (pool.number, worker)));
        }
        for (generation, worker) in wanted {
            if let Some(id) = self.fork(now, generation, worker, commands)
                && let Some(seat) = self.pools.get_mut(&generation).and_then(|pool| pool.seat(worker))
            {
                seat.occupant = Some(id);
            }
        }
    }

    /// How many workers may be forked for vacant seats now.
    fn openings(&self, pool: &super::Pool) -> usize {
        let is_ready = |id| self.processes.get(id).is_some_and(|process| process.state == State::Ready);
        let mut occupants = pool.seats.iter().filter_map(|seat| seat.occupant.as_ref());
        if !may_fork(pool) {
            0
        } else if pool.pace == Pace::OneByOne {
            // The next one starts when the one before it has proved itself.
            usize::from(occupants.all(is_ready) && (pool.checked || self.readiness(pool).0 == 0))
        } else if !pool.policy.lazy || pool.phase == Phase::Live || occupants.clone().any(is_ready) {
            pool.seats.len()
        } else {
            usize::from(occupants.next().is_none())
        }
    }

    /// The seat whose replacement is next, and when: one at a time, and none during a reload, which replaces all.
    fn next_recycle(&self) -> Option<(u32, u16, Duration)> {
        if self.stop.is_some() || self.candidate.is_some() {
            return None;
        }
        let pool = self.pools.get(&self.live?).filter(|pool| may_fork(pool))?;
        if pool.seats.iter().any(|seat| seat.successor.is_some()) {
            return None;
        }
        let is_ready = |id| self.processes.get(id).is_some_and(|process| process.state == State::Ready);
        (1..)
            .zip(&pool.seats)
            .filter(|(_, seat)| seat.due.is_some() && seat.occupant.as_ref().is_some_and(is_ready))
            .min_by_key(|(_, seat)| (!matches!(seat.due, Some(Reason::Overdue(_))), seat.not_before))
            .map(|(worker, seat)| (pool.number, worker, seat.not_before))
            .filter(|_| self.free_slot(pool.number).is_some())
    }

    fn recycle_time(&self) -> Option<Duration> {
        self.next_recycle().map(|(_, _, at)| at)
    }

    fn recycle(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let Some((generation, worker, at)) = self.next_recycle() else { return };
        if now < at {
            return;
        }
        let Some(id) = self.fork(now, generation, worker, commands) else { return };
        let Some(seat) = self.pools.get_mut(&generation).and_then(|pool| pool.seat(worker)) else { return };
        seat.successor = Some(id);
        if let (Some(old), Some(reason)) = (seat.occupant, seat.due) {
            let pid = self.processes.get(&old).and_then(|process| process.pid);
            commands.push(Command::Note(Notice::Recycling { worker, pid, reason }));
        }
    }

    fn free_slot(&self, generation: u32) -> Option<u16> {
        let slots = self.pools.get(&generation)?.policy.slots();
        let taken: Vec<u16> = self
            .processes
            .values()
            .filter(|process| process.generation == generation)
            .map(|process| process.slot)
            .collect();
        (1..slots).find(|slot| !taken.contains(slot))
    }

    fn fork(
        &mut self,
        now: Duration,
        generation: u32,
        worker: u16,
        commands: &mut Vec<Command>,
    ) -> Option<u64> {
        let slot = self.free_slot(generation)?;
        let policy = &self.pools.get(&generation)?.policy;
        let later = policy.max_lifetime_delta.saturating_mul(u32::from(worker) - 1);
        let lifetime = policy.max_lifetime.map(|longest| longest.saturating_add(later));
        let (requests, delta) = (policy.max_requests, policy.max_requests_delta);
        let limit = requests.map(|requests| {
            let extra = match delta {
                Some(delta) => delta.saturating_mul(u64::from(worker) - 1),
                None => self.spread(requests / 10),
            };
            requests.saturating_add(extra).max(1)
        });
        let pool = self.pools.get_mut(&generation)?;
        // Clients meet a generation when it takes over, not before.
        let early = pool.pace == Pace::Together || !pool.checked;
        let shut = pool.phase != Phase::Live && !pool.is_alone() && early;
        let seat = pool.seat(worker)?;
        let respawn = seat.spawned;
        seat.spawned += 1;
        let id = self.next_id;
        self.next_id += 1;
        self.processes.insert(
            id,
            Process {
                generation,
                worker,
                slot,
                pid: None,
                state: State::Forking(now + ZYGOTE_GRACE),
                ready: None,
                limit,
                lifetime,
                shut,
                idle: false,
            },
        );
        commands.push(Command::Fork { generation, id, worker, slot, respawn });
        if shut {
            commands.push(Command::Shut(id));
        }
        if self.paused {
            commands.push(Command::Pause(id, true));
        }
        Some(id)
    }
}

/// Whether workers may be forked into this generation.
fn may_fork(pool: &super::Pool) -> bool {
    matches!(pool.phase, Phase::Starting | Phase::Checking | Phase::Live) && pool.zygote == Zygote::Ready
}
