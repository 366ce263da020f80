//! A thread's right to its connection: the thread sends, unless the request's deadline took the right away.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const SENDING: u8 = 2;
const RUNNING_HEAD_SENT: u8 = 3;
const SENDING_HEAD_SENT: u8 = 4;
const FORFEITED: u8 = 5;
const ABANDONED: u8 = 6;

/// What one thread may do with the connection of its present request.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: AtomicU8,
}

/// Whose a connection was when its thread was done with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// The thread's.
    Kept,
    /// Taken by the deadline, which has answered.
    Forfeited,
    /// Nobody's: the answer was not wanted any more.
    Abandoned,
}

/// What had been sent when a request was taken from its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forfeit {
    /// Nothing: another answer can be given.
    BeforeHead,
    /// At least the head: the connection can only be cut.
    AfterHead,
}

impl Lane {
    /// The thread begins a request.
    pub(crate) fn begin(&self) {
        self.state.store(RUNNING, Release);
    }

    /// The thread is done with it.
    pub(crate) fn end(&self) -> Right {
        match self.state.swap(IDLE, AcqRel) {
            FORFEITED => Right::Forfeited,
            ABANDONED => Right::Abandoned,
            _ => Right::Kept,
        }
    }

    /// The thread wants to send. `false` when it may not any more.
    pub(crate) fn begin_sending(&self) -> bool {
        self.state.compare_exchange(RUNNING, SENDING, AcqRel, Acquire).is_ok()
            || self.state.compare_exchange(RUNNING_HEAD_SENT, SENDING_HEAD_SENT, AcqRel, Acquire).is_ok()
    }

    /// The thread has sent.
    pub(crate) fn end_sending(&self) {
        self.state.store(RUNNING_HEAD_SENT, Release);
    }

    /// Takes the request away, unless the thread is sending just now or has none.
    pub(crate) fn forfeit(&self) -> Option<Forfeit> {
        self.take(FORFEITED)
    }

    /// The same where nobody wants the answer any more: the thread is not disturbed, but cannot send.
    pub(crate) fn abandon(&self) -> bool {
        self.take(ABANDONED).is_some()
    }

    fn take(&self, state: u8) -> Option<Forfeit> {
        if self.state.compare_exchange(RUNNING, state, AcqRel, Acquire).is_ok() {
            return Some(Forfeit::BeforeHead);
        }
        self.state
            .compare_exchange(RUNNING_HEAD_SENT, state, AcqRel, Acquire)
            .is_ok()
            .then_some(Forfeit::AfterHead)
    }

    /// Whether the request has been taken away and its thread has not come back.
    pub(crate) fn is_forfeited(&self) -> bool {
        self.state.load(Acquire) == FORFEITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_away_only_between_two_sends() {
        let lane = Lane::default();
        assert_eq!(lane.forfeit(), None, "no request");
        lane.begin();
        assert!(lane.begin_sending());
        assert_eq!(lane.forfeit(), None, "sending");
        lane.end_sending();
        assert_eq!(lane.forfeit(), Some(Forfeit::AfterHead));
        assert!(!lane.begin_sending());
        assert_eq!(lane.end(), Right::Forfeited);
        lane.begin();
        assert_eq!(lane.forfeit(), Some(Forfeit::BeforeHead));
        assert!(lane.is_forfeited());
        lane.begin();
        assert!(lane.abandon());
        assert!(!lane.begin_sending() && !lane.is_forfeited());
        assert_eq!((lane.end(), lane.abandon()), (Right::Abandoned, false));
    }
}
