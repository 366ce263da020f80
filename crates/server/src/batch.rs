//! Answers that go out together: while further requests are ready, the answer of one that ran inline waits for theirs.
//!
//! A send that wakes a sleeping client costs as much as a small request, and sends in a row cost less than sends between
//! requests. What is held back is bounded in time, and nothing is while requests were slow lately: the next one could keep
//! the answers waiting. Whoever takes the lead from a thread that is stuck sends them.

use crate::part::Part;
use crate::reactor::{Reactor, Work};
use crate::role::Role;
use margrave_sys::net;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::time::Duration;

/// An answer waits so long for further ones, but for the request that runs.
const SHORT: Duration = Duration::from_micros(300);
/// Under load, where requests wait for their turn much longer than that, it waits for a quarter of a round, but not longer
/// than this: the queue moves faster by more.
const LONG: Duration = Duration::from_millis(2);
const SHARE: u32 = 4;

/// Answers that have been held back.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    answers: Vec<Held>,
    /// Their bytes, one behind the other.
    bytes: Vec<u8>,
    /// When they have to go.
    until: Duration,
    /// When the last poll ended, and how long it took to answer what the one before it had brought.
    polled: Duration,
    round: Duration,
}

#[derive(Debug)]
struct Held {
    slot: usize,
    generation: u32,
    /// Where its bytes end.
    end: usize,
}

impl Batch {
    /// A poll has brought requests; what the one before it had brought is answered.
    pub(crate) fn begin_round(&mut self, answered: Duration, now: Duration) {
        self.round = answered.saturating_sub(self.polled);
        self.polled = now;
    }

    /// When the last poll ended.
    pub(crate) fn polled(&self) -> Duration {
        self.polled
    }
}

impl Reactor {
    /// Holds the last bytes of an answer back, if there is something to wait for. `false`: they are to be sent.
    pub(crate) fn hold(&mut self, thread: usize, work: &Work, parts: &[Part<'_>]) -> bool {
        let leads = self.roles.role == Role::Lead(thread);
        let waits = !self.ready.is_empty() && leads && self.roles.eagerness.is_calm();
        if !waits || self.owed(work).is_none() {
            return false;
        }
        if self.batch.answers.is_empty() {
            self.batch.until = self.now + (self.batch.round / SHARE).clamp(SHORT, LONG);
        }
        parts.iter().for_each(|part| self.batch.bytes.extend_from_slice(part.bytes));
        let end = self.batch.bytes.len();
        self.batch.answers.push(Held { slot: work.slot, generation: work.generation, end });
        true
    }

    /// Whether the answer that has just been completed is held back, and may be for longer.
    pub(crate) fn holds(&self, work: &Work) -> bool {
        let last = self.batch.answers.last();
        let is_it = last.is_some_and(|held| (held.slot, held.generation) == (work.slot, work.generation));
        is_it && self.now < self.batch.until
    }

    /// Sends what has been held back. Afterwards connections may have more to read.
    pub(crate) fn send_held(&mut self) {
        let mut answers = std::mem::take(&mut self.batch.answers);
        let mut bytes = std::mem::take(&mut self.batch.bytes);
        let mut start = 0;
        for Held { slot, generation, end } in answers.drain(..) {
            if self.connections.find(slot, generation).is_some() {
                self.send_answer(slot, &bytes[start..end]);
            }
            start = end;
        }
        bytes.clear();
        self.batch.answers = answers;
        self.batch.bytes = bytes;
    }

    fn send_answer(&mut self, slot: usize, bytes: &[u8]) {
        let (now, patience, closes) = (self.now, self.write_patience(), self.closes(slot));
        let connection = &mut self.connections[slot];
        let fd = connection.fd.as_fd();
        let sent = match connection.output.is_empty() {
            true if closes => net::send_last(fd, &[IoSlice::new(bytes)]),
            true => net::send(fd, bytes),
            false => Ok(0),
        };
        // What broke the connection breaks it once more, where that is dealt with.
        let rest = &bytes[sent.unwrap_or(0)..];
        if !rest.is_empty() {
            connection.output.push(rest);
            connection.deadline = connection.output.advance(now, 0, patience);
        }
        self.flush(slot);
    }
}
