//! How long a client may take: a bound on its silence, and on its average speed once that time is over.
//!
//! A bound on silence alone lets a client hold memory and descriptors for hours with a byte a minute.

use std::time::Duration;

/// One direction of a connection while bytes are expected to move in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    since: Duration,
    moved: u64,
}

/// What a client is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Longest time without a byte.
    pub(crate) silence: Duration,
    /// Bytes a second on average, not asked for within the first `silence`; 0 = none.
    pub(crate) min_rate: u64,
}

impl Pace {
    /// Bytes are expected from now on.
    pub(crate) fn begin(now: Duration) -> Self {
        Self { since: now, moved: 0 }
    }

    /// Nothing was expected of the client for a while.
    pub(crate) fn pause(&mut self, time: Duration) {
        self.since += time;
    }

    /// Counts bytes; says when the client is too late.
    pub(crate) fn advance(&mut self, now: Duration, bytes: u64, patience: Patience) -> Duration {
        self.moved = self.moved.saturating_add(bytes);
        let silent = now + patience.silence;
        match self.moved.checked_div(patience.min_rate) {
            None => silent,
            Some(earned) => silent.min(self.since + patience.silence + Duration::from_secs(earned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { silence: Duration::from_secs(10), min_rate: 100 };

    fn seconds(pace: &mut Pace, now: u64, bytes: u64, patience: Patience) -> u64 {
        pace.advance(Duration::from_secs(now), bytes, patience).as_secs()
    }

    #[test]
    fn a_fast_client_is_held_to_silence_alone() {
        let mut pace = Pace::begin(Duration::from_secs(5));
        assert_eq!(seconds(&mut pace, 5, 0, PATIENCE), 15);
        assert_eq!(seconds(&mut pace, 8, 10_000, PATIENCE), 18);
        assert_eq!(seconds(&mut pace, 100, 10_000, PATIENCE), 110);
    }

    #[test]
    fn a_dripping_client_earns_a_second_for_a_hundred_bytes() {
        let mut pace = Pace::begin(Duration::ZERO);
        assert_eq!(seconds(&mut pace, 9, 50, PATIENCE), 10);
        assert_eq!(seconds(&mut pace, 9, 150, PATIENCE), 12);
    }

    #[test]
    fn without_a_rate_only_silence_counts() {
        let mut pace = Pace::begin(Duration::ZERO);
        let patience = Patience { min_rate: 0, ..PATIENCE };
        assert_eq!(seconds(&mut pace, 1000, 1, patience), 1010);
    }
}
