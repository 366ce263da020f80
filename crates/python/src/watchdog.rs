//! Help against requests that do not end: the stack of a thread in the log, and an exception in it.
//!
//! The stacks of all threads are collected the same way into a file, one thread after the other: a second signal's
//! `faulthandler` chains to a handler of ours that counts, so that it is known when a stack is complete.
//!
//! A stack is written by `faulthandler` on a signal to that very thread, without the GIL. The main thread is
//! interrupted by a signal whose Python handler raises, which also ends waiting system calls; other threads get an
//! asynchronous exception, which they see when they next run Python. Either may come too late, when the thread is at
//! its next request already: a count of entries and exits tells, and nothing is raised then.

use crate::ffi::thread::{clear_exception, raise_in_thread};
use margrave_server::{Heading, Watchdog};
use margrave_stats::scoreboard::{Slot, ThreadWord};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for a thread to write its stack.
const STACK_PATIENCE: Duration = Duration::from_millis(250);

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
    /// Held while an exception is raised in the thread or called back: without a GIL both may happen at once, and an
    /// exception would come to the request after the one that it is for.
    raising: Mutex<()>,
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
        self.count.fetch_add(1, SeqCst);
    }

    /// A request ends, attached; an exception on its way is called back.
    #[inline]
    pub fn leave(&self, py: Python<'_>) {
        self.leave_with(|| clear_exception(py, self.ident.load(Ordering::Relaxed)));
    }

    #[inline]
    fn leave_with(&self, call_back: impl FnOnce()) {
        let count = self.count.fetch_add(1, SeqCst);
        // Whoever raises has said so before it looks at the count: either it sees that the request has ended, or it is
        // seen here.
        if self.unwanted.load(SeqCst) == count {
            let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
            call_back();
        }
    }

    /// Whether the request in progress is to be given up.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        let count = self.count.load(SeqCst);
        count % 2 == 1 && self.unwanted.load(SeqCst) == count
    }

    fn give_up(&self) -> bool {
        let count = self.count.load(SeqCst);
        if count % 2 == 1 {
            self.unwanted.store(count, SeqCst);
        }
        count % 2 == 1
    }

    /// Runs `raise` if the request in progress is still the one to be given up.
    fn raise_with(&self, raise: impl FnOnce()) {
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_unwanted() {
            raise();
        }
    }
}

/// The signals that the Python side has handlers for.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// Writes the stack of the thread that gets it.
    pub stack: i32,
    /// Raises in the main thread.
    pub interrupt: i32,
    /// Writes the stack of the thread that gets it into the file of [`StackFile`].
    pub collect: i32,
}

/// Where the stacks of all threads are written, one after the other.
#[derive(Debug)]
pub struct StackFile {
    file: Mutex<File>,
}

impl StackFile {
    /// An empty one.
    ///
    /// # Errors
    /// When memory or descriptors are exhausted.
    pub fn create() -> io::Result<Self> {
        Ok(Self { file: Mutex::new(margrave_sys::shm::memory_file("margrave-stacks")?) })
    }

    /// The descriptor that `faulthandler` writes to.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.file.lock().unwrap_or_else(PoisonError::into_inner).as_raw_fd()
    }

    /// Asks one thread after the other for its stack. The answer is a copy that later questions leave alone.
    fn collect(&self, signal: i32, headings: &[Heading]) -> io::Result<OwnedFd> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)?;
        file.rewind()?;
        let threads = margrave_sys::thread::all();
        let known = headings.iter().map(|heading| (heading.tid, heading.text.clone()));
        let pid = std::process::id();
        let others = threads
            .iter()
            .filter(|(tid, name)| {
                !name.starts_with(margrave_sys::thread::OURS)
                    && !headings.iter().any(|heading| heading.tid == *tid)
            })
            .map(|(tid, name)| (*tid, format!("pid {pid}, thread {tid} ({name})")));
        for (tid, text) in known.chain(others).filter(|(tid, _)| *tid != 0) {
            writeln!(file, "{text}")?;
            let before = margrave_sys::signal::deliveries();
            if margrave_sys::thread::signal(tid, signal).is_err() {
                continue;
            }
            let asked = Instant::now();
            while margrave_sys::signal::deliveries() == before && asked.elapsed() < STACK_PATIENCE {
                std::thread::sleep(Duration::from_micros(200));
            }
            if margrave_sys::signal::deliveries() == before {
                writeln!(file, "  does not answer: it is stopped or in the kernel")?;
            }
        }
        let mut copy = margrave_sys::shm::memory_file("margrave-stacks")?;
        file.rewind()?;
        io::copy(&mut *file, &mut copy)?;
        copy.rewind()?;
        Ok(copy.into())
    }
}

/// Watches the Python threads of a worker.
pub struct PythonWatchdog {
    lanes: Arc<[Lane]>,
    row: Slot<'static>,
    signals: Signals,
    stacks: Arc<StackFile>,
}

impl PythonWatchdog {
    /// For the threads of `lanes`, whose kernel ids are in `row`.
    #[must_use]
    pub fn new(lanes: Arc<[Lane]>, row: Slot<'static>, signals: Signals, stacks: Arc<StackFile>) -> Self {
        Self { lanes, row, signals, stacks }
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
                let exception = py.get_type::<RequestTimeout>();
                let lane = &lanes[thread];
                lane.raise_with(|| raise_in_thread(lane.ident.load(Ordering::Relaxed), &exception));
            });
        });
        // Without a thread for it now, the next tick asks again.
        drop(helper);
    }

    fn dump_all(&self, threads: Vec<Heading>, done: Box<dyn FnOnce(OwnedFd) + Send>) {
        let (stacks, signal) = (Arc::clone(&self.stacks), self.signals.collect);
        // Each thread is waited for, which the caller must not do.
        let helper = std::thread::Builder::new().name("margrave-stacks".into()).spawn(move || {
            if let Ok(file) = stacks.collect(signal, &threads) {
                done(file);
            }
        });
        // Without a thread for it there is no answer; who asks waits a while only.
        drop(helper);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

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

    #[test]
    fn an_exception_is_called_back_or_not_raised_when_its_request_ends_at_that_moment() {
        let (lane, on_its_way, ended) = (Lane::default(), AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(SeqCst) {
                    if lane.give_up() {
                        lane.raise_with(|| on_its_way.store(true, SeqCst));
                    }
                }
            });
            let strays = (0..200_000).filter(|_| {
                lane.enter();
                lane.leave_with(|| on_its_way.store(false, SeqCst));
                on_its_way.swap(false, SeqCst)
            });
            let strays = strays.count();
            ended.store(true, SeqCst);
            assert_eq!(strays, 0);
        });
    }
}
