//! Blocks of answers that stay where the application made them until their clients have taken them.
//!
//! The application's language may want them back in its own way, which whoever sends them cannot do: a block that is
//! let go of is only put aside by its owner, and a thread that is attached frees it ([`crate::Executor::release`]).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What holds the bytes of a block. Dropping it must neither wait nor run the application's code.
pub type Owner = Box<dyn AsRef<[u8]> + Send + Sync>;

/// A part of a block up to this size is copied instead, which is cheaper than to keep the whole.
pub const COPIED: usize = 32 * 1024;

/// What a worker keeps of all its answers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of blocks, each counted once, however many answers it is sent with.
    bytes: AtomicUsize,
    /// How many parts are kept of each, by address.
    parts: Mutex<HashMap<usize, usize>>,
    let_go: AtomicBool,
}

impl Tally {
    /// Bytes kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Blocks have been let go of and not been freed yet.
    pub(crate) fn has_let_go(&self) -> bool {
        self.let_go.load(Acquire)
    }

    fn parts(&self) -> MutexGuard<'_, HashMap<usize, usize>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, block: &[u8]) {
        let mut parts = self.parts();
        let count = parts.entry(block.as_ptr() as usize).or_default();
        *count += 1;
        if *count == 1 {
            self.bytes.fetch_add(block.len(), Relaxed);
        }
    }

    fn remove(&self, block: &[u8]) {
        let mut parts = self.parts();
        let address = block.as_ptr() as usize;
        let Some(count) = parts.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            parts.remove(&address);
            self.bytes.fetch_sub(block.len(), Relaxed);
        }
    }

    /// The same; the caller is going to free them.
    pub(crate) fn take_let_go(&self) -> bool {
        self.has_let_go() && self.let_go.swap(false, AcqRel)
    }
}

/// What is left to send of a block.
pub(crate) struct Kept {
    owner: Option<Owner>,
    left: Range<usize>,
    tally: Arc<Tally>,
}

impl Kept {
    pub(crate) fn new(owner: Owner, part: Range<usize>, tally: &Arc<Tally>) -> Self {
        tally.add((*owner).as_ref());
        Self { owner: Some(owner), left: part, tally: Arc::clone(tally) }
    }

    fn block(&self) -> &[u8] {
        self.owner.as_ref().map_or(&[], |owner| (**owner).as_ref())
    }

    /// The bytes left to send.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.block().get(self.left.clone()).unwrap_or_default()
    }

    /// So many bytes have been sent.
    pub(crate) fn advance(&mut self, sent: usize) {
        self.left.start += sent;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.tally.remove(self.block());
        self.owner = None;
        // The owner has put the block aside by now: whoever sees this finds it.
        self.tally.let_go.store(true, Release);
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Kept({:?})", self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_several_answers_are_sent_counts_once_until_the_last_has_gone() {
        let tally = Arc::<Tally>::default();
        let block: Arc<[u8]> = vec![b'x'; 100].into();
        let keep = |part| Kept::new(Box::new(Arc::clone(&block)), part, &tally);
        let (first, mut second) = (keep(0..100), keep(40..100));
        assert_eq!(tally.bytes(), 100);
        drop(first);
        second.advance(50);
        assert_eq!((second.bytes().len(), tally.bytes()), (10, 100));
        drop(second);
        assert_eq!((tally.bytes(), tally.take_let_go(), tally.has_let_go()), (0, true, false));
    }
}
