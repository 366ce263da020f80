//! What is to be done beside the emperor: for each vassal one thing after the other, for different ones at once.

use std::collections::{BTreeMap, VecDeque};
use std::mem::discriminant;
use std::path::PathBuf;

/// Something to do for a vassal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Errand {
    /// The file of the vassal.
    pub(crate) name: String,
    /// Where the vassal started, which is not found any more once its file has gone; `None` = where the emperor is.
    pub(crate) directory: Option<PathBuf>,
    /// Why.
    pub(crate) cause: Cause,
}

/// Why there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The vassal has been started, with this pid: `hook-as-emperor` and its relatives.
    Started(i32),
    /// The vassal has ended: `vassals-stop-hook`.
    Ended,
}

impl Errand {
    fn is_like(&self, other: &Self) -> bool {
        self.name == other.name && discriminant(&self.cause) == discriminant(&other.cause)
    }
}

/// Those that wait, and the processes of those that run.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    running: BTreeMap<i32, String>,
    waiting: VecDeque<Errand>,
}

impl Errands {
    /// Adds one. It takes the place of an equal one that still waits: a vassal that ends faster than its hooks do is
    /// spoken of once.
    pub(crate) fn add(&mut self, errand: Errand) {
        self.waiting.retain(|waiting| !waiting.is_like(&errand));
        self.waiting.push_back(errand);
    }

    /// The next one whose vassal no other is busy with.
    pub(crate) fn next(&mut self) -> Option<Errand> {
        let is_free = |errand: &Errand| self.running.values().all(|name| *name != errand.name);
        let position = self.waiting.iter().position(is_free)?;
        self.waiting.remove(position)
    }

    /// One runs in this process.
    pub(crate) fn begun(&mut self, pid: i32, errand: &Errand) {
        self.running.insert(pid, errand.name.clone());
    }

    /// A process has ended; the vassal when it was one of these.
    pub(crate) fn ended(&mut self, pid: i32) -> Option<String> {
        self.running.remove(&pid)
    }

    /// Whether there is nothing to do any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(name: &str, pid: i32) -> Errand {
        Errand { name: name.into(), directory: None, cause: Cause::Started(pid) }
    }

    fn ended(name: &str) -> Errand {
        Errand { name: name.into(), directory: None, cause: Cause::Ended }
    }

    #[test]
    fn a_busy_vassal_waits_and_another_does_not() {
        let mut errands = Errands::default();
        errands.add(started("a", 1));
        let first = errands.next().unwrap();
        errands.begun(7, &first);
        errands.add(ended("a"));
        errands.add(started("b", 2));
        assert_eq!(errands.next(), Some(started("b", 2)));
        assert_eq!(errands.next(), None);
        assert_eq!(errands.ended(7), Some("a".into()));
        assert_eq!(errands.next(), Some(ended("a")));
        assert!(errands.is_empty());
    }

    #[test]
    fn of_equal_ones_that_wait_the_last_is_done() {
        let mut errands = Errands::default();
        errands.add(started("a", 1));
        errands.add(ended("a"));
        errands.add(started("a", 2));
        assert_eq!(errands.next(), Some(ended("a")));
        assert_eq!(errands.next(), Some(started("a", 2)));
        assert_eq!(errands.next(), None);
    }
}
