//! What processes that have gone had counted, so that figures for monitoring only grow, whatever is reloaded.

use super::report::View;
use margrave_stats::histogram::{self, BUCKETS, CLASSES, LISTENER_WORDS, Measure};
use margrave_stats::scoreboard::{Counter, Slot};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// Counters that are summed over all processes.
pub const SUMMED: [Counter; 9] = [
    Counter::Requests,
    Counter::Exceptions,
    Counter::TxBytes,
    Counter::Accepted,
    Counter::Aborted,
    Counter::Refused,
    Counter::LostLines,
    Counter::StaticRequests,
    Counter::Overdue,
];

/// Sums of counters and, by address of the listener, of histograms.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In the order of [`SUMMED`].
    pub counters: [u64; SUMMED.len()],
    /// The words of the histograms.
    pub listeners: BTreeMap<String, Vec<u64>>,
    /// Requests that were ended with their worker because `harakiri-kill` wants it so.
    pub killed: u64,
}

impl Ledger {
    /// Adds what a process has counted.
    pub fn absorb<'a>(&mut self, row: &Slot<'_>, addresses: impl Iterator<Item = &'a str>) {
        for (sum, counter) in self.counters.iter_mut().zip(SUMMED) {
            *sum += row.counter(counter).load(Relaxed);
        }
        for (number, address) in addresses.enumerate() {
            if !self.listeners.contains_key(address) {
                self.listeners.insert(address.to_owned(), vec![0; LISTENER_WORDS]);
            }
            let Some(sums) = self.listeners.get_mut(address) else { continue };
            for (sum, word) in sums.iter_mut().zip(row.listener(number)) {
                *sum += word.load(Relaxed);
            }
        }
    }

    /// The buckets of a measure, over all listeners and statuses. Waits of nothing are not recorded; their number is that
    /// of all requests less the others.
    #[must_use]
    pub fn buckets(&self, measure: Measure) -> [u64; BUCKETS] {
        let sum = |measure| {
            let mut sums = [0; BUCKETS];
            for (words, class) in
                self.listeners.values().flat_map(|words| (0..CLASSES).map(move |class| (words, class)))
            {
                let found = words.get(histogram::offset(class, measure)..).unwrap_or_default();
                sums.iter_mut().zip(found).for_each(|(sum, count)| *sum += count);
            }
            sums
        };
        let mut found = sum(measure);
        let (all, recorded): (u64, u64) = (sum(Measure::Duration).iter().sum(), found.iter().sum());
        found[0] += all.saturating_sub(recorded);
        found
    }

    /// Requests ended by their deadline, in whatever way.
    #[must_use]
    pub fn harakiri(&self) -> u64 {
        self.killed + self.counter(Counter::Overdue)
    }

    /// The sum of a counter, 0 for one that is not summed.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> u64 {
        SUMMED.iter().zip(self.counters).find(|(known, _)| **known == counter).map_or(0, |(_, sum)| sum)
    }

    /// The sums with those of all processes that still run.
    #[must_use]
    pub fn with_the_living(&self, view: &View<'_>) -> Self {
        let mut all = self.clone();
        for worker in view.workers.values() {
            let Some(generation) = view.generations.get(&worker.generation) else { continue };
            if let Some(row) = generation.scoreboard.slot(worker.slot) {
                all.absorb(&row, generation.listeners.iter().map(|bound| bound.address.as_str()));
            }
        }
        all
    }
}
