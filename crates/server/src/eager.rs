//! When to hand requests to other threads at once instead of after a tick.
//!
//! A slow request run inline costs everybody behind it a tick or two, a hand-over some ten microseconds: the
//! break-even is near one request in a hundred. So what counts is the share of slow requests, not their mean time.
//!
//! While requests are few, a watcher stands by, and a hand-over is dearer beside that: the break-even is near one in five.
//!
//! Without a GIL there is more to gain: a request that is handed over runs beside the others. There the mean time counts
//! as well, as soon as it is worth several hand-overs.

use std::time::Duration;

/// A request that takes longer counts as slow.
pub(crate) const SLOW: Duration = Duration::from_millis(1);

/// Requests that means are taken over.
const WINDOW: u64 = 64;
const ONE: u64 = 1 << 20;
/// Shares of slow requests from which on, and below which not any more, requests are handed over.
const ENTER: u64 = ONE * 3 / 100;
const LEAVE: u64 = ONE / 100;
const ENTER_FEW: u64 = ONE / 4;
const LEAVE_FEW: u64 = ONE / 10;
/// Share of slow requests, about one in the last hundred and more, with which it is likelier that the leader stays in the
/// application than that somebody has been woken in vain.
const SHARED: u64 = ONE / 400;

/// Requests are few when there is more than this between the end of one and the begin of the next, on average and in
/// nanoseconds. A worker that never rests has many, however long they take: all that comes would wake a watcher that stands by.
const FEW: u64 = 500_000;
/// Longest one that counts in that average: one is enough for a while.
const PAUSE: Duration = Duration::from_millis(200);

/// Mean times above and below which threads that run at the same time are used, in nanoseconds.
const WORTH_SHARING: u64 = 60_000;
const NOT_WORTH_SHARING: u64 = 40_000;

/// Moving share of slow requests and mean time of all, with hysteresis.
#[derive(Debug, Default)]
pub(crate) struct Eagerness {
    share: u64,
    eager: bool,
    /// When the last request ended, and the mean pause between two in nanoseconds.
    ended: Duration,
    pause: u64,
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

    /// Counts a request that took so long and has ended now.
    pub(crate) fn handle_request(&mut self, took: Duration, now: Duration) {
        if self.parallel {
            self.count_time(took);
        }
        let pause = now.saturating_sub(took).saturating_sub(self.ended);
        self.ended = now;
        self.pause = moved(self.pause, nanos(pause.min(PAUSE)));
        self.share = moved(self.share, if took >= SLOW { ONE } else { 0 });
        let (enter, leave) = if self.are_few() { (ENTER_FEW, LEAVE_FEW) } else { (ENTER, LEAVE) };
        if self.share >= enter {
            self.eager = true;
        } else if self.share < leave {
            self.eager = false;
        }
    }

    /// Requests are few.
    pub(crate) fn are_few(&self) -> bool {
        self.pause >= FEW
    }

    /// Whether what comes while the leader is in the application goes to another thread at once: it may stay there. When nothing
    /// was slow lately it will come back before such a thread could begin.
    pub(crate) fn shares_at_once(&self) -> bool {
        self.parallel || self.share >= SHARED
    }

    fn count_time(&mut self, took: Duration) {
        self.mean = moved(self.mean, nanos(took.min(SLOW)));
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
        self.eager || self.shares && !self.are_few()
    }
}

/// A mean over the last requests, when one more has come.
fn moved(mean: u64, one: u64) -> u64 {
    mean - mean / WINDOW + one / WINDOW
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pattern: impl Iterator<Item = bool>) -> bool {
        after_some(Duration::ZERO, pattern)
    }

    /// Whether it is eager after requests that end so far apart.
    fn after_some(gap: Duration, pattern: impl Iterator<Item = bool>) -> bool {
        let mut eagerness = Eagerness::default();
        for (number, slow) in (1..).zip(pattern) {
            eagerness.handle_request(if slow { SLOW } else { Duration::ZERO }, gap * number);
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
        eagerness.handle_request(SLOW, Duration::ZERO);
        assert!(!eagerness.is_calm());
        (0..30).for_each(|_| eagerness.handle_request(Duration::ZERO, Duration::ZERO));
        assert!(eagerness.is_calm());
    }

    #[test]
    fn a_run_of_fast_requests_ends_it() {
        assert!(!after((0..300).map(|n| n < 10)));
    }

    #[test]
    fn when_requests_are_few_only_many_slow_ones_among_them_begin_it() {
        let gap = Duration::from_millis(2);
        assert!(!after_some(gap, (0..2000).map(|n| n % 10 == 0)));
        assert!(after_some(gap, (0..400).map(|n| n % 3 == 0)));
    }

    #[test]
    fn requests_are_few_after_one_long_pause_and_while_there_is_time_between_them() {
        let mut eagerness = Eagerness::default();
        assert!(!eagerness.are_few());
        let mut now = Duration::from_secs(3600);
        eagerness.handle_request(Duration::ZERO, now);
        assert!(eagerness.are_few());
        let mut after = |gap| {
            (0..500).for_each(|_| {
                now += gap;
                eagerness.handle_request(Duration::ZERO, now);
            });
            eagerness.are_few()
        };
        assert!(!after(Duration::from_micros(100)));
        assert!(after(Duration::from_millis(1)));
    }

    #[test]
    fn requests_without_a_pause_between_them_are_not_few_however_long_they_take() {
        let took = Duration::from_millis(5);
        let are_few_with_pauses_of = |pause| {
            let mut eagerness = Eagerness::default();
            (1..500).for_each(|number| eagerness.handle_request(took, (took + pause) * number));
            eagerness.are_few()
        };
        assert!(!are_few_with_pauses_of(Duration::ZERO));
        assert!(!are_few_with_pauses_of(Duration::from_micros(100)));
        assert!(are_few_with_pauses_of(Duration::from_millis(1)));
    }

    #[test]
    fn requests_of_some_hand_overs_are_shared_only_by_threads_that_run_at_the_same_time() {
        let eager_after = |parallel, micros| {
            let mut eagerness = Eagerness::default();
            if parallel {
                eagerness.go_parallel();
            }
            (0..500).for_each(|_| eagerness.handle_request(Duration::from_micros(micros), Duration::ZERO));
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
        eagerness.handle_request(Duration::from_secs(10), Duration::ZERO);
        assert!(!eagerness.is_eager());
    }
}
