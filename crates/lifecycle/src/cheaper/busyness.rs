//! `busyness`: the share of time that workers spend in requests is kept between two bounds, over windows of
//! `cheaper-overload` looks. A backlog that does not go away brings emergency workers at once.

use super::{Load, Scaling, Standing};
use crate::message::ForkId;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// Longest that penalties may stretch the patience before a worker goes, in windows.
const MOST_WINDOWS: u32 = 1000;

/// The rules (`cheaper-busyness-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busyness {
    /// Per cent above which workers are added.
    pub max: u32,
    /// Per cent below which they go.
    pub min: u32,
    /// Windows below it before one goes.
    pub multiplier: u32,
    /// Windows added to that when one was missed soon after it had gone.
    pub penalty: u32,
    /// Tells the average of each window.
    pub verbose: bool,
    /// Waiting connections and requests that bring emergency workers at once.
    pub backlog_alert: u32,
    /// How many of them.
    pub backlog_step: u16,
    /// Looks at which nothing waits before an emergency worker goes.
    pub backlog_multiplier: u32,
    /// Time for which something may wait before one comes.
    pub backlog_nonzero: Duration,
}

impl Default for Busyness {
    fn default() -> Self {
        Self {
            max: 50,
            min: 25,
            multiplier: 10,
            penalty: 2,
            verbose: false,
            backlog_alert: 33,
            backlog_step: 1,
            backlog_multiplier: 3,
            backlog_nonzero: Duration::from_secs(60),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// When, and what each worker's time was then.
    last: Option<(Duration, BTreeMap<ForkId, Duration>)>,
    /// Shares of this window in thousandths, summed, and how many looks they are from.
    sum: u64,
    looks: u32,
    /// Windows below the lower bound in a row.
    low: u32,
    /// Penalties so far, in windows.
    penalties: u32,
    /// Windows since a worker went.
    since_removal: Option<u32>,
    emergency: u16,
    quiet: u32,
    waiting_since: Option<Duration>,
    /// Per cent of the window that has just ended, for whoever wants to tell it.
    average: Option<u64>,
}

impl State {
    pub(super) fn look(
        &mut self,
        now: Duration,
        scaling: &Scaling,
        rules: Busyness,
        load: &Load,
        standing: Standing,
    ) -> i16 {
        let share = self.share(now, load);
        let urgent = self.backlog(now, rules, load, standing);
        if let Some(share) = share {
            self.sum += share;
            self.looks += 1;
        }
        if urgent != 0 {
            return urgent;
        }
        if self.looks < scaling.overload.max(1) {
            return 0;
        }
        let average = self.sum / u64::from(self.looks);
        (self.sum, self.looks) = (0, 0);
        self.average = rules.verbose.then_some(average / 10);
        self.window(average, scaling, rules, standing)
    }

    /// Per cent of the window that ended with the last look, once.
    pub(super) fn take_average(&mut self) -> Option<u64> {
        self.average.take()
    }

    /// Time in requests since the last look per worker thread, in thousandths.
    fn share(&mut self, now: Duration, load: &Load) -> Option<u64> {
        let times: BTreeMap<ForkId, Duration> =
            load.workers.iter().map(|worker| (worker.id, worker.time)).collect();
        let (then, before) = self.last.replace((now, times))?;
        let passed = now.saturating_sub(then).as_micros();
        let shares: alloc::vec::Vec<u128> = load
            .workers
            .iter()
            .filter_map(|worker| {
                let spent = worker.time.saturating_sub(*before.get(&worker.id)?).as_micros();
                let had = passed * u128::from(worker.threads.max(1));
                (had > 0).then(|| (spent * 1000 / had).min(1000))
            })
            .collect();
        let count = u128::try_from(shares.len()).unwrap_or(u128::MAX);
        (count > 0).then(|| u64::try_from(shares.iter().sum::<u128>() / count).unwrap_or(u64::MAX))
    }

    fn backlog(&mut self, now: Duration, rules: Busyness, load: &Load, standing: Standing) -> i16 {
        if load.waiting == 0 {
            self.waiting_since = None;
            self.quiet += 1;
            if self.emergency > 0 && self.quiet > rules.backlog_multiplier {
                self.quiet = 0;
                self.emergency -= 1;
                return -1;
            }
            return 0;
        }
        self.quiet = 0;
        let since = *self.waiting_since.get_or_insert(now);
        let step = if load.waiting >= u64::from(rules.backlog_alert) {
            rules.backlog_step
        } else if now.saturating_sub(since) >= rules.backlog_nonzero {
            1
        } else {
            0
        };
        // Those on their way are the answer to what was seen before.
        if step == 0 || standing.starting > 0 {
            return 0;
        }
        self.waiting_since = Some(now);
        self.emergency = self.emergency.saturating_add(step);
        i16::try_from(step).unwrap_or(i16::MAX)
    }

    fn window(&mut self, average: u64, scaling: &Scaling, rules: Busyness, standing: Standing) -> i16 {
        let patience = rules.multiplier.saturating_add(self.penalties).clamp(1, MOST_WINDOWS);
        if let Some(windows) = &mut self.since_removal {
            *windows += 1;
            if *windows > patience {
                // It was not missed: the patience was long enough.
                self.since_removal = None;
                self.penalties = 0;
            }
        }
        if average > u64::from(rules.max) * 10 {
            self.low = 0;
            if self.since_removal.take().is_some() {
                self.penalties = self.penalties.saturating_add(rules.penalty).min(MOST_WINDOWS);
            }
            let step = i16::try_from(scaling.step.max(1)).unwrap_or(i16::MAX);
            return if standing.starting == 0 { step } else { 0 };
        }
        if average >= u64::from(rules.min) * 10 || standing.wanted <= scaling.least {
            self.low = 0;
            return 0;
        }
        self.low += 1;
        if self.low < patience {
            return 0;
        }
        self.low = 0;
        self.since_removal = Some(0);
        -1
    }
}
