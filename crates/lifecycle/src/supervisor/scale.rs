//! How many workers there are: cheaper, orders, cheap mode and pauses.

use super::pool::{Phase, Pool, State};
use super::{Command, Notice, Policy, Supervisor};
use crate::cheaper::{Load, Scaler, Standing};
use crate::message::ForkId;
use alloc::vec::Vec;
use core::time::Duration;

impl Supervisor {
    /// A look at what all workers do.
    pub(super) fn handle_load(&mut self, now: Duration, load: &Load, commands: &mut Vec<Command>) {
        for worker in &load.workers {
            if let Some(process) = self.processes.get_mut(&worker.id) {
                process.idle = worker.idle;
            }
        }
        let works = load.requests != self.active.1 || load.workers.iter().any(|worker| !worker.idle);
        if works || load.waiting > 0 || self.asleep || self.paused {
            self.active = (now, load.requests);
        }
        let Some(pool) = self.live.and_then(|live| self.pools.get(&live)) else { return };
        if self.is_stopping() || self.candidate.is_some() || self.paused || self.asleep {
            return;
        }
        if let Some(idle) = pool.policy.idle.filter(|idle| now.saturating_sub(self.active.0) >= *idle) {
            if pool.policy.die_on_idle {
                commands.push(Command::Note(Notice::DiesIdle { idle }));
                return self.stop(now, false, commands);
            }
            return self.sleep(now, commands);
        }
        let Some(rules) = &pool.policy.scaling else { return };
        if self.scaler.as_ref().is_none_or(|scaler| scaler.rules() != rules) {
            self.scaler = Some(Scaler::new(rules.clone()));
        }
        let (ready, _) = self.readiness(pool);
        let wanted = pool.wanted();
        let starting = wanted.saturating_sub(u16::try_from(ready).unwrap_or(u16::MAX));
        let Some(scaler) = &mut self.scaler else { return };
        let change = scaler.handle_look(now, load, Standing { wanted, starting });
        if let Some(percent) = scaler.take_busyness() {
            commands.push(Command::Note(Notice::Busy { percent, workers: wanted }));
        }
        self.change(now, change, true, commands);
    }

    /// An order for more or fewer workers. One always stays.
    pub(super) fn resize(&mut self, now: Duration, change: i16, commands: &mut Vec<Command>) {
        if self.is_stopping() {
            return;
        }
        if self.asleep && change > 0 {
            return self.wake(now, commands);
        }
        self.change(now, change, false, commands);
        if let Some(pool) = self.candidate.and_then(|candidate| self.pools.get_mut(&candidate)) {
            if change > 0 {
                open(pool, change.unsigned_abs());
            } else {
                // Highest numbers first: nothing is known yet of what they do.
                for _ in 0..change.unsigned_abs().min(pool.wanted().saturating_sub(1)) {
                    let vacant = pool.seats.iter_mut().rev().find(|seat| seat.is_vacant());
                    let Some(seat) = vacant else { break };
                    seat.open = false;
                }
            }
        }
    }

    /// Opens or closes seats of the generation that serves; with `idle_only` none of a worker that is at work.
    fn change(&mut self, now: Duration, change: i16, idle_only: bool, commands: &mut Vec<Command>) {
        let Some(live) = self.live else { return };
        let Some(pool) = self.pools.get_mut(&live).filter(|pool| pool.phase == Phase::Live) else { return };
        let before = pool.wanted();
        if change > 0 {
            open(pool, change.unsigned_abs());
        }
        for _ in 0..change.min(0).unsigned_abs() {
            let Some(pool) = self.pools.get(&live).filter(|pool| pool.wanted() > 1) else { break };
            let Some(worker) = self.superfluous(pool, idle_only) else { break };
            self.close_seat(now, live, worker, Some(live), commands);
        }
        let wanted = self.wanted();
        if wanted != before {
            commands.push(Command::Note(Notice::Resized { wanted, before }));
        }
    }

    /// The number that can best be done without: one that nobody has, else one whose worker does not serve yet, else the
    /// idle worker that has served longest.
    fn superfluous(&self, pool: &Pool, idle_only: bool) -> Option<u16> {
        let open = (1u16..).zip(&pool.seats).filter(|(_, seat)| seat.open && !seat.yielded);
        let ranked = open.filter_map(|(worker, seat)| {
            let process = seat.occupant.and_then(|id| self.processes.get(&id));
            let rank = match process {
                None => (0, None),
                Some(process) if process.state != State::Ready => (1, None),
                Some(process) if process.idle => (2, process.ready),
                Some(_) if idle_only => return None,
                Some(process) => (3, process.ready),
            };
            Some((rank, worker))
        });
        ranked.min_by_key(|(rank, worker)| (*rank, core::cmp::Reverse(*worker))).map(|(_, worker)| worker)
    }

    fn close_seat(
        &mut self,
        now: Duration,
        generation: u32,
        worker: u16,
        heir: Option<u32>,
        commands: &mut Vec<Command>,
    ) {
        let Some(pool) = self.pools.get_mut(&generation) else { return };
        let mercy = pool.policy.worker_mercy;
        let Some(seat) = pool.seat(worker) else { return };
        seat.open = false;
        seat.due = None;
        let leaving: Vec<ForkId> =
            [seat.occupant.take(), seat.successor.take()].into_iter().flatten().collect();
        for id in leaving {
            self.drain(now, id, heir, mercy, commands);
        }
    }

    /// Ends all workers; the next connection starts them again.
    pub(super) fn sleep(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let Some(live) =
            self.live.filter(|_| !self.is_stopping() && self.candidate.is_none() && !self.asleep)
        else {
            return;
        };
        let seats = self.pools.get(&live).map_or(0, |pool| pool.policy.seats());
        self.asleep = true;
        commands.push(Command::Note(Notice::Asleep));
        for worker in 1..=seats {
            self.close_seat(now, live, worker, None, commands);
        }
        commands.push(Command::AwaitConnection(true));
    }

    /// A connection has come: workers start.
    pub(super) fn wake(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if !core::mem::take(&mut self.asleep) {
            return;
        }
        self.active.0 = now;
        commands.push(Command::AwaitConnection(false));
        for number in [self.live, self.candidate].into_iter().flatten() {
            if let Some(pool) = self.pools.get_mut(&number) {
                let wanted = pool.policy.initial();
                open(pool, wanted);
                if self.live == Some(number) {
                    commands.push(Command::Note(Notice::Awake { wanted }));
                }
            }
        }
    }

    /// Workers that a generation with new rules starts with, so that a reload neither loses what the load has called for
    /// nor wakes who sleeps.
    pub(super) fn wanted_after_reload(&self, new: &Policy, wanted: u16) -> u16 {
        match &new.scaling {
            _ if self.asleep => 0,
            Some(scaling) => wanted.clamp(scaling.least.max(1), scaling.most.max(scaling.least).max(1)),
            None => new.workers,
        }
    }

    /// Tells every worker to begin no request, or to go on.
    pub(super) fn pause(&mut self, pause: bool, commands: &mut Vec<Command>) {
        if self.is_stopping() || self.paused == pause {
            return;
        }
        self.paused = pause;
        commands.push(Command::Note(if pause { Notice::Paused } else { Notice::Resumed }));
        let told = self.processes.iter().filter(|(_, process)| process.stays()).map(|(id, _)| *id);
        commands.extend(told.map(|id| Command::Pause(id, pause)));
    }
}

/// Wants more workers, at the lowest numbers that are free.
fn open(pool: &mut Pool, more: u16) {
    for seat in pool.seats.iter_mut().filter(|seat| !seat.open).take(usize::from(more)) {
        seat.open = true;
        seat.yielded = false;
    }
}
