//! Small files in memory, as many as fit within `static-memory`, each compared with the file system before it is used.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::locate::About;

/// What an entry costs beside its content: paths, fields, the table itself.
const ENTRY_COST: usize = 1024;
/// Places to remember what was asked for once: only what is asked for again is worth memory.
const ONCE: usize = 1024;
/// A file changed so lately may change again without showing it: clocks of file systems are coarse.
const SETTLED: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) length: u64,
    /// Nanoseconds, as are changes.
    pub(crate) modified: i128,
    pub(crate) changed: i128,
}

impl Identity {
    /// Whether its times are old enough for a later change to show.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let limit =
            now.checked_sub(SETTLED).and_then(|limit| limit.duration_since(SystemTime::UNIX_EPOCH).ok());
        let limit = limit.map_or(0, |limit| i128::try_from(limit.as_nanos()).unwrap_or(i128::MAX));
        self.modified.max(self.changed) < limit
    }
}

/// The files that one worker keeps.
#[derive(Debug)]
pub struct Memory {
    entries: HashMap<Vec<u8>, Entry>,
    hasher: RandomState,
    once: Vec<u64>,
    /// Bytes in use, and how many there may be.
    used: usize,
    limit: usize,
    /// Counts uses, to find the entry that was used longest ago.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    about: Arc<About>,
    content: Arc<[u8]>,
    last_use: u64,
}

impl Memory {
    /// Room for `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            hasher: RandomState::new(),
            once: Vec::new(),
            used: 0,
            limit,
            clock: 0,
        }
    }

    /// A file as it is now, if it is here; an older state of it is forgotten.
    pub(crate) fn find(&mut self, key: &[u8], identity: &Identity) -> Option<(Arc<About>, Arc<[u8]>)> {
        let entry = self.entries.get_mut(key)?;
        if entry.identity != *identity {
            self.remove(key);
            return None;
        }
        self.clock += 1;
        entry.last_use = self.clock;
        Some((Arc::clone(&entry.about), Arc::clone(&entry.content)))
    }

    /// Whether this was asked for before, lately.
    pub(crate) fn is_wanted_again(&mut self, key: &[u8]) -> bool {
        if self.once.is_empty() {
            self.once = vec![0; ONCE];
        }
        let hash = self.hasher.hash_one(key) | 1;
        let place = usize::try_from(hash >> 32).unwrap_or_default() % ONCE;
        std::mem::replace(&mut self.once[place], hash) == hash
    }

    /// Whether a content of this length fits at all.
    pub(crate) fn has_room_for(&self, length: usize) -> bool {
        length.saturating_add(ENTRY_COST) <= self.limit
    }

    /// Keeps a file; what was used longest ago makes room.
    pub(crate) fn insert(&mut self, key: Vec<u8>, identity: Identity, about: Arc<About>, content: Arc<[u8]>) {
        let cost = content.len() + ENTRY_COST;
        self.remove(&key);
        while self.used + cost > self.limit {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.remove(&oldest);
        }
        self.used += cost;
        self.clock += 1;
        self.entries.insert(key, Entry { identity, about, content, last_use: self.clock });
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.entries.remove(key) {
            self.used -= entry.content.len() + ENTRY_COST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64) -> Identity {
        Identity { device: 1, inode, length: 10, modified: 5, changed: 5 }
    }

    fn insert(memory: &mut Memory, key: &str, length: usize) {
        let content = vec![b'x'; length].into();
        memory.insert(key.into(), identity(1), Arc::new(About::empty()), content);
    }

    #[test]
    fn a_file_that_changed_is_forgotten() {
        let mut memory = Memory::new(1 << 20);
        insert(&mut memory, "a", 10);
        assert!(memory.find(b"a", &identity(1)).is_some());
        assert!(memory.find(b"a", &identity(2)).is_none());
        assert!(memory.find(b"a", &identity(1)).is_none(), "the older state is gone");
        assert_eq!(memory.used, 0);
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut memory = Memory::new(2 * (100 + ENTRY_COST));
        insert(&mut memory, "a", 100);
        insert(&mut memory, "b", 100);
        assert!(memory.find(b"a", &identity(1)).is_some());
        insert(&mut memory, "c", 100);
        for (key, expected) in [("a", true), ("b", false), ("c", true)] {
            assert_eq!(memory.find(key.as_bytes(), &identity(1)).is_some(), expected, "{key}");
        }
        insert(&mut memory, "a", 50);
        assert!(memory.used <= memory.limit);
        assert_eq!(memory.used, 150 + 2 * ENTRY_COST);
        assert!(!memory.has_room_for(4096) && memory.has_room_for(100));
        assert!(!Memory::new(0).has_room_for(0));
    }

    #[test]
    fn only_what_is_asked_for_again_is_wanted() {
        let mut memory = Memory::new(1 << 20);
        for (key, expected) in [("a", false), ("b", false), ("a", true), ("b", true), ("c", false)] {
            assert_eq!(memory.is_wanted_again(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_file_that_just_changed_is_not_settled() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let at =
            |modified: i128, changed: i128| Identity { modified, changed, ..identity(1) }.is_settled(now);
        const SECOND: i128 = 1_000_000_000;
        assert!(at(98 * SECOND, 98 * SECOND));
        assert!(!at(50 * SECOND, 100 * SECOND));
        assert!(!at(99 * SECOND + 1, 50 * SECOND));
        assert!(!at(200 * SECOND, 50 * SECOND), "a time to come is never settled");
    }
}
