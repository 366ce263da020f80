//! The workers of one generation, and how a request that waits in a busy one gets to an idle one.
//!
//! Made in the zygote and inherited by every worker: a word of shared memory for each that says whether it is idle,
//! and a packet socket for each, its inbox. A sender claims an idle worker by taking its word, so that each claim
//! brings one request; an inbox outlives its worker, so that a successor finds what was sent to it.

use margrave_sys::channel::Channel;
use margrave_sys::shm::SharedWords;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

/// Most workers that pass requests to each other; each costs two descriptors in every worker.
const MOST: u16 = 64;
/// Words between two workers' words, so that they do not share a cache line.
const STRIDE: usize = 8;

/// All workers of a generation.
#[derive(Debug)]
pub struct Fellows {
    idle: SharedWords,
    inboxes: Vec<Inbox>,
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
        let (idle, _memory) = SharedWords::create(usize::from(count) * STRIDE)?;
        let inboxes = (0..count).map(|_| {
            let (entry, exit) = Channel::pair()?;
            entry.set_nonblocking()?;
            exit.set_nonblocking()?;
            Ok(Inbox { entry, exit })
        });
        Ok(Some(Self { idle, inboxes: inboxes.collect::<io::Result<_>>()? }))
    }

    fn word(&self, worker: u16) -> Option<&AtomicU64> {
        self.idle.words().get(usize::from(worker.checked_sub(1)?) * STRIDE)
    }

    /// The worker could take a request at once.
    pub(crate) fn offer(&self, worker: u16) {
        if let Some(word) = self.word(worker) {
            word.store(1, Release);
        }
    }

    /// The worker takes its offer back. `true` when somebody has claimed it: a request is on its way.
    pub(crate) fn withdraw(&self, worker: u16) -> bool {
        self.word(worker).is_some_and(|word| word.swap(0, AcqRel) == 0)
    }

    /// All workers but `me`, from the next one on.
    fn others(&self, me: u16) -> impl Iterator<Item = u16> {
        let count = u16::try_from(self.inboxes.len()).unwrap_or(MOST);
        (1..count).map(move |step| (me - 1 + step) % count + 1)
    }

    /// Whether another worker offers help.
    pub(crate) fn is_anybody_idle(&self, me: u16) -> bool {
        self.others(me).any(|worker| self.word(worker).is_some_and(|word| word.load(Relaxed) == 1))
    }

    /// Claims an idle worker other than `me`.
    pub(crate) fn claim(&self, me: u16) -> Option<u16> {
        self.others(me).find(|&worker| {
            let word = self.word(worker);
            word.is_some_and(|word| word.load(Relaxed) == 1 && word.swap(0, AcqRel) == 1)
        })
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
    fn one_worker_alone_has_no_fellows() {
        assert!(Fellows::new(1).unwrap().is_none());
    }
}
