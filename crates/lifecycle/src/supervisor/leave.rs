//! How generations and workers leave: drains, stops, failed starts, roll-backs.

use super::pool::{Origin, Phase, Process, State, Zygote};
use super::{Command, Notice, STOP_GRACE, Stop, Supervisor, ZYGOTE_GRACE};
use crate::message::ForkId;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

impl Supervisor {
    /// Asks one worker to finish. One that has not said that it serves may do so at this very moment, so it drains as
    /// well, but has less time: it may also be in the middle of a long load.
    pub(super) fn drain(
        &mut self,
        now: Duration,
        id: ForkId,
        heir: Option<u32>,
        mercy: Duration,
        commands: &mut Vec<Command>,
    ) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        match process.state {
            State::Forking(_) | State::Starting | State::Ready => {
                let mercy = if process.state == State::Ready { mercy } else { mercy.min(STOP_GRACE) };
                process.state = State::Draining(now + mercy);
                commands.push(Command::Drain { id, heir, mercy });
            }
            State::Draining(_) | State::Stopping(_) | State::Killed => {}
        }
    }

    /// Lets a whole generation go: its workers drain, its zygote retires.
    pub(super) fn dismiss(
        &mut self,
        now: Duration,
        generation: u32,
        heir: Option<u32>,
        mercy: Duration,
        commands: &mut Vec<Command>,
    ) {
        let Some(pool) = self.pools.get_mut(&generation) else { return };
        pool.phase = Phase::Leaving;
        match pool.zygote {
            Zygote::Loading => {
                pool.zygote = Zygote::Killed;
                commands.push(Command::KillZygote(generation));
            }
            Zygote::Ready => {
                pool.zygote = Zygote::Retired(None);
                commands.push(Command::RetireZygote(generation));
            }
            Zygote::Retired(_) | Zygote::Killed | Zygote::Gone => {}
        }
        for id in self.members(generation) {
            self.drain(now, id, heir, mercy, commands);
        }
    }

    /// The candidate will never serve: the first one ends the instance, a later one leaves the old one serving.
    pub(super) fn candidate_failed(
        &mut self,
        now: Duration,
        code: i32,
        why: String,
        commands: &mut Vec<Command>,
    ) {
        let receding = |number| self.pools.get(&number).is_some_and(|pool| pool.phase == Phase::Receding);
        if self.candidate.is_none_or(receding) {
            // It has failed already, and its workers serve until others do.
            return;
        }
        let Some(generation) = self.candidate.take() else { return };
        let Some(pool) = self.pools.get(&generation) else { return };
        let (origin, mercy) = (pool.origin, pool.policy.worker_mercy);
        if self.recede(now, generation, &why, commands) {
            return;
        }
        if origin == Origin::First {
            commands.push(Command::Note(Notice::StartFailed { why: why.clone() }));
            self.stop = Some(Stop { code, reason: Some(why), halted: true, done: false });
            self.pending = None;
            self.halt_generation(now, generation, false, commands);
        } else {
            if origin == Origin::Recovery {
                self.recovery_at = now + self.recovery.handle_failure().max(Duration::from_secs(1));
            }
            commands.push(Command::Note(Notice::RolledBack { generation, why }));
        }
        let heir = self.live;
        self.dismiss(now, generation, heir, mercy, commands);
    }

    /// Announces a stop where that is wanted, and begins it after a while; a second time, or without delay, at once.
    pub(super) fn take_leave(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let delay = self
            .live
            .and_then(|live| self.pools.get(&live))
            .map_or(Duration::ZERO, |pool| pool.policy.drain_delay);
        if delay.is_zero() || self.farewell.is_some() || self.stop.is_some() {
            return self.stop(now, false, commands);
        }
        self.farewell = Some(now + delay);
        self.pending = None;
        commands.push(Command::Note(Notice::Unready { delay }));
        let told: Vec<ForkId> =
            self.processes.iter().filter(|(_, process)| process.stays()).map(|(id, _)| *id).collect();
        commands.extend(told.into_iter().map(Command::Unready));
    }

    /// Begins a stop, or hastens one.
    pub(super) fn stop(&mut self, now: Duration, at_once: bool, commands: &mut Vec<Command>) {
        let again = match &mut self.stop {
            Some(stop) => {
                let again = stop.halted;
                stop.halted |= at_once;
                at_once && again
            }
            None => {
                commands.push(Command::Note(Notice::Stopping { graceful: !at_once }));
                self.stop = Some(Stop { code: 0, reason: None, halted: at_once, done: false });
                false
            }
        };
        self.candidate = None;
        self.pending = None;
        if core::mem::take(&mut self.asleep) {
            commands.push(Command::AwaitConnection(false));
        }
        let generations: Vec<u32> = self.pools.keys().copied().collect();
        for generation in generations {
            let mercy = self.pools.get(&generation).map_or(Duration::ZERO, |pool| pool.policy.mercy);
            if at_once {
                self.halt_generation(now, generation, again, commands);
            }
            self.dismiss(now, generation, None, mercy, commands);
        }
    }

    /// Ends every worker of a generation at once; `kill` without asking.
    fn halt_generation(&mut self, now: Duration, generation: u32, kill: bool, commands: &mut Vec<Command>) {
        for id in self.members(generation) {
            let Some(process) = self.processes.get_mut(&id) else { continue };
            if kill && process.state != State::Killed {
                process.state = State::Stopping(now);
            } else if process.stays() || matches!(process.state, State::Draining(_)) {
                halt(now, id, process, commands);
            }
        }
    }

    pub(super) fn members(&self, generation: u32) -> Vec<ForkId> {
        let of_generation =
            |(id, process): (&ForkId, &Process)| (process.generation == generation).then_some(*id);
        self.processes.iter().filter_map(of_generation).collect()
    }

    /// Kills what had its time, and finds a zygote that does not answer.
    pub(super) fn enforce_deadlines(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let mut silent = Vec::new();
        for (id, process) in &mut self.processes {
            match process.state {
                State::Forking(deadline) if now >= deadline => silent.push(process.generation),
                State::Draining(deadline) | State::Stopping(deadline) if now >= deadline => {
                    if process.pid.is_none() {
                        silent.push(process.generation);
                        continue;
                    }
                    process.state = State::Killed;
                    commands
                        .push(Command::Note(Notice::NoMercy { worker: process.worker, pid: process.pid }));
                    commands.push(Command::KillWorker(*id));
                }
                _ => {}
            }
        }
        for (generation, pool) in &mut self.pools {
            let overdue = matches!(pool.zygote, Zygote::Retired(Some(deadline)) if now >= deadline);
            let answers = matches!(pool.zygote, Zygote::Ready | Zygote::Retired(_));
            if answers && (overdue || silent.contains(generation)) {
                pool.zygote = Zygote::Killed;
                commands.push(Command::Note(Notice::ZygoteSilent));
                commands.push(Command::KillZygote(*generation));
            }
        }
    }

    /// Gives a retired zygote without children its last deadline, and forgets generations of which nothing is left.
    pub(super) fn bury(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let empty: Vec<u32> =
            self.pools.keys().copied().filter(|number| self.members(*number).is_empty()).collect();
        for number in empty {
            let Some(pool) = self.pools.get_mut(&number) else { continue };
            if pool.zygote == Zygote::Retired(None) {
                pool.zygote = Zygote::Retired(Some(now + ZYGOTE_GRACE));
            }
            if pool.phase == Phase::Leaving && pool.zygote == Zygote::Gone {
                self.pools.remove(&number);
                if self.live == Some(number) {
                    self.live = None;
                }
                commands.push(Command::CloseGeneration(number));
            }
        }
    }
}

/// Asks one worker to end at once.
fn halt(now: Duration, id: ForkId, process: &mut Process, commands: &mut Vec<Command>) {
    process.state = State::Stopping(now + STOP_GRACE);
    commands.push(Command::StopWorker(id));
}
