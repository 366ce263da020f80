//! Answers that go out together: while further requests are ready, the answer of one that ran inline waits for theirs.
//!
//! A send that wakes a sleeping client costs as much as a small request, and sends in a row cost less than sends between
//! requests. What is held back is bounded in time, and nothing is while requests were slow lately: the next one could keep
//! the answers waiting. Whoever takes the lead from a thread that is stuck sends them.

use crate::connection::Phase;
use crate::part::Part;
use crate::reactor::{Reactor, Work};
use crate::role::Role;
use std::time::Duration;

/// Longest time that an answer waits for further ones, but for the request that runs.
const LONGEST: Duration = Duration::from_micros(300);

/// Connections with an answer that has been held back.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Slots and generations.
    answers: Vec<(usize, u32)>,
    /// When the first of them came.
    since: Duration,
}

impl Batch {
    fn ends_with(&self, work: &Work) -> bool {
        self.answers.last() == Some(&(work.slot, work.generation))
    }
}

impl Reactor {
    /// Holds the last bytes of an answer back, if there is something to wait for. `false`: they are to be sent.
    pub(crate) fn hold(&mut self, thread: usize, work: &Work, parts: &[Part<'_>]) -> bool {
        let leads = self.roles.role == Role::Lead(thread);
        if self.ready.is_empty() || !leads || !self.roles.eagerness.is_calm() {
            return false;
        }
        let found = self.connections.get_mut(work.slot);
        let Some(connection) = found.filter(|found| found.generation == work.generation) else {
            return false;
        };
        if connection.phase != Phase::InApp {
            return false;
        }
        parts.iter().for_each(|part| connection.output.push(part.bytes));
        if self.batch.answers.is_empty() {
            self.batch.since = self.now;
        }
        self.batch.answers.push((work.slot, work.generation));
        true
    }

    /// Whether the answer that has just been completed is held back.
    pub(crate) fn holds(&self, work: &Work) -> bool {
        self.batch.ends_with(work) && self.now < self.batch.since + LONGEST
    }

    /// Sends what has been held back. Afterwards connections may have more to read.
    pub(crate) fn send_held(&mut self) {
        let mut answers = std::mem::take(&mut self.batch.answers);
        for (slot, generation) in answers.drain(..) {
            if self.connections.get(slot).is_some_and(|found| found.generation == generation) {
                self.flush(slot);
            }
        }
        self.batch.answers = answers;
    }
}
