//! When to hand requests to other threads at once instead of after a tick.
//!
//! A slow request run inline costs everybody behind it a tick or two, a hand-over some ten microseconds: the
//! break-even is near one request in a hundred. So what counts is the share of slow requests, not their mean time.

use std::time::Duration;

/// A request that takes longer counts as slow.
pub(crate) const SLOW: Duration = Duration::from_millis(1);

/// Requests the share is taken over.
const WINDOW: u32 = 64;
const ONE: u32 = 1 << 20;
const ENTER: u32 = ONE * 3 / 100;
const LEAVE: u32 = ONE / 100;

/// Moving share of slow requests, with hysteresis.
#[derive(Debug, Default)]
pub(crate) struct Eagerness {
    share: u32,
    eager: bool,
}

impl Eagerness {
    /// Counts a finished request.
    pub(crate) fn handle_request(&mut self, took: Duration) {
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

    /// Slow requests are rare, and none came within the last thirty.
    pub(crate) fn is_calm(&self) -> bool {
        self.share < LEAVE
    }

    /// Whether requests are handed over at once.
    pub(crate) fn is_eager(&self) -> bool {
        self.eager
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
}
