//! `latency`: requests wait for a worker no longer than a target. Long waits bring workers at once, many when the wait is
//! many times too long; one goes when the others would still be idle enough.

use super::{Load, Scaling, Standing};
use crate::message::ForkId;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// A worker goes only when those that stay would spend less than this share of their time in requests, in thousandths.
const CALM: u128 = 700;

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    calm: u32,
    last: BTreeMap<ForkId, Duration>,
}

impl State {
    pub(super) fn look(&mut self, rules: &Scaling, target: Duration, load: &Load, standing: Standing) -> i16 {
        let spent = self.spent(load);
        let wait = load.wait.unwrap_or_default();
        if wait > target {
            self.calm = 0;
            if standing.starting > 0 {
                return 0;
            }
            // As many times too long, as many times more; but never more than twice as many at once.
            let times = wait.as_micros() / target.as_micros().max(1);
            let more =
                (u128::from(standing.wanted) * times.saturating_sub(1) / 2).min(u128::from(standing.wanted));
            let more = more.max(u128::from(rules.step.max(1)));
            return i16::try_from(more).unwrap_or(i16::MAX);
        }
        let threads: u128 = load.workers.iter().map(|worker| u128::from(worker.threads.max(1))).sum();
        let workers = load.workers.len() as u128;
        let left = threads.checked_div(workers).map_or(0, |each| threads - each);
        // A look covers about one second.
        let share = (spent.as_micros() / 1000).checked_div(left);
        if wait > target / 4 || share.is_none_or(|share| share >= CALM) {
            self.calm = 0;
            return 0;
        }
        self.calm += 1;
        if self.calm <= rules.idle {
            return 0;
        }
        self.calm = 0;
        -1
    }

    /// Time that all threads have spent in requests since the last look.
    fn spent(&mut self, load: &Load) -> Duration {
        let times: BTreeMap<ForkId, Duration> =
            load.workers.iter().map(|worker| (worker.id, worker.time)).collect();
        let before = core::mem::replace(&mut self.last, times);
        let spent = |(id, time): (&ForkId, &Duration)| time.saturating_sub(*before.get(id).unwrap_or(time));
        self.last.iter().map(spent).sum()
    }
}
