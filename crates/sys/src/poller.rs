//! Readiness: a thin epoll that several threads may wait on, and the eventfd that wakes it.
//!
//! Edge-triggered for connections; exclusive for listeners: of several who wait, one is woken.

use crate::clock::to_timespec;
use rustix::event::{EventfdFlags, epoll, eventfd};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token given at registration.
    pub token: u64,
    /// Bytes, a connection or the end can be read.
    pub readable: bool,
    /// The socket takes bytes again.
    pub writable: bool,
    /// The peer closed its sending side, or the connection broke.
    pub hangup: bool,
    /// The connection broke in both directions.
    pub broken: bool,
}

/// An epoll instance.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

/// Room for events of one wait.
pub struct Events {
    list: Vec<epoll::Event>,
}

impl Events {
    /// Room for `capacity` events a wait.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity) }
    }

    /// The events of the last wait.
    pub fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        self.list.iter().map(|event| {
            let flags = event.flags;
            let broken = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            Ready {
                token: event.data.u64(),
                readable: flags.contains(epoll::EventFlags::IN) || broken,
                writable: flags.contains(epoll::EventFlags::OUT) || broken,
                hangup: flags.contains(epoll::EventFlags::RDHUP) || broken,
                broken,
            }
        })
    }

    /// Number of events of the last wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the last wait found nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets the events of the last wait.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}

impl Poller {
    /// A new epoll instance.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Watches a connection, edge-triggered, for everything, until it is closed or deleted.
    ///
    /// # Errors
    /// When the kernel's limit of watches is reached.
    pub fn add_connection(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), flags)?)
    }

    /// Watches a listener that may be shared with other processes: for a connection that comes, only one waiter is woken.
    /// Told of it `once` means edge-triggered: otherwise a second one in the same process is woken by what the first is about to
    /// take.
    ///
    /// # Errors
    /// When the kernel's limit of watches is reached.
    pub fn add_listener(&self, fd: impl AsFd, token: u64, once: bool) -> io::Result<()> {
        let trigger = if once { epoll::EventFlags::ET } else { epoll::EventFlags::empty() };
        let flags = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE | trigger;
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), flags)?)
    }

    /// Watches a descriptor for reading, level-triggered.
    ///
    /// # Errors
    /// When the kernel's limit of watches is reached.
    pub fn add_readable(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
    }

    /// Stops watching.
    ///
    /// # Errors
    /// When the descriptor is not watched.
    pub fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until something is ready or `timeout`, rounded up to milliseconds, has passed (`None` = for ever; zero = only
    /// looks).
    /// An interrupted wait returns with no events.
    ///
    /// # Errors
    /// Never in a healthy process.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        let timeout = timeout.map(|duration| {
            // The kernel counts milliseconds here. Rounded down, the last one before a time would be spent in asking
            // again and again whether it has come.
            let missing = (1_000_000 - duration.subsec_nanos() % 1_000_000) % 1_000_000;
            to_timespec(duration.saturating_add(Duration::from_nanos(missing.into())))
        });
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events.list), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Wakes a [`Poller`] from another thread.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A waker; register it with [`Poller::add_readable`].
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Another handle of the same waker.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()? })
    }

    /// Wakes whoever waits, now or at the next wait.
    pub fn wake(&self) {
        // A full counter means that a wake-up is pending already.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Takes back all pending wake-ups.
    pub fn drain(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_not_shorter_than_its_timeout() {
        let poller = Poller::new().unwrap();
        let timeout = Duration::from_micros(300);
        let begun = std::time::Instant::now();
        poller.wait(&mut Events::with_capacity(1), Some(timeout)).unwrap();
        assert!(begun.elapsed() >= timeout);
    }

    #[test]
    fn a_waker_ends_a_wait_and_is_quiet_after_drain() {
        let poller = Poller::new().unwrap();
        let waker = Waker::new().unwrap();
        poller.add_readable(&waker, 7).unwrap();
        let mut events = Events::with_capacity(4);
        waker.wake();
        poller.wait(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [7]);
        waker.drain();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    }
}
