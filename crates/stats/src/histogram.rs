//! Histograms of durations in shared words: buckets that double, so that the bucket of a value is its number of digits.
//!
//! A recording is two relaxed additions. Readers may see one without the other for a moment, which no monitoring minds.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Buckets, the last one without a bound.
pub const BUCKETS: usize = 21;

/// Words of a histogram: its buckets, the sum of what was recorded in microseconds, and what fills a cache line.
pub const WORDS: usize = 24;

/// The first bucket holds everything up to two to this power, in microseconds.
const FIRST_POWER: u32 = 6;

/// What is measured of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Measure {
    /// From the moment a thread takes it to its end.
    Duration = 0,
    /// From the moment it is complete to the one a thread takes it.
    Queue,
    /// From the moment a thread takes it to the one it has the interpreter's lock.
    Gil,
}

/// How many measures there are.
pub const MEASURES: usize = 3;

/// Classes of status codes, `1xx` to `5xx`.
pub const CLASSES: usize = 5;

/// Words of the histograms of one listener.
pub const LISTENER_WORDS: usize = CLASSES * MEASURES * WORDS;

/// Where the histogram of a class and a measure begins in the words of its listener.
#[must_use]
pub fn offset(class: usize, measure: Measure) -> usize {
    (class.min(CLASSES - 1) * MEASURES + measure as usize) * WORDS
}

/// The class of a status, from 0; what is none counts as an error of the server.
#[must_use]
pub fn class(status: u16) -> usize {
    match status / 100 {
        hundreds @ 1..=5 => usize::from(hundreds) - 1,
        _ => CLASSES - 1,
    }
}

/// The bucket of a duration.
#[must_use]
pub fn bucket(micros: u64) -> usize {
    let digits = u64::BITS - micros.saturating_sub(1).leading_zeros();
    (digits.saturating_sub(FIRST_POWER) as usize).min(BUCKETS - 1)
}

/// Longest duration that a bucket holds, in microseconds; `None` for the last one.
#[must_use]
pub fn bound(bucket: usize) -> Option<u64> {
    (bucket + 1 < BUCKETS).then(|| 1 << (bucket as u32 + FIRST_POWER))
}

/// Adds a duration to the histogram whose words these are.
pub fn record(words: &[AtomicU64], micros: u64) {
    if let (Some(count), Some(sum)) = (words.get(bucket(micros)), words.get(BUCKETS)) {
        count.fetch_add(1, Relaxed);
        sum.fetch_add(micros, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_duration_is_within_the_bounds_of_its_bucket() {
        for micros in (0..100_000).chain([1 << 25, (1 << 25) + 1, u64::MAX]) {
            let place = bucket(micros);
            assert!(bound(place).is_none_or(|bound| micros <= bound), "{micros} in {place}");
            let below = place.checked_sub(1).and_then(bound);
            assert!(below.is_none_or(|below| micros > below), "{micros} in {place}");
        }
        assert_eq!((bucket(64), bucket(65), bucket(u64::MAX)), (0, 1, BUCKETS - 1));
    }

    #[test]
    fn what_is_recorded_is_counted_and_summed() {
        let words: Vec<AtomicU64> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        for micros in [1, 64, 65, 1000] {
            record(&words, micros);
        }
        let value = |index: usize| words[index].load(Relaxed);
        assert_eq!((value(0), value(1), value(4), value(BUCKETS)), (2, 1, 1, 1130));
    }

    #[test]
    fn statuses_have_classes() {
        for (status, expected) in [(100, 0), (200, 1), (304, 2), (404, 3), (599, 4), (0, 4), (999, 4)] {
            assert_eq!(class(status), expected, "{status}");
        }
        assert_eq!(offset(CLASSES - 1, Measure::Gil) + WORDS, LISTENER_WORDS);
    }
}
