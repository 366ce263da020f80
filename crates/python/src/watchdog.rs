//! Help against requests that do not end: the stack of a thread in the log, and an exception in it.
//!
//! A stack is written by `faulthandler` on a signal to that very thread, without the GIL. The main thread is
//! interrupted by a signal whose Python handler raises, which also ends waiting system calls; other threads get an
//! asynchronous exception, which they see when they next run Python. Either may come too late, when the thread is at
//! its next request already: a count of entries and exits tells, and nothing is raised then.

use crate::ffi::thread::{clear_exception, raise_in_thread};
use margrave_server::Watchdog;
use margrave_stats::scoreboard::{Slot, ThreadWord};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pyo3::create_exception!(
    margrave,
    RequestTimeout,
    PyBaseException,
    "The request has run longer than `harakiri` allows; the client has been answered already."
);

/// What is known about one Python thread.
#[derive(Debug, Default)]
pub struct Lane {
    /// Odd while the thread runs a request; one more at each entry and exit.
    count: AtomicU64,
    /// The `count` of the request that is to be given up.
    unwanted: AtomicU64,
    /// Python's identifier of the thread; 0 before it serves.
    ident: AtomicU64,
}

impl Lane {
    /// The calling thread serves from now on.
    pub fn serve(&self, ident: u64) {
        self.ident.store(ident, Ordering::Relaxed);
    }

    /// A request begins.
    #[inline]
    pub fn enter(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// A request ends, attached; an exception on its way is called back.
    #[inline]
    pub fn leave(&self, py: Python<'_>) {
        let count = self.count.fetch_add(1, Ordering::AcqRel);
        if self.unwanted.load(Ordering::Acquire) == count {
            clear_exception(py, self.ident.load(Ordering::Relaxed));
        }
    }

    /// Whether the request in progress is to be given up.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        let count = self.count.load(Ordering::Acquire);
        count % 2 == 1 && self.unwanted.load(Ordering::Acquire) == count
    }

    fn give_up(&self) -> bool {
        let count = self.count.load(Ordering::Acquire);
        if count % 2 == 1 {
            self.unwanted.store(count, Ordering::Release);
        }
        count % 2 == 1
    }
}

/// The signals that the Python side has handlers for.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// Writes the stack of the thread that gets it.
    pub stack: i32,
    /// Raises in the main thread.
    pub interrupt: i32,
}

/// Watches the Python threads of a worker.
pub struct PythonWatchdog {
    lanes: Arc<[Lane]>,
    row: Slot<'static>,
    signals: Signals,
}

impl PythonWatchdog {
    /// For the threads of `lanes`, whose kernel ids are in `row`.
    #[must_use]
    pub fn new(lanes: Arc<[Lane]>, row: Slot<'static>, signals: Signals) -> Self {
        Self { lanes, row, signals }
    }

    fn signal(&self, thread: usize, number: i32) {
        let id = self.row.thread(thread, ThreadWord::Tid).load(Ordering::Relaxed);
        if id != 0 {
            // A thread that has ended has nothing to be interrupted.
            let _ = margrave_sys::thread::signal(id, number);
        }
    }
}

impl Watchdog for PythonWatchdog {
    fn dump_stack(&self, thread: usize) {
        self.signal(thread, self.signals.stack);
    }

    fn interrupt(&self, thread: usize) {
        let Some(lane) = self.lanes.get(thread) else { return };
        if !lane.give_up() {
            return;
        }
        if thread == 0 {
            return self.signal(thread, self.signals.interrupt);
        }
        let lanes = Arc::clone(&self.lanes);
        // Taking the GIL can take as long as the thread that has it likes, so the watcher does not do it itself.
        let helper = std::thread::Builder::new().name("margrave-interrupt".into()).spawn(move || {
            Python::attach(|py| {
                if lanes[thread].is_unwanted() {
                    let exception = py.get_type::<RequestTimeout>();
                    raise_in_thread(lanes[thread].ident.load(Ordering::Relaxed), &exception);
                }
            });
        });
        // Without a thread for it now, the next tick asks again.
        drop(helper);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_request_that_was_meant_is_given_up() {
        let lane = Lane::default();
        assert!(!lane.give_up(), "idle");
        lane.enter();
        assert!(!lane.is_unwanted());
        assert!(lane.give_up());
        assert!(lane.is_unwanted());
        lane.count.fetch_add(1, Ordering::AcqRel);
        assert!(!lane.is_unwanted(), "ended in the meantime");
        lane.enter();
        assert!(!lane.is_unwanted(), "the next request");
    }
}
