//! One generation: its zygote, its seats, and the processes that sit on them.

use super::{Policy, Reason};
use crate::message::ForkId;
use crate::throttle::Throttle;
use alloc::vec::Vec;
use core::time::Duration;

/// Where a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The zygote loads the application.
    Loading,
    /// The workers start.
    Starting,
    /// It serves.
    Live,
    /// It drains or is being stopped; nothing new is forked.
    Leaving,
}

/// Where a zygote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zygote {
    /// Started, not ready.
    Loading,
    /// Forks on command.
    Ready,
    /// Told to go when its children have gone; killed at this time, once that is known.
    Retired(Option<Duration>),
    /// Killed, not yet reaped.
    Killed,
    /// Reaped.
    Gone,
}

/// Why a generation was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The instance starts.
    First,
    /// The operator asked for a reload.
    Reload,
    /// The zygote of the generation that serves has died.
    Recovery,
}

/// A worker number and who has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seat {
    /// Processes that have had this number in this generation.
    pub(super) spawned: u32,
    /// Slows down the replacement of what dies at once.
    pub(super) throttle: Throttle,
    /// Nothing is forked for this seat before this time.
    pub(super) not_before: Duration,
    /// Who serves or starts.
    pub(super) occupant: Option<ForkId>,
    /// Who will take over once ready.
    pub(super) successor: Option<ForkId>,
    /// The occupant is to be replaced.
    pub(super) due: Option<Reason>,
}

/// Where a worker process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The zygote was asked; it answers before this time.
    Forking(Duration),
    /// Exists, does not serve yet.
    Starting,
    /// Serves.
    Ready,
    /// Asked to finish what it has; killed at this time.
    Draining(Duration),
    /// Asked to end now; killed at this time.
    Stopping(Duration),
    /// Killed, not yet reaped.
    Killed,
}

/// A worker process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) generation: u32,
    pub(super) worker: u16,
    pub(super) slot: u16,
    pub(super) pid: Option<i32>,
    pub(super) state: State,
    pub(super) ready: Option<Duration>,
    /// Requests after which it is recycled.
    pub(super) limit: Option<u64>,
}

impl Process {
    /// Whether nothing has been decided about its end.
    pub(super) fn stays(&self) -> bool {
        matches!(self.state, State::Forking(_) | State::Starting | State::Ready)
    }
}

/// One generation.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) number: u32,
    pub(super) origin: Origin,
    pub(super) policy: Policy,
    pub(super) phase: Phase,
    pub(super) zygote: Zygote,
    pub(super) started: Duration,
    pub(super) seats: Vec<Seat>,
}

impl Pool {
    pub(super) fn new(number: u32, origin: Origin, policy: Policy, now: Duration) -> Self {
        let seats = (0..policy.workers).map(|_| Seat::default()).collect();
        Self { number, origin, policy, phase: Phase::Loading, zygote: Zygote::Loading, started: now, seats }
    }

    /// When it must be ready; the first generation has all the time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waiting = matches!(self.phase, Phase::Loading | Phase::Starting);
        (waiting && self.origin != Origin::First).then(|| self.started + self.policy.reload_deadline)
    }

    /// The seat of a worker number.
    pub(super) fn seat(&mut self, worker: u16) -> Option<&mut Seat> {
        self.seats.get_mut(usize::from(worker).checked_sub(1)?)
    }
}
