//! The workers of one generation, and how requests and connections get from one to another.
//!
//! Made in the zygote and inherited by every worker: a few words of shared memory for each, which say whether it is idle
//! and how many connections it has, and a packet socket for each, its inbox. A sender claims an idle worker by taking
//! its word, so that each claim brings one request; an inbox outlives its worker, so that a successor finds what was
//! sent to it.

use margrave_sys::channel::Channel;
use margrave_sys::shm::SharedWords;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::time::Duration;

/// Most workers that pass requests to each other; each costs two descriptors in every worker.
const MOST: u16 = 64;
/// Words between two workers' words, so that they do not share a cache line.
const STRIDE: usize = 8;
/// Connections of a worker that takes none from others.
const CLOSED: u64 = u64::MAX;
/// A worker that has polled within this time will poll again soon. One that is stopped or stuck has not.
const LIVELY: Duration = Duration::from_millis(100);

/// The words of a worker.
#[derive(Clone, Copy)]
enum Word {
    /// 1 while it waits with a thread to spare.
    Idle,
    /// Its connections, or [`CLOSED`].
    Connections,
    /// When it polled last, in milliseconds of the monotonic clock.
    Polled,
    /// Connections it has taken, from the kernel or from others.
    Taken,
    /// Requests it has answered lately, in a measure of its own.
    Requests,
}

/// All workers of a generation.
#[derive(Debug)]
pub struct Fellows {
    words: SharedWords,
    inboxes: Vec<Inbox>,
}

/// What another worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fellow {
    pub(crate) worker: u16,
    pub(crate) connections: u64,
    pub(crate) taken: u64,
    pub(crate) requests: u64,
}

#[derive(Debug)]
struct Inbox {
    entry: Channel,
    exit: Channel,
}

impl Fellows {
    /// For workers numbered from 1 to `workers`. `None` where there is nobody to pass requests to.
    ///
    /// # Errors
    /// When memory or descriptors are exhausted.
    pub fn new(workers: u16) -> io::Result<Option<Self>> {
        if workers < 2 {
            return Ok(None);
        }
        let count = workers.min(MOST);
        let (words, _memory) = SharedWords::create(usize::from(count) * STRIDE)?;
        let inboxes = (0..count).map(|_| {
            let (entry, exit) = Channel::pair()?;
            entry.set_nonblocking()?;
            exit.set_nonblocking()?;
            Ok(Inbox { entry, exit })
        });
        let fellows = Self { words, inboxes: inboxes.collect::<io::Result<_>>()? };
        (1..=count).for_each(|worker| fellows.close(worker));
        Ok(Some(fellows))
    }

    fn word(&self, worker: u16, word: Word) -> Option<&AtomicU64> {
        self.words.words().get(usize::from(worker.checked_sub(1)?) * STRIDE + word as usize)
    }

    fn read(&self, worker: u16, word: Word) -> u64 {
        self.word(worker, word).map_or(0, |word| word.load(Relaxed))
    }

    fn write(&self, worker: u16, word: Word, value: u64) {
        if let Some(word) = self.word(worker, word) {
            word.store(value, Relaxed);
        }
    }

    /// The worker has so many connections, and takes more.
    pub(crate) fn note_connections(&self, worker: u16, count: usize) {
        self.write(worker, Word::Connections, count as u64);
    }

    /// A connection is on its way to the worker: others need not send one as well.
    pub(crate) fn note_sent(&self, worker: u16) {
        if let Some(word) = self.word(worker, Word::Connections) {
            let _ = word.fetch_update(Relaxed, Relaxed, |count| (count != CLOSED).then(|| count + 1));
        }
    }

    /// The worker has taken a connection.
    pub(crate) fn note_taken(&self, worker: u16) {
        self.write(worker, Word::Taken, self.taken(worker) + 1);
    }

    /// Connections that the worker has taken.
    pub(crate) fn taken(&self, worker: u16) -> u64 {
        self.read(worker, Word::Taken)
    }

    /// A new worker joins the others where they are, instead of being given everything until it has caught up.
    pub(crate) fn join(&self, worker: u16) {
        let most = self.open(worker).map(|fellow| fellow.taken).max();
        self.write(worker, Word::Taken, most.unwrap_or(0).max(self.taken(worker)));
    }

    /// The worker takes no connections from now on.
    pub(crate) fn close(&self, worker: u16) {
        self.write(worker, Word::Connections, CLOSED);
    }

    /// The worker looks for events.
    pub(crate) fn note_poll(&self, worker: u16, now: Duration) {
        self.write(worker, Word::Polled, millis(now));
    }

    /// The worker has answered so many requests lately.
    pub(crate) fn note_requests(&self, worker: u16, requests: u64) {
        self.write(worker, Word::Requests, requests);
    }

    /// Every worker but `me` that takes connections.
    pub(crate) fn open(&self, me: u16) -> impl Iterator<Item = Fellow> {
        self.others(me).filter_map(|worker| {
            let connections = self.read(worker, Word::Connections);
            let (taken, requests) = (self.taken(worker), self.read(worker, Word::Requests));
            (connections != CLOSED).then_some(Fellow { worker, connections, taken, requests })
        })
    }

    /// Every worker but `me` that takes no connections: it has left, or has not come yet, or has enough to do.
    pub(crate) fn closed(&self, me: u16) -> impl Iterator<Item = u16> {
        self.others(me).filter(|&worker| self.read(worker, Word::Connections) == CLOSED)
    }

    /// Whether what is sent to a worker will be looked at soon: it is up, or idle, and then claimed by this call.
    pub(crate) fn reach(&self, worker: u16, now: Duration) -> bool {
        let age = millis(now).saturating_sub(self.read(worker, Word::Polled));
        age <= millis(LIVELY) || self.claim_one(worker)
    }

    /// The worker could take a request at once.
    pub(crate) fn offer(&self, worker: u16) {
        if let Some(word) = self.word(worker, Word::Idle) {
            word.store(1, Release);
        }
    }

    /// The worker takes its offer back. `true` when somebody has claimed it: a request is on its way.
    pub(crate) fn withdraw(&self, worker: u16) -> bool {
        self.word(worker, Word::Idle).is_some_and(|word| word.swap(0, AcqRel) == 0)
    }

    /// All workers but `me`, from the next one on.
    fn others(&self, me: u16) -> impl Iterator<Item = u16> {
        let count = u16::try_from(self.inboxes.len()).unwrap_or(MOST);
        (1..count).map(move |step| (me - 1 + step) % count + 1)
    }

    /// Whether another worker offers help.
    pub(crate) fn is_anybody_idle(&self, me: u16) -> bool {
        self.others(me).any(|worker| self.read(worker, Word::Idle) == 1)
    }

    /// Claims an idle worker other than `me`.
    pub(crate) fn claim(&self, me: u16) -> Option<u16> {
        self.others(me).find(|&worker| self.claim_one(worker))
    }

    /// Claims a worker if it is idle.
    pub(crate) fn claim_one(&self, worker: u16) -> bool {
        let word = self.word(worker, Word::Idle);
        word.is_some_and(|word| word.load(Relaxed) == 1 && word.swap(0, AcqRel) == 1)
    }

    /// Puts a packet and a descriptor into a worker's inbox.
    pub(crate) fn send(&self, worker: u16, packet: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
        match self.inboxes.get(usize::from(worker) - 1) {
            Some(inbox) => inbox.entry.send(packet, &[descriptor]),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Where this worker's packets come out.
    pub(crate) fn inbox(&self, worker: u16) -> Option<&Channel> {
        self.inboxes.get(usize::from(worker.checked_sub(1)?)).map(|inbox| &inbox.exit)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_brings_one_request_and_the_claimed_worker_knows() {
        let fellows = Fellows::new(3).unwrap().unwrap();
        assert_eq!(fellows.claim(1), None);
        fellows.offer(1);
        fellows.offer(3);
        assert_eq!(fellows.claim(1), Some(3), "never oneself");
        assert_eq!(fellows.claim(2), Some(1));
        assert_eq!(fellows.claim(2), None);
        assert!(fellows.withdraw(3));
        fellows.offer(3);
        assert!(!fellows.withdraw(3));
    }

    #[test]
    fn a_worker_that_has_not_polled_lately_is_reached_once_if_it_was_idle() {
        let fellows = Fellows::new(2).unwrap().unwrap();
        let now = Duration::from_secs(9);
        assert!(!fellows.reach(2, now));
        fellows.offer(2);
        assert!(fellows.reach(2, now) && !fellows.reach(2, now), "it may have been stopped in its sleep");
        fellows.note_poll(2, now - LIVELY);
        assert!(fellows.reach(2, now) && fellows.reach(2, now));
    }

    #[test]
    fn only_workers_that_take_connections_are_open() {
        let fellows = Fellows::new(3).unwrap().unwrap();
        assert_eq!(fellows.open(1).count(), 0);
        fellows.note_connections(2, 6);
        fellows.note_sent(2);
        fellows.note_connections(3, 0);
        fellows.note_requests(2, 70);
        fellows.close(3);
        fellows.note_sent(3);
        let open: Vec<_> = fellows.open(1).collect();
        assert_eq!(open, [Fellow { worker: 2, connections: 7, taken: 0, requests: 70 }]);
        assert_eq!(fellows.closed(1).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_new_worker_counts_from_where_the_others_are() {
        let fellows = Fellows::new(2).unwrap().unwrap();
        fellows.note_connections(1, 0);
        (0..5).for_each(|_| fellows.note_taken(1));
        fellows.join(2);
        fellows.note_taken(2);
        assert_eq!(fellows.taken(2), 6);
    }

    #[test]
    fn one_worker_alone_has_no_fellows() {
        assert!(Fellows::new(1).unwrap().is_none());
    }
}
