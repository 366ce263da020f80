//! Bodies that arrive while their application runs.
//!
//! Two kinds of requests start before their body is there: one whose client waits for `100 Continue`, which is sent
//! when the application first reads, and one whose body is larger than what is read ahead. Their threads may have to
//! wait for the client, so at most half of a worker's threads take such requests at a time: the client of another one
//! is told to continue at once, and a large body waits in the kernel. The only thread of a worker takes
//! one all the same, and others wait for that client then: the application could refuse the body unread, or read it as it comes.
//!
//! The reactor decodes what arrives into [`Inflow::arrived`], up to the bound on a body in memory; beyond it, it does
//! not read, and the kernel holds the client back. What an application leaves unread is dropped up to `drain-limit`,
//! so that the connection can be kept; beyond it, the connection ends with the answer.

use crate::connection::{Connection, Next, Partial, Phase};
use crate::intake::{BodyFailure, Fed, READS_AT_ONCE, feed_body};
use crate::pace::Pace;
use crate::reactor::{Reactor, Work};
use margrave_stats::scoreboard::Counter;
use margrave_sys::clock;
use margrave_wire::{BodyDecoder, http1};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The part of a body that arrives while its request runs, or behind its answer.
#[derive(Debug)]
pub(crate) struct Inflow {
    decoder: BodyDecoder,
    /// Arrived, and not taken by the thread yet.
    arrived: Vec<u8>,
    state: State,
    /// The client waits for `100 Continue`.
    owes_continue: bool,
    /// The thread waits for more: the client's time runs.
    awaited: bool,
    pace: Pace,
    /// Since when its time does not run.
    idle_since: Duration,
    /// Bytes dropped behind the answer.
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Complete,
    Failed(BodyFault),
}

/// Why a body does not come to its end. The client is at fault, except for [`BodyFault::Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// The connection ended before the body did.
    #[error("the client left before its request body was complete")]
    Truncated,
    /// The framing is broken, or passes a limit; the status says which.
    #[error("the request body is malformed or too large ({0})")]
    Refused(u16),
    /// Silent for too long, or too slow.
    #[error("the client was too slow with its request body")]
    TooSlow,
    /// The answer is not wanted any more, or the request was ended by its deadline.
    #[error("nobody waits for the answer to this request any more")]
    Gone,
    /// It could not be stored.
    #[error("the request body could not be stored")]
    Lost,
}

impl BodyFault {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Truncated | Self::Gone => 400,
            Self::Refused(status) => status,
            Self::TooSlow => 408,
            Self::Lost => 500,
        }
    }
}

/// What a thread finds that asks for more of its request's body.
pub(crate) enum Arrived {
    /// Nothing yet.
    Nothing,
    /// These bytes; the body is complete with them when `last`.
    Bytes { bytes: Vec<u8>, last: bool },
    /// Nothing more will come.
    Failed(BodyFault),
}

impl Inflow {
    /// The reactor is to go on reading.
    fn wants_more(&self, memory: usize) -> bool {
        self.state == State::Open && self.arrived.len() < memory.max(1)
    }
}

impl Connection {
    /// Bytes that arrive now belong to a running request, and there is room for them.
    pub(crate) fn takes_body(&self, memory: usize) -> bool {
        matches!(self.phase, Phase::Queued | Phase::InApp)
            && self.inflow.as_ref().is_some_and(|inflow| inflow.wants_more(memory))
    }

    /// A thread waits for the rest of a body.
    pub(crate) fn is_awaited(&self) -> bool {
        self.inflow.as_ref().is_some_and(|inflow| inflow.awaited)
    }
}

impl Reactor {
    /// Another application may be made to wait for its client.
    pub(crate) fn may_go_live(&self) -> bool {
        self.live < (self.site.lanes.len() / 2).max(1)
    }

    /// A request starts whose body has not arrived completely.
    pub(crate) fn go_live(&mut self, slot: usize, partial: Partial, owes_continue: bool) {
        let Partial { request, decoder, mut body, pace } = partial;
        body.set_pending(true);
        self.live += 1;
        let now = self.now;
        let connection = &mut self.connections[slot];
        connection.inflow = Some(Box::new(Inflow {
            decoder,
            arrived: Vec::new(),
            state: State::Open,
            owes_continue,
            awaited: false,
            pace,
            idle_since: now,
            dropped: 0,
        }));
        connection.phase = Phase::Queued;
        connection.deadline = Duration::MAX;
        self.enqueue(slot, request, body);
    }

    /// The bound on what is read ahead is reached: the application starts, as soon as a thread may wait for the rest.
    pub(crate) fn overflow(&mut self, slot: usize, partial: Box<Partial>) {
        if self.may_go_live() {
            return self.go_live(slot, *partial, false);
        }
        let connection = &mut self.connections[slot];
        connection.partial = Some(partial);
        connection.phase = Phase::Held;
        connection.deadline = Duration::MAX;
        self.awaiting.push_back((slot, connection.generation));
    }

    /// A request whose body arrived while it ran is over: the next one that waits for that may start.
    pub(crate) fn end_live(&mut self) {
        self.live = self.live.saturating_sub(1);
        while self.may_go_live() {
            let Some((slot, generation)) = self.awaiting.pop_front() else { return };
            let connection = self.connections.find_mut(slot, generation);
            if let Some(partial) = connection.and_then(|found| found.partial.take()) {
                self.go_live(slot, *partial, false);
            }
        }
    }

    /// Takes bytes of a running request's body.
    pub(crate) fn feed_live(&mut self, slot: usize, bytes: &[u8]) {
        let patience = self.body_patience();
        let now = self.now;
        let connection = &mut self.connections[slot];
        let Some(inflow) = &mut connection.inflow else { return connection.input.extend_from_slice(bytes) };
        let Inflow { decoder, arrived, .. } = &mut **inflow;
        let fed = feed_body(decoder, connection.records.as_deref_mut(), bytes, |piece| {
            arrived.extend_from_slice(piece);
            Ok(())
        });
        let deadline = inflow.pace.advance(now, bytes.len() as u64, patience);
        if inflow.awaited {
            connection.deadline = deadline;
        }
        match fed {
            Ok(Fed::Part) if inflow.awaited => _ = self.say_between(slot),
            Ok(Fed::Part) => {}
            Ok(Fed::Whole { used }) => {
                inflow.state = State::Complete;
                connection.input.extend_from_slice(&bytes[used..]);
            }
            Ok(Fed::TakenBack { used, .. }) => {
                connection.input.extend_from_slice(&bytes[used..]);
                return self.abort(slot);
            }
            Err(BodyFailure::Wire(error)) => {
                inflow.state = State::Failed(BodyFault::Refused(error.status()));
                self.site.log.refusal(now, &connection.peer.host, &error, "");
            }
            Err(BodyFailure::Store(_)) => inflow.state = State::Failed(BodyFault::Lost),
        }
        self.roles.wake_waiter(slot);
    }

    /// The rest of a running request's body will not come.
    pub(crate) fn fail_live(&mut self, slot: usize, fault: BodyFault) {
        let connection = &mut self.connections[slot];
        let Some(inflow) = &mut connection.inflow else { return };
        if inflow.state == State::Open {
            if inflow.awaited {
                connection.deadline = Duration::MAX;
            }
            inflow.state = State::Failed(fault);
            if fault == BodyFault::Truncated {
                self.site.slot.add(Counter::Aborted, 1);
            }
            self.roles.wake_waiter(slot);
        }
    }

    /// What has arrived of a running request's body since its thread last asked.
    pub(crate) fn take_arrived(&mut self, work: &Work) -> Arrived {
        let slot = work.slot;
        let Some(connection) = self.connections.find_mut(slot, work.generation) else {
            return Arrived::Failed(BodyFault::Gone);
        };
        if connection.phase != Phase::InApp || connection.gone.load(Relaxed) {
            return Arrived::Failed(BodyFault::Gone);
        }
        if connection.inflow.as_ref().is_some_and(|inflow| inflow.arrived.is_empty()) {
            // There was no room, or nobody to ask: the edge that said "readable" may be past.
            self.pump(slot, READS_AT_ONCE);
        }
        let inflow = self.connections.get_mut(slot).and_then(|found| found.inflow.as_mut());
        let Some(inflow) = inflow else { return Arrived::Failed(BodyFault::Gone) };
        let bytes = std::mem::take(&mut inflow.arrived);
        match inflow.state {
            State::Failed(fault) if bytes.is_empty() => Arrived::Failed(fault),
            State::Open if bytes.is_empty() => Arrived::Nothing,
            state => Arrived::Bytes { bytes, last: state == State::Complete },
        }
    }

    /// Tells a client that waits for it to go on, as its thread asks for its body. Says whether bytes are left to be
    /// sent before the thread's own.
    pub(crate) fn say_continue(&mut self, work: &Work, head_sent: bool) -> bool {
        let Some(connection) = self.connections.find_mut(work.slot, work.generation) else {
            return false;
        };
        let Some(inflow) = &mut connection.inflow else { return false };
        // Behind the head of a final answer there is no place for an interim one.
        if std::mem::take(&mut inflow.owes_continue) && !head_sent {
            connection.output.push(http1::CONTINUE);
        }
        self.say_between(work.slot)
    }

    /// Sends what FastCGI's decoder has to say by itself, at a place where the thread sends nothing.
    fn say_between(&mut self, slot: usize) -> bool {
        let connection = &mut self.connections[slot];
        if let Some(records) = &mut connection.records {
            connection.output.push(&records.take_replies());
        }
        if !connection.output.is_empty() {
            self.flush(slot);
        }
        self.connections.get(slot).is_some_and(|found| !found.output.is_empty())
    }

    /// The thread of a running request waits for its client. Says whether bytes are left to be sent before its own.
    pub(crate) fn await_arrival(&mut self, work: &Work, head_sent: bool) -> bool {
        let now = clock::monotonic();
        let patience = self.body_patience();
        let Some(connection) = self.connections.find_mut(work.slot, work.generation) else {
            return false;
        };
        let Some(inflow) = &mut connection.inflow else { return false };
        inflow.pace.pause(now.saturating_sub(inflow.idle_since));
        inflow.awaited = true;
        connection.deadline = inflow.pace.advance(now, 0, patience);
        self.say_continue(work, head_sent)
    }

    /// The thread does not wait any more. Says whether bytes are left to be sent before its own.
    pub(crate) fn arrival_over(&mut self, work: &Work) -> bool {
        let (now, patience) = (clock::monotonic(), self.write_patience());
        let Some(connection) = self.connections.find_mut(work.slot, work.generation) else {
            return false;
        };
        let owes = !connection.output.is_empty();
        if let Some(inflow) = &mut connection.inflow {
            inflow.awaited = false;
            inflow.idle_since = now;
            // What the application has answered already may still be owed.
            connection.deadline =
                if owes { connection.output.advance(now, 0, patience) } else { Duration::MAX };
        }
        owes
    }

    /// The answer begins while the body is under way: whether the connection has to end with it.
    pub(crate) fn must_close(&self, work: &Work) -> bool {
        let limit = self.site.http.drain_limit;
        let connection = self.connections.find(work.slot, work.generation);
        let Some(inflow) = connection.and_then(|found| found.inflow.as_ref()) else { return true };
        match inflow.state {
            State::Complete => false,
            State::Failed(_) => true,
            State::Open => inflow.owes_continue || inflow.decoder.left().is_none_or(|left| left > limit),
        }
    }

    /// The thread's part of an answer is complete: what is to become of the rest of the body, and so of the connection.
    pub(crate) fn settle_live(&mut self, work: &Work, next: Next) -> Next {
        self.end_live();
        let Some(connection) = self.connections.find_mut(work.slot, work.generation) else {
            return next;
        };
        let Some(inflow) = &mut connection.inflow else { return next };
        inflow.arrived = Vec::new();
        inflow.awaited = false;
        inflow.pace.pause(self.now.saturating_sub(inflow.idle_since));
        match (inflow.state, next) {
            (State::Open, Next::Read) => next,
            (State::Complete, _) => {
                connection.inflow = None;
                next
            }
            (State::Open | State::Failed(_), _) => {
                connection.inflow = None;
                Next::Linger
            }
        }
    }

    /// Drops bytes of a body whose request has been answered.
    pub(crate) fn feed_dropped(&mut self, slot: usize, bytes: &[u8]) {
        let patience = self.body_patience();
        let (now, limit) = (self.now, self.site.http.drain_limit);
        let connection = &mut self.connections[slot];
        let Some(inflow) = &mut connection.inflow else { return };
        let fed = feed_body(&mut inflow.decoder, connection.records.as_deref_mut(), bytes, |_| Ok(()));
        inflow.dropped += bytes.len() as u64;
        connection.deadline = inflow.pace.advance(now, bytes.len() as u64, patience);
        match fed {
            Ok(Fed::Part) if inflow.dropped <= limit => {}
            Ok(Fed::Whole { used }) => {
                connection.inflow = None;
                connection.input.extend_from_slice(&bytes[used..]);
                self.await_request(slot);
            }
            // The answer is out; there is nothing to say about what comes behind it.
            Ok(Fed::Part | Fed::TakenBack { .. }) | Err(_) => {
                connection.inflow = None;
                self.linger(slot);
            }
        }
    }
}
