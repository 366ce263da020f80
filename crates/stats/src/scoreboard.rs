//! The scoreboard: one row of words per worker slot in memory shared by master and workers.
//!
//! A row has one writer (its worker; each thread writes its own words); the master reads. Nothing
//! here locks, so nothing can be left locked by a killed process.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Threads per worker that have words of their own; further threads share the last.
pub const MAX_THREADS: usize = 256;
const WORKER_WORDS: usize = 24;
const THREAD_WORDS: usize = 8;

/// What a worker is doing, as the stats show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum WorkerState {
    /// No process in this slot.
    Empty = 0,
    /// Forked, not yet serving.
    Starting = 1,
    /// Serving.
    Ready = 2,
    /// Finishing what is in flight.
    Draining = 3,
}

/// Counters of a worker, one word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// [`WorkerState`] as a number.
    State = 0,
    /// Requests answered by this process.
    Requests,
    /// Requests that ended in an exception of the application.
    Exceptions,
    /// Response bytes sent.
    TxBytes,
    /// Sum of time inside requests, microseconds.
    RunningMicros,
    /// Connections open now.
    Connections,
    /// Requests read and not yet answered.
    InFlight,
    /// Resident set, bytes, as last sampled by the worker.
    Rss,
    /// Address space, bytes.
    Vsz,
    /// Connections accepted.
    Accepted,
    /// Clients that left before the end of the answer.
    Aborted,
    /// Requests refused by the wire (4xx from us).
    Refused,
    /// Process id, written by the worker when it starts.
    Pid,
    /// Worker number as the user sees it, from 1.
    Worker,
    /// Start of the process, seconds since 1970.
    SpawnedAt,
    /// How often this worker number had been spawned before.
    Respawns,
    /// Log lines that could not be written.
    LostLines,
}

/// Words of one Python thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ThreadWord {
    /// Start of the request it runs, microseconds of the monotonic clock; 0 = idle.
    BusySince = 0,
    /// Deadline of that request set by the application, microseconds of the monotonic clock; 0 = the configured one.
    UserDeadline,
    /// Requests answered by this thread.
    Requests,
    /// Kernel thread id.
    Tid,
}

/// Shape of a scoreboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows. Row 0 counts for the whole instance; workers have the others, with room for two generations.
    pub slots: usize,
    /// Threads per worker.
    pub threads: usize,
}

impl Layout {
    /// Words in one row.
    #[must_use]
    pub fn row(self) -> usize {
        WORKER_WORDS + self.threads.clamp(1, MAX_THREADS) * THREAD_WORDS
    }
    /// Words in the whole scoreboard.
    #[must_use]
    pub fn words(self) -> usize {
        self.row() * self.slots
    }
}

/// One worker's row.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    row: &'a [AtomicU64],
}

impl<'a> Slot<'a> {
    /// The row of `slot` in `words`; `None` when the memory is too small.
    #[must_use]
    pub fn new(words: &'a [AtomicU64], layout: Layout, slot: usize) -> Option<Self> {
        let start = layout.row().checked_mul(slot)?;
        Some(Self { row: words.get(start..start.checked_add(layout.row())?)? })
    }
    /// A worker counter's word.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> &'a AtomicU64 {
        &self.row[counter as usize]
    }
    /// A thread's word; `thread` counts from 0.
    #[must_use]
    pub fn thread(&self, thread: usize, word: ThreadWord) -> &'a AtomicU64 {
        let threads = (self.row.len() - WORKER_WORDS) / THREAD_WORDS;
        &self.row[WORKER_WORDS + thread.min(threads - 1) * THREAD_WORDS + word as usize]
    }
    /// Threads that have words of their own.
    #[must_use]
    pub fn threads(&self) -> usize {
        (self.row.len() - WORKER_WORDS) / THREAD_WORDS
    }
    /// Adds to a counter.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.counter(counter).fetch_add(amount, Relaxed);
    }
    /// Zeroes the row for a new process.
    pub fn clear(&self) {
        for word in self.row {
            word.store(0, Relaxed);
        }
    }
}
