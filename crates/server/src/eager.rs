//! When to hand requests to other threads at once instead of after a tick.
//!
//! A slow request run inline costs everybody behind it a tick or two, a hand-over some ten microseconds: the
//! break-even is near one request in a hundred. So what counts is the share of slow requests, not their mean time.
//!
//! Without a GIL there is more to gain: a request that is handed over runs beside the others. There the mean time counts
//! as well, as soon as it is worth several hand-overs.

use std::time::Duration;

/// A request that takes longer counts as slow.
pub(crate) const SLOW: Duration = Duration::from_millis(1);

/// Requests the share is taken over.
const WINDOW: u32 = 64;
const ONE: u32 = 1 << 20;
const ENTER: u32 = ONE * 3 / 100;
const LEAVE: u32 = ONE / 100;

/// Mean times above and below which threads that run at the same time are used, in nanoseconds.
const WORTH_SHARING: u64 = 60_000;
const NOT_WORTH_SHARING: u64 = 40_000;

/// Moving share of slow requests and mean time of all, with hysteresis.
#[derive(Debug, Default)]
pub(crate) struct Eagerness {
    share: u32,
    eager: bool,
    /// Threads run Python at the same time.
    parallel: bool,
    /// Mean time in nanoseconds; slow requests count as [`SLOW`], so that one does not stand for many.
    mean: u64,
    shares: bool,
}

impl Eagerness {
    /// From now on threads run Python at the same time.
    pub(crate) fn go_parallel(&mut self) {
        self.parallel = true;
    }

    /// Counts a finished request.
    pub(crate) fn handle_request(&mut self, took: Duration) {
        if self.parallel {
            self.count_time(took);
        }
        self.share -= self.share / WINDOW;
        if took >= SLOW {
            self.share += ONE / WINDOW;
        }
        if self.share >= ENTER {
            self.eager = true;
        } else if self.share < LEAVE {
            self.eager = false;
        }
    }

    fn count_time(&mut self, took: Duration) {
        let nanos = u64::try_from(took.min(SLOW).as_nanos()).unwrap_or(u64::MAX);
        self.mean = self.mean - self.mean / u64::from(WINDOW) + nanos / u64::from(WINDOW);
        if self.mean >= WORTH_SHARING {
            self.shares = true;
        } else if self.mean < NOT_WORTH_SHARING {
            self.shares = false;
        }
    }

    /// Slow requests are rare, and none came within the last thirty.
    pub(crate) fn is_calm(&self) -> bool {
        self.share < LEAVE
    }

    /// Whether requests are handed over at once.
    pub(crate) fn is_eager(&self) -> bool {
        self.eager || self.shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pattern: impl Iterator<Item = bool>) -> bool {
        let mut eagerness = Eagerness::default();
        for slow in pattern {
            eagerness.handle_request(if slow { SLOW } else { Duration::ZERO });
        }
        eagerness.is_eager()
    }

    #[test]
    fn one_slow_request_changes_nothing_and_two_close_together_do() {
        assert!(!after([true].into_iter()));
        assert!(after([true, false, true].into_iter()));
    }

    #[test]
    fn a_steady_twentieth_of_slow_requests_stays_eager() {
        assert!(after((0..1000).map(|n| n % 20 == 0)));
    }

    #[test]
    fn it_is_calm_again_thirty_requests_after_a_slow_one() {
        let mut eagerness = Eagerness::default();
        assert!(eagerness.is_calm());
        eagerness.handle_request(SLOW);
        assert!(!eagerness.is_calm());
        (0..30).for_each(|_| eagerness.handle_request(Duration::ZERO));
        assert!(eagerness.is_calm());
    }

    #[test]
    fn a_run_of_fast_requests_ends_it() {
        assert!(!after((0..300).map(|n| n < 10)));
    }

    #[test]
    fn requests_of_some_hand_overs_are_shared_only_by_threads_that_run_at_the_same_time() {
        let eager_after = |parallel, micros| {
            let mut eagerness = Eagerness::default();
            if parallel {
                eagerness.go_parallel();
            }
            (0..500).for_each(|_| eagerness.handle_request(Duration::from_micros(micros)));
            eagerness.is_eager()
        };
        assert!(eager_after(true, 100));
        assert!(!eager_after(true, 10));
        assert!(!eager_after(false, 100));
    }

    #[test]
    fn one_very_slow_request_does_not_make_fast_ones_be_shared() {
        let mut eagerness = Eagerness::default();
        eagerness.go_parallel();
        eagerness.handle_request(Duration::from_secs(10));
        assert!(!eagerness.is_eager());
    }
}
