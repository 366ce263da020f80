//! What can happen to the master: one closed list, and the sources it comes from.

use margrave_lifecycle::message::{ForkId, FromWorker, FromZygote};
use margrave_sys::process::Ending;
use margrave_sys::signal::Received;
use std::os::fd::OwnedFd;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A signal arrived.
    Signal(Received),
    /// A zygote said something; descriptors came along.
    Zygote(u32, FromZygote, Vec<OwnedFd>),
    /// A zygote closed its end of the conversation.
    ZygoteClosed(u32),
    /// A worker said something; descriptors came along.
    Worker(ForkId, FromWorker, Vec<OwnedFd>),
    /// A worker closed its end of the conversation.
    WorkerClosed(ForkId),
    /// A worker process has ended; its zygote knows how.
    WorkerEnded(ForkId),
    /// A child of ours was reaped.
    Reaped(i32, Ending),
    /// Letters have been written to the master FIFO.
    Fifo,
    /// A watched file has changed.
    Watch,
    /// The inherited descriptor with this place in the configuration can be read.
    Descriptor(u32),
    /// A connection waits on a listener while there is no worker.
    Connection,
    /// The master that is to replace this one has spoken, or has gone.
    Successor,
    /// The master that this one replaces has spoken, or has gone.
    Predecessor,
    /// Somebody wants the stacks of this worker.
    Tracebacker(u32),
    /// The answer to the request of a check is on its way.
    Check,
    /// The log pipe has lines.
    Log,
    /// A client connects to the control socket.
    Control,
    /// A client of the control socket says something, can be written to, or left.
    ControlClient(u32),
    /// Standard error has become another file.
    LogMoved,
    /// A client connects to the stats server.
    Stats,
    /// A client of the stats server can be written to, or left.
    StatsClient(u32),
    /// The time of a deadline or of the regular look has come.
    Tick,
}

/// Where events come from, as the poller's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The signal descriptor.
    Signals,
    /// The conversation with a zygote.
    Zygote(u32),
    /// The conversation with a worker.
    Worker(ForkId),
    /// The pidfd of a worker.
    Pidfd(ForkId),
    /// The master FIFO.
    Fifo,
    /// Watched files.
    Watch,
    /// An inherited descriptor that asks for reloads, by its place in the configuration.
    Descriptor(u32),
    /// A listener, while there is no worker.
    Listener(u32),
    /// The connection of a check.
    Check,
    /// The conversation with the master that is to replace this one.
    Successor,
    /// The conversation with the master that this one replaces.
    Predecessor,
    /// A socket that gives the stacks of this worker.
    Tracebacker(u32),
    /// The read end of the log pipe.
    Log,
    /// The control socket.
    Control,
    /// A connection of the control socket.
    ControlClient(u32),
    /// The thread that writes the log, about standard error.
    LogMoved,
    /// The listener of the stats server.
    Stats,
    /// A connection of the stats server.
    StatsClient(u32),
}

/// Bits of a token below the kind. Fork ids count from 1 and do not reach this in the life of a machine.
const KIND_SHIFT: u32 = 56;

impl Source {
    /// The token for the poller.
    #[must_use]
    pub fn token(self) -> u64 {
        let (kind, number): (u64, u64) = match self {
            Self::Signals => (0, 0),
            Self::Zygote(generation) => (1, generation.into()),
            Self::Worker(id) => (2, id),
            Self::Pidfd(id) => (3, id),
            Self::Log => (4, 0),
            Self::Stats => (5, 0),
            Self::StatsClient(number) => (6, number.into()),
            Self::Fifo => (32, 0),
            Self::Watch => (33, 0),
            Self::Listener(number) => (34, number.into()),
            Self::Check => (35, 0),
            Self::Tracebacker(worker) => (36, worker.into()),
            Self::Successor => (37, 0),
            Self::Predecessor => (38, 0),
            Self::Descriptor(number) => (39, number.into()),
            Self::LogMoved => (7, 0),
            Self::Control => (8, 0),
            Self::ControlClient(number) => (9, number.into()),
        };
        (kind << KIND_SHIFT) | number
    }

    /// The source of a token.
    #[must_use]
    pub fn from_token(token: u64) -> Option<Self> {
        let number = token & ((1 << KIND_SHIFT) - 1);
        let short = u32::try_from(number).ok();
        match token >> KIND_SHIFT {
            0 => Some(Self::Signals),
            1 => short.map(Self::Zygote),
            2 => Some(Self::Worker(number)),
            3 => Some(Self::Pidfd(number)),
            4 => Some(Self::Log),
            5 => Some(Self::Stats),
            6 => short.map(Self::StatsClient),
            32 => Some(Self::Fifo),
            33 => Some(Self::Watch),
            34 => short.map(Self::Listener),
            35 => Some(Self::Check),
            36 => short.map(Self::Tracebacker),
            37 => Some(Self::Successor),
            38 => Some(Self::Predecessor),
            39 => short.map(Self::Descriptor),
            7 => Some(Self::LogMoved),
            8 => Some(Self::Control),
            9 => short.map(Self::ControlClient),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_found_by_its_token() {
        let all = [
            Source::Signals,
            Source::Zygote(3),
            Source::Worker(70_000_000_000),
            Source::Pidfd(9),
            Source::Log,
            Source::Stats,
            Source::StatsClient(u32::MAX),
            Source::Fifo,
            Source::Watch,
            Source::Listener(7),
            Source::Check,
            Source::Tracebacker(3),
            Source::Successor,
            Source::Predecessor,
            Source::LogMoved,
            Source::Descriptor(2),
            Source::Control,
            Source::ControlClient(u32::MAX),
        ];
        for source in all {
            assert_eq!(Source::from_token(source.token()), Some(source));
        }
    }
}
