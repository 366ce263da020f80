//! The thread that writes a worker's lines, so that a slow disk or a reader that has stopped holds no request up.
//!
//! Lines wait in a bounded buffer; what does not fit, or cannot be written, is counted and said when lines pass again.
//! Under load the thread sleeps between two writes, so that it costs the requests nothing but a copy. The lines of that pause
//! are lost with a worker that is killed by SIGKILL; every other end of a worker writes them first.

use margrave_stats::scoreboard::{Counter, Slot};
use margrave_sys::file::longest_write;
use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait to be written.
const MOST_WAITING: usize = 1 << 20;
/// Pause between two writes: lines that come in it are written together.
const NAP: Duration = Duration::from_millis(10);

/// Hands lines to the thread.
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Lines wait for the thread, which sleeps.
    filled: Condvar,
    /// The thread has written everything there was.
    emptied: Condvar,
    counters: Slot<'static>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// What is to be done once everything in `waiting` has been written.
    then: Vec<Box<dyn FnOnce() + Send>>,
    /// The thread sleeps until it is called.
    sleeps: bool,
    /// The thread is writing what it has taken.
    writes: bool,
}

impl LogWriter {
    /// Starts the thread. Lines that are lost are counted in `counters`.
    ///
    /// # Errors
    /// When threads are exhausted.
    pub(crate) fn start(counters: Slot<'static>) -> io::Result<Self> {
        let (state, filled, emptied) = Default::default();
        let shared = Arc::new(Shared { state, filled, emptied, counters });
        let theirs = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("margrave-log".into()).stack_size(128 * 1024);
        builder.spawn(move || theirs.run())?;
        Ok(Self { shared })
    }

    /// Leaves whole lines to be written. Never waits for them.
    pub(crate) fn push(&self, lines: &[u8]) {
        self.push_then(lines, None);
    }

    /// The same; `then` is done right after they were written.
    pub(crate) fn push_then(&self, lines: &[u8], then: Option<Box<dyn FnOnce() + Send>>) {
        let mut state = self.shared.lock();
        if state.waiting.len() + lines.len() > MOST_WAITING {
            self.shared.lose(lines);
        } else {
            state.waiting.extend_from_slice(lines);
        }
        state.then.extend(then);
        if std::mem::take(&mut state.sleeps) {
            self.shared.filled.notify_one();
        }
    }

    /// Waits until everything has been written, or `patience` has passed.
    pub(crate) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.waiting.is_empty() || state.writes {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.emptied.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.counters.add(Counter::LostLines, count as u64);
    }

    fn run(&self) {
        let mut lines = Vec::new();
        let mut told = self.counters.counter(Counter::LostLines).load(Relaxed);
        loop {
            let mut state = self.lock();
            state.writes = false;
            self.emptied.notify_all();
            while state.waiting.is_empty() && state.then.is_empty() {
                state.sleeps = true;
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            lines.clear();
            std::mem::swap(&mut lines, &mut state.waiting);
            let then = std::mem::take(&mut state.then);
            state.writes = true;
            drop(state);
            if self.write(&lines) {
                self.tell_lost(&mut told);
            }
            then.into_iter().for_each(|action| action());
            std::thread::sleep(NAP);
        }
    }

    /// Writes in pieces of whole lines that no other process's lines can get into.
    fn write(&self, mut lines: &[u8]) -> bool {
        let most = longest_write(2);
        let mut all = true;
        while !lines.is_empty() {
            let end = piece(lines, most);
            if io::stderr().write_all(&lines[..end]).is_err() {
                self.lose(&lines[..end]);
                all = false;
            }
            lines = &lines[end..];
        }
        all
    }

    fn tell_lost(&self, told: &mut u64) {
        let lost = self.counters.counter(Counter::LostLines).load(Relaxed);
        if lost > *told {
            let text = format!(
                "margrave: warning: {} log lines of worker {} were lost, because they could not be written in time\n",
                lost - *told,
                self.counters.counter(Counter::Worker).load(Relaxed)
            );
            // When this cannot be written either, the next attempt tells.
            if io::stderr().write_all(text.as_bytes()).is_ok() {
                *told = lost;
            }
        }
    }
}

/// Length of the longest run of whole lines within `most` bytes; at least one line.
fn piece(lines: &[u8], most: usize) -> usize {
    let within = &lines[..lines.len().min(most)];
    let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let first = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
    end(within).unwrap_or_else(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        for (lines, most, expected) in [
            ("a\nbb\nccc\n", 100, 9),
            ("a\nbb\nccc\n", 5, 5),
            ("a\nbb\nccc\n", 4, 2),
            ("long line\nb\n", 4, 10),
            ("no end", 4, 6),
        ] {
            assert_eq!(piece(lines.as_bytes(), most), expected, "{lines:?} in {most}");
        }
    }
}
