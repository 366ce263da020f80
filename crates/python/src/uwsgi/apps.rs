//! What is known about the applications of each worker, for `workers()`.
//!
//! The applications are those of this process; their counters are in memory that the workers of a generation share,
//! because each of them can be asked about all.

use margrave_sys::shm::SharedWords;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Applications with counters of their own, as many as uWSGI has by default; further ones share the last.
const MAX_APPS: usize = 64;
const WORDS: usize = 2;

/// An application that this process has.
#[derive(Clone, Debug)]
pub struct AppFacts {
    /// As configured.
    pub mountpoint: String,
    /// Whole seconds that loading took.
    pub startup_seconds: u32,
    /// Its `id()`.
    pub callable: usize,
}

/// Counters of one application in one worker.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Requests that it was called for.
    pub requests: &'static AtomicU64,
    /// Those that ended in an exception.
    pub exceptions: &'static AtomicU64,
}

/// The applications of this process and the counters of all workers.
#[derive(Debug)]
pub struct AppBoard {
    facts: OnceLock<Vec<AppFacts>>,
    words: SharedWords,
}

impl AppBoard {
    /// For `slots` workers.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn create(slots: u16) -> io::Result<Self> {
        let (words, _descriptor) = SharedWords::create(usize::from(slots) * MAX_APPS * WORDS)?;
        Ok(Self { facts: OnceLock::new(), words })
    }

    /// Called once in a worker, with its applications: counts from zero in its `slot`.
    pub fn enter(&self, slot: u16, facts: Vec<AppFacts>) {
        for number in 0..MAX_APPS {
            if let Some(tally) = self.tally(slot, number) {
                tally.requests.store(0, Relaxed);
                tally.exceptions.store(0, Relaxed);
            }
        }
        let _ = self.facts.set(facts);
    }

    /// The applications; none before they are loaded.
    #[must_use]
    pub fn facts(&self) -> &[AppFacts] {
        self.facts.get().map_or(&[], Vec::as_slice)
    }

    /// Counters of application `number` in the worker of `slot`. `None` when there is no such slot.
    #[must_use]
    pub fn tally(&self, slot: u16, number: usize) -> Option<Tally> {
        let start = (usize::from(slot) * MAX_APPS + number.min(MAX_APPS - 1)) * WORDS;
        match self.words.words().get(start..start + WORDS) {
            Some([requests, exceptions]) => Some(Tally { requests, exceptions }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_application_of_each_worker_counts_for_itself_and_a_new_worker_from_zero() {
        let board = AppBoard::create(3).unwrap();
        for (slot, number, count) in [(0, 0, 1), (2, 0, 2), (2, 1, 3), (2, 63, 4), (2, 64, 5)] {
            board.tally(slot, number).unwrap().requests.fetch_add(count, Relaxed);
        }
        let requests = |slot, number| board.tally(slot, number).unwrap().requests.load(Relaxed);
        assert_eq!([requests(0, 0), requests(2, 0), requests(2, 1), requests(2, 63)], [1, 2, 3, 9]);
        assert!(board.tally(3, 0).is_none());
        board.enter(2, Vec::new());
        assert_eq!([requests(0, 0), requests(2, 0), requests(2, 63)], [1, 0, 0]);
    }
}
