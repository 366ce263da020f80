//! Shared counters of the generations. A mapping lives as long as the master, so the memory of a generation that has
//! gone is given to a later one.

use margrave_lifecycle::supervisor::Sample;
use margrave_stats::scoreboard::{Counter, Layout, Slot, ThreadWord};
use margrave_sys::shm::SharedWords;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The scoreboard of one generation.
#[derive(Debug)]
pub struct Scoreboard {
    words: SharedWords,
    capacity: usize,
    /// What is passed to the processes.
    pub fd: OwnedFd,
    /// Its shape now.
    pub layout: Layout,
}

impl Scoreboard {
    /// The row of a process; row 0 is the instance's.
    #[must_use]
    pub fn slot(&self, slot: u16) -> Option<Slot<'static>> {
        let words = self.words.words().get(..self.layout.words())?;
        Slot::new(words, self.layout, slot.into())
    }

    /// A look at a worker: requests, and how late its latest request is.
    #[must_use]
    pub fn sample(&self, slot: u16, harakiri: Option<Duration>, now: Duration) -> Sample {
        let Some(row) = self.slot(slot) else { return Sample::default() };
        let micros = |thread, word| Duration::from_micros(row.thread(thread, word).load(Relaxed));
        let deadline = |thread| {
            let since = micros(thread, ThreadWord::BusySince);
            let own = micros(thread, ThreadWord::UserDeadline);
            let configured = harakiri.map(|limit| since + limit);
            (!since.is_zero()).then(|| if own.is_zero() { configured } else { Some(own) }).flatten()
        };
        let earliest = (0..row.threads()).filter_map(deadline).min();
        Sample {
            requests: row.counter(Counter::Requests).load(Relaxed),
            resident: None,
            address_space: None,
            unique: None,
            proportional: None,
            overdue: earliest.and_then(|deadline| now.checked_sub(deadline)),
        }
    }
}

/// Scoreboards of generations that have gone.
#[derive(Debug, Default)]
pub struct Scoreboards {
    free: Vec<Scoreboard>,
}

impl Scoreboards {
    /// A scoreboard of zeroes in this shape.
    ///
    /// # Errors
    /// When memory or descriptors are exhausted.
    pub fn take(&mut self, layout: Layout) -> io::Result<Scoreboard> {
        let fits = |board: &Scoreboard| board.capacity >= layout.words();
        if let Some(index) = self.free.iter().position(fits) {
            let mut board = self.free.swap_remove(index);
            for word in board.words.words() {
                word.store(0, Relaxed);
            }
            board.layout = layout;
            return Ok(board);
        }
        let capacity = layout.words();
        let (words, fd) = SharedWords::create(capacity)?;
        Ok(Scoreboard { words, capacity, fd, layout })
    }

    /// Takes back the scoreboard of a generation of which no process is left.
    pub fn put_back(&mut self, board: Scoreboard) {
        self.free.push(board);
    }
}

impl AsFd for Scoreboard {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_generation_that_has_gone_is_used_again_and_is_zero() {
        let mut boards = Scoreboards::default();
        let large = Layout { slots: 6, threads: 2, listeners: 1 };
        let small = Layout { slots: 4, threads: 1, listeners: 1 };
        let board = boards.take(large).unwrap();
        board.slot(1).unwrap().add(Counter::Requests, 7);
        let memory = board.words.words().as_ptr();
        boards.put_back(board);
        let board = boards.take(small).unwrap();
        assert_eq!(board.words.words().as_ptr(), memory);
        assert_eq!(board.slot(1).unwrap().counter(Counter::Requests).load(Relaxed), 0);
        assert!(board.slot(4).is_none());
    }

    #[test]
    fn the_most_overdue_thread_counts_and_the_deadline_of_the_application_goes_first() {
        let mut boards = Scoreboards::default();
        let board = boards.take(Layout { slots: 4, threads: 3, listeners: 1 }).unwrap();
        let row = board.slot(1).unwrap();
        let second = Duration::from_secs;
        let set = |thread, word, at: Duration| {
            row.thread(thread, word).store(u64::try_from(at.as_micros()).unwrap(), Relaxed);
        };
        set(0, ThreadWord::BusySince, second(100));
        set(1, ThreadWord::BusySince, second(90));
        set(1, ThreadWord::UserDeadline, second(1000));
        set(2, ThreadWord::UserDeadline, second(1));
        let overdue = |harakiri, now| board.sample(1, harakiri, now).overdue;
        assert_eq!(overdue(Some(second(20)), second(119)), None);
        assert_eq!(overdue(Some(second(20)), second(125)), Some(second(5)));
        assert_eq!(overdue(None, second(1003)), Some(second(3)));
    }
}
