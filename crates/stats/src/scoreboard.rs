//! The scoreboard: one row of words per worker slot in memory shared by master and workers.
//!
//! A row has one writer (its worker; each thread writes its own words); the master reads. Nothing
//! here locks, so nothing can be left locked by a killed process.

use crate::histogram::{self, LISTENER_WORDS, Measure};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Threads per worker that have words of their own; further threads share the last.
pub const MAX_THREADS: usize = 256;
const WORKER_WORDS: usize = 32;
/// Words that say what a thread's request is, and their bytes.
const TEXT_WORDS: usize = 24;
const TEXT_BYTES: usize = TEXT_WORDS * size_of::<u64>();
/// Numbers of a thread, then that text.
const NUMBER_WORDS: usize = 8;
const THREAD_WORDS: usize = NUMBER_WORDS + TEXT_WORDS;

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
    /// Requests answered with a file, without Python.
    StaticRequests,
    /// Requests ended by their deadline without the end of the process.
    Overdue,
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
    /// Answers that could not be sent to their end.
    WriteErrors,
    /// Requests whose body could not be read to its end.
    ReadErrors,
}

/// Shape of a scoreboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows. Row 0 counts for the whole instance; workers have the others, with room for two generations.
    pub slots: usize,
    /// Threads per worker.
    pub threads: usize,
    /// Listeners, each of which has histograms.
    pub listeners: usize,
}

impl Layout {
    /// Words in one row.
    #[must_use]
    pub fn row(self) -> usize {
        self.histograms() + self.listeners * LISTENER_WORDS
    }
    /// Where the histograms begin in a row.
    fn histograms(self) -> usize {
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
    /// Where its histograms begin.
    histograms: usize,
}

impl<'a> Slot<'a> {
    /// The row of `slot` in `words`; `None` when the memory is too small.
    #[must_use]
    pub fn new(words: &'a [AtomicU64], layout: Layout, slot: usize) -> Option<Self> {
        let start = layout.row().checked_mul(slot)?;
        let row = words.get(start..start.checked_add(layout.row())?)?;
        Some(Self { row, histograms: layout.histograms() })
    }
    /// A worker counter's word.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> &'a AtomicU64 {
        &self.row[counter as usize]
    }
    /// A thread's word; `thread` counts from 0.
    #[must_use]
    pub fn thread(&self, thread: usize, word: ThreadWord) -> &'a AtomicU64 {
        &self.row[self.place(thread) + word as usize]
    }
    fn place(&self, thread: usize) -> usize {
        WORKER_WORDS + thread.min(self.threads() - 1) * THREAD_WORDS
    }
    /// Requests that the worker has read and that wait for a thread.
    #[must_use]
    pub fn queued(&self) -> u64 {
        let is_busy = |thread: &usize| self.thread(*thread, ThreadWord::BusySince).load(Relaxed) > 0;
        let busy = (0..self.threads()).filter(is_busy).count();
        self.counter(Counter::InFlight).load(Relaxed).saturating_sub(busy as u64)
    }
    /// Says what a thread's request is: texts one after the other, cut where there is no more room.
    pub fn describe(&self, thread: usize, texts: [&[u8]; 3]) {
        let mut bytes = [0; TEXT_BYTES];
        let mut at = 0;
        for text in texts {
            let text = &text[..text.len().min((TEXT_BYTES - 1).saturating_sub(at))];
            bytes[at..at + text.len()].copy_from_slice(text);
            at += text.len() + 1;
        }
        let start = self.place(thread) + NUMBER_WORDS;
        for (word, chunk) in self.row[start..start + TEXT_WORDS].iter().zip(bytes.as_chunks().0) {
            word.store(u64::from_le_bytes(*chunk), Relaxed);
        }
    }
    /// What [`Self::describe`] has said last. While a thread says it, parts of two requests may be mixed.
    #[must_use]
    pub fn description(&self, thread: usize) -> [String; 3] {
        let start = self.place(thread) + NUMBER_WORDS;
        let words = self.row[start..start + TEXT_WORDS].iter().map(|word| word.load(Relaxed).to_le_bytes());
        let bytes: Vec<u8> = words.flatten().collect();
        let mut texts = bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        core::array::from_fn(|_| texts.next().unwrap_or_default())
    }
    /// The words of a listener's histograms; none when there is no such listener.
    #[must_use]
    pub fn listener(&self, listener: usize) -> &'a [AtomicU64] {
        let start = self.histograms + listener * LISTENER_WORDS;
        self.row.get(start..start + LISTENER_WORDS).unwrap_or_default()
    }
    /// Adds a duration to the histogram of a listener, a class of statuses and a measure.
    pub fn record(&self, listener: usize, class: usize, measure: Measure, micros: u64) {
        let start = histogram::offset(class, measure);
        if let Some(words) = self.listener(listener).get(start..start + histogram::WORDS) {
            histogram::record(words, micros);
        }
    }
    /// Threads that have words of their own.
    #[must_use]
    pub fn threads(&self) -> usize {
        (self.histograms - WORKER_WORDS) / THREAD_WORDS
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

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { slots: 3, threads: 2, listeners: 2 };

    #[test]
    fn requests_that_no_thread_runs_are_queued() {
        let words: Vec<AtomicU64> = (0..LAYOUT.words()).map(|_| AtomicU64::new(0)).collect();
        let row = Slot::new(&words, LAYOUT, 1).unwrap();
        row.thread(1, ThreadWord::BusySince).store(7, Relaxed);
        assert_eq!(row.queued(), 0, "it is counted a moment later");
        row.add(Counter::InFlight, 3);
        assert_eq!(row.queued(), 2);
    }

    #[test]
    fn no_word_of_a_row_has_two_meanings() {
        let words: Vec<AtomicU64> = (0..LAYOUT.words()).map(|_| AtomicU64::new(0)).collect();
        let row = Slot::new(&words, LAYOUT, 1).unwrap();
        row.add(Counter::StaticRequests, 1);
        for thread in 0..LAYOUT.threads {
            row.thread(thread, ThreadWord::ReadErrors).store(1, Relaxed);
            row.describe(thread, [b"GET", b"127.0.0.1", &[b'x'; 500]]);
        }
        for listener in 0..LAYOUT.listeners {
            row.record(listener, 4, Measure::Gil, 1);
        }
        assert_eq!(row.counter(Counter::StaticRequests).load(Relaxed), 1);
        for thread in 0..LAYOUT.threads {
            assert_eq!(row.thread(thread, ThreadWord::ReadErrors).load(Relaxed), 1);
            let [method, client, target] = row.description(thread);
            assert_eq!((method.as_str(), client.as_str(), target.len()), ("GET", "127.0.0.1", 177));
        }
        for listener in 0..LAYOUT.listeners {
            let found = row.listener(listener)[histogram::offset(4, Measure::Gil)].load(Relaxed);
            assert_eq!(found, 1);
        }
        assert!(row.listener(2).is_empty());
        for other in [0, 2] {
            assert!(Slot::new(&words, LAYOUT, other).unwrap().row.iter().all(|word| word.load(Relaxed) == 0));
        }
        assert!(Slot::new(&words, LAYOUT, 3).is_none());
    }
}
