//! What a look at a worker leads to: recycling for its age, size or requests, and the end of what does not yield.

use super::pool::State;
use super::{Command, Notice, Reason, STOP_GRACE, Sample, Supervisor};
use crate::message::ForkId;
use alloc::vec::Vec;
use core::time::Duration;

impl Supervisor {
    pub(super) fn look_at(&mut self, now: Duration, id: ForkId, sample: Sample, commands: &mut Vec<Command>) {
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
        let reached = |value: Option<u64>, limit: Option<u64>| {
            value.zip(limit).filter(|(value, limit)| value >= limit).map(|(value, _)| value)
        };
        let evil = reached(sample.resident, policy.evil_resident)
            .map(Reason::Resident)
            .or_else(|| reached(sample.address_space, policy.evil_address_space).map(Reason::AddressSpace));
        if let Some(reason) = evil {
            let (worker, pid) = (process.worker, process.pid);
            process.state = State::Killed;
            commands.push(Command::Note(Notice::TooLarge { worker, pid, reason }));
            commands.push(Command::KillWorker(id));
            return;
        }
        let age = now.saturating_sub(ready);
        let (limit, lifetime, policy) = (process.limit, process.lifetime, &pool.policy);
        if age < policy.min_lifetime {
            return;
        }
        let due = reached(Some(sample.requests), limit)
            .map(Reason::Requests)
            .or_else(|| lifetime.filter(|longest| age >= *longest).map(|_| Reason::Age(age)))
            .or_else(|| reached(sample.resident, policy.max_resident).map(Reason::Resident))
            .or_else(|| reached(sample.address_space, policy.max_address_space).map(Reason::AddressSpace))
            .or_else(|| reached(sample.unique, policy.max_unique).map(Reason::Unique))
            .or_else(|| reached(sample.proportional, policy.max_proportional).map(Reason::Proportional));
        if let Some(seat) = pool.seat(process.worker)
            && seat.occupant == Some(id)
            && seat.due.is_none()
        {
            seat.due = due;
        }
    }

    /// A worker wants to be replaced; it need not be of any age.
    pub(super) fn recycle_asked(&mut self, id: ForkId, reason: Reason) {
        let Some(process) = self.processes.get(&id).filter(|process| process.stays()) else { return };
        let worker = process.worker;
        if let Some(seat) = self.pools.get_mut(&process.generation).and_then(|pool| pool.seat(worker))
            && seat.occupant == Some(id)
            && seat.due.is_none()
        {
            seat.due = Some(reason);
        }
    }
}
