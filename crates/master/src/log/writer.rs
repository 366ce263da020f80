//! The thread that writes the log.

use super::dispatch::{Dispatcher, count_lines};
use margrave_sys::poller::Waker;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait.
const MOST_WAITING: usize = 8 << 20;

/// What the thread is told.
#[derive(Debug)]
pub enum Item {
    /// Lines with their ends, and whether they are request lines.
    Lines(Vec<u8>, bool),
    /// Rotate the files.
    Rotate,
    /// Open the files anew.
    Reopen,
}

/// Hands lines to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Lines that found no room since the thread last looked.
    lost: u64,
    writes: bool,
    ends: bool,
}

impl Writer {
    /// Starts the thread. It wakes `moved` when standard error has become another file.
    ///
    /// # Errors
    /// When threads are exhausted.
    pub fn start(dispatcher: Dispatcher, moved: Waker) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("margrave-log".into()).stack_size(256 * 1024);
        builder.spawn(move || theirs.run(dispatcher, &moved))?;
        Ok(Self { shared })
    }

    /// Tells the thread something; never waits.
    pub fn push(&self, item: Item) {
        self.push_to(&mut self.shared.lock(), item);
    }

    /// Leaves whole lines to the thread; never waits.
    pub fn push_lines(&self, lines: &[u8], is_request: bool) {
        let mut queue = self.shared.lock();
        if queue.bytes + lines.len() > MOST_WAITING {
            queue.lost += count_lines(lines);
            return;
        }
        queue.bytes += lines.len();
        match queue.items.back_mut() {
            Some(Item::Lines(waiting, kind)) if *kind == is_request => waiting.extend_from_slice(lines),
            _ => self.push_to(&mut queue, Item::Lines(lines.to_vec(), is_request)),
        }
    }

    fn push_to(&self, queue: &mut Queue, item: Item) {
        queue.items.push_back(item);
        if queue.items.len() == 1 {
            self.shared.filled.notify_one();
        }
    }

    /// Lines that could not be written.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Waits until everything has been written, or `patience` has passed.
    pub fn finish(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.lock();
        while !queue.items.is_empty() || queue.writes {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.emptied.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut dispatcher: Dispatcher, moved: &Waker) {
        loop {
            let mut queue = self.lock();
            queue.writes = false;
            self.emptied.notify_all();
            while queue.items.is_empty() && !queue.ends {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if queue.items.is_empty() {
                return;
            }
            let items = std::mem::take(&mut queue.items);
            queue.bytes = 0;
            queue.writes = true;
            dispatcher.lose(std::mem::take(&mut queue.lost));
            drop(queue);
            for item in items {
                let changed = match item {
                    Item::Lines(lines, is_request) => dispatcher.pass_on(&lines, is_request),
                    Item::Rotate => dispatcher.rotate(),
                    Item::Reopen => dispatcher.reopen(),
                };
                if changed {
                    moved.wake();
                }
            }
            self.lost.store(dispatcher.lost(), Relaxed);
        }
    }
}
