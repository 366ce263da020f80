//! One generation: its zygote, its seats, and the processes that sit on them.

use super::{Policy, Reason};
use crate::message::ForkId;
use crate::order::Manner;
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
    /// They are ready, and a request of ours must be answered before they take over.
    Checking,
    /// It serves.
    Live,
    /// It has taken over some workers one by one, and gives them back.
    Receding,
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

/// How a generation takes over from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// When all its workers are ready.
    Together,
    /// Worker by worker.
    OneByOne,
}

/// What a reload is to be like.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The rules that were read; `None` = those of the generation that serves.
    pub(super) policy: Option<Policy>,
    pub(super) manner: Manner,
    pub(super) pace: Pace,
}

/// A worker number and who has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seat {
    /// A worker is wanted here.
    pub(super) open: bool,
    /// The generation that is to take over has this number already.
    pub(super) yielded: bool,
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

impl Seat {
    /// A worker is wanted here, and there is none.
    pub(super) fn is_vacant(&self) -> bool {
        self.open && !self.yielded && self.occupant.is_none()
    }
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
    /// Age at which it is recycled.
    pub(super) lifetime: Option<Duration>,
    /// It leaves the listeners alone.
    pub(super) shut: bool,
    /// It had nothing to do when it was last looked at.
    pub(super) idle: bool,
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
    /// When it last came nearer to serving.
    pub(super) progress: Duration,
    pub(super) pace: Pace,
    /// How the generation before it leaves.
    pub(super) manner: Manner,
    /// It has answered the request of the check, or need not.
    pub(super) checked: bool,
    pub(super) seats: Vec<Seat>,
}

impl Pool {
    pub(super) fn new(number: u32, origin: Origin, policy: Policy, wanted: u16, now: Duration) -> Self {
        let seats = (0..policy.seats()).map(|seat| Seat { open: seat < wanted, ..Seat::default() }).collect();
        Self {
            number,
            origin,
            checked: !(policy.check
                && (origin == Origin::Reload || origin == Origin::First && policy.beside)),
            policy,
            phase: Phase::Loading,
            zygote: Zygote::Loading,
            started: now,
            progress: now,
            pace: Pace::Together,
            manner: Manner::Graceful,
            seats,
        }
    }

    /// When it must be ready; the first generation has all the time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waiting =
            matches!(self.phase, Phase::Loading | Phase::Starting | Phase::Checking | Phase::Receding);
        (waiting && !self.is_alone()).then(|| self.progress + self.policy.reload_deadline)
    }

    /// Nothing else serves before it does, so that every worker is welcome as soon as it is ready.
    pub(super) fn is_alone(&self) -> bool {
        self.origin == Origin::First && !self.policy.beside
    }

    /// Workers that are wanted.
    pub(super) fn wanted(&self) -> u16 {
        let open = self.seats.iter().filter(|seat| seat.open).count();
        u16::try_from(open).unwrap_or(u16::MAX)
    }

    /// The seat of a worker number.
    pub(super) fn seat(&mut self, worker: u16) -> Option<&mut Seat> {
        self.seats.get_mut(usize::from(worker).checked_sub(1)?)
    }
}
