//! Chain reload: the new generation takes over worker by worker, and gives back what it has if it fails half-way.
//!
//! At any time every number is served by one of the two generations, so that there are never fewer workers than promised
//! and only one more than usual.

use super::pool::{Origin, Pace, Phase, State, Zygote};
use super::{Command, Notice, Supervisor};
use crate::message::ForkId;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

impl Supervisor {
    /// Lets each worker of the generation before go whose successor is ready.
    pub(super) fn hand_over(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let (Some(number), Some(live)) = (self.candidate, self.live) else { return };
        let Some(pool) = self
            .pools
            .get(&number)
            .filter(|pool| pool.pace == Pace::OneByOne && pool.phase == Phase::Starting && pool.checked)
        else {
            return;
        };
        let ready: Vec<u16> = self.served(pool.number);
        let Some(before) = self.pools.get_mut(&live) else { return };
        let mercy = before.policy.worker_mercy;
        let mut leaving: Vec<ForkId> = Vec::new();
        for worker in ready {
            let Some(seat) = before.seat(worker).filter(|seat| seat.open && !seat.yielded) else { continue };
            seat.yielded = true;
            seat.due = None;
            leaving.extend([seat.occupant.take(), seat.successor.take()].into_iter().flatten());
        }
        for id in leaving {
            if let Some(process) = self.processes.get(&id) {
                let (worker, pid) = (process.worker, process.pid);
                commands.push(Command::Note(Notice::ChainLink { worker, pid }));
            }
            self.drain(now, id, Some(number), mercy, commands);
        }
    }

    /// Numbers whose worker in this generation is ready.
    fn served(&self, generation: u32) -> Vec<u16> {
        let Some(pool) = self.pools.get(&generation) else { return Vec::new() };
        let is_ready = |id: ForkId| self.processes.get(&id).is_some_and(|found| found.state == State::Ready);
        let ready = (1..).zip(&pool.seats).filter(|(_, seat)| seat.occupant.is_some_and(is_ready));
        ready.map(|(worker, _)| worker).collect()
    }

    /// The candidate fails after it has taken over some workers: it serves on until the generation before has workers in
    /// their places again. `false` where nothing was taken over, or there is no zygote left to go on with.
    pub(super) fn recede(
        &mut self,
        now: Duration,
        generation: u32,
        why: &str,
        commands: &mut Vec<Command>,
    ) -> bool {
        let Some(before) = self.live.and_then(|live| self.pools.get(&live)) else { return false };
        let (live, way_back) = (before.number, before.zygote == Zygote::Ready);
        let has_yielded = before.seats.iter().any(|seat| seat.yielded);
        if has_yielded
            && !way_back
            && let Some(pool) = self.pools.get_mut(&generation).filter(|pool| pool.zygote == Zygote::Ready)
        {
            // The zygote before has died meanwhile, so the only way is on: what failed is tried again.
            pool.progress = now;
            self.candidate = Some(generation);
            return true;
        }
        for seat in self.pools.get_mut(&live).into_iter().flat_map(|before| &mut before.seats) {
            seat.yielded = false;
        }
        if !has_yielded || !way_back {
            return false;
        }
        let Some(pool) = self.pools.get_mut(&generation) else { return false };
        let mercy = pool.policy.worker_mercy;
        pool.phase = Phase::Receding;
        pool.origin = Origin::Reload;
        pool.progress = now;
        commands.push(Command::Note(Notice::RolledBack { generation, why: why.to_string() }));
        self.candidate = Some(generation);
        // Those that do not serve yet are not waited for.
        for id in self.members(generation) {
            if self.processes.get(&id).is_some_and(|process| process.ready.is_none() && process.stays()) {
                self.vacate(id, generation);
                self.drain(now, id, Some(live), mercy, commands);
            }
        }
        true
    }

    /// Lets each worker of a receding generation go whose number the generation before serves again.
    pub(super) fn give_back(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let (Some(number), Some(live)) = (self.candidate, self.live) else { return };
        let Some(pool) = self.pools.get(&number).filter(|pool| pool.phase == Phase::Receding) else { return };
        let Some(before) = self.pools.get(&live) else { return };
        let mercy = pool.policy.worker_mercy;
        let (_, complete) = self.readiness(before);
        let lost = before.zygote != Zygote::Ready;
        if lost && pool.zygote == Zygote::Ready {
            // Who was to take them back has died, so the only way is on.
            if let Some(pool) = self.pools.get_mut(&number) {
                (pool.phase, pool.progress) = (Phase::Starting, now);
            }
            return;
        }
        let served = self.served(live);
        let kept = |worker: &u16| complete || lost || served.contains(worker);
        let leaving: Vec<(u16, ForkId)> = (1..)
            .zip(&pool.seats)
            .filter_map(|(worker, seat)| Some((worker, seat.occupant?)))
            .filter(|(worker, _)| kept(worker))
            .collect();
        for (worker, id) in leaving {
            if let Some(seat) = self.pools.get_mut(&number).and_then(|pool| pool.seat(worker)) {
                seat.occupant = None;
            }
            self.drain(now, id, Some(live), mercy, commands);
        }
        if self.pools.get(&number).is_some_and(|pool| pool.seats.iter().all(|seat| seat.occupant.is_none())) {
            self.let_go(now, number, commands);
        }
    }

    /// The end of a receding generation.
    pub(super) fn let_go(&mut self, now: Duration, number: u32, commands: &mut Vec<Command>) {
        let mercy = self.pools.get(&number).map_or(Duration::ZERO, |pool| pool.policy.worker_mercy);
        self.candidate = None;
        let heir = self.live;
        self.dismiss(now, number, heir, mercy, commands);
    }
}
