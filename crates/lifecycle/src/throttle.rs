//! How fast something that keeps failing is tried again: at once the first time, then ever more slowly.

use core::time::Duration;

/// Delay after the second failure in a row; doubles with each further one.
const FIRST: Duration = Duration::from_millis(250);

/// Longest delay of what never worked.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Longest delay of what worked before it failed: users wait for it.
pub const LONGEST_AFTER_WORK: Duration = Duration::from_secs(1);

/// Counts failures in a row and says how long to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    failures: u32,
}

impl Throttle {
    /// Notes a failure of what never worked and gives the delay before the next try: none after the first in a row.
    pub fn handle_failure(&mut self) -> Duration {
        self.delay(LONGEST)
    }

    /// The same for what worked for a moment, with shorter delays.
    pub fn handle_failure_after_work(&mut self) -> Duration {
        self.delay(LONGEST_AFTER_WORK)
    }

    fn delay(&mut self, longest: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        match self.failures {
            1 => Duration::ZERO,
            failures => FIRST.saturating_mul(1 << (failures - 2).min(16)).min(longest),
        }
    }

    /// Notes that it works.
    pub fn handle_success(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_first_retry_is_at_once_and_the_later_ones_ever_slower_up_to_a_bound() {
        let mut throttle = Throttle::default();
        let delays: Vec<u128> = (0..12).map(|_| throttle.handle_failure().as_millis()).collect();
        assert_eq!(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
        assert_eq!(throttle.handle_failure_after_work(), LONGEST_AFTER_WORK);
        throttle.handle_success();
        assert_eq!(throttle.handle_failure(), Duration::ZERO);
    }
}
