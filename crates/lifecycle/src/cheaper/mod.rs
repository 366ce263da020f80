//! Cheaper: how many workers there should be, from one look a second at what they do.
//!
//! Algorithms are uWSGI's by name and meaning (`spare`, `spare2`, `backlog`, `busyness`, `manual`), each a small state
//! machine with a file of its own where it needs one; `latency` is new. Decides a number only: which worker goes, and
//! that nobody is counted twice while workers start, is the supervisor's affair.

mod busyness;
mod latency;
#[cfg(test)]
mod tests;

pub use busyness::Busyness;

use crate::message::ForkId;
use alloc::vec::Vec;
use core::time::Duration;

/// How the number of workers is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// More when nobody has been free for a while, fewer when several have.
    Spare,
    /// Keeps as many free workers as there are at least.
    Spare2,
    /// More while connections wait in the backlog, or requests for a thread.
    Backlog,
    /// Keeps the share of time that workers spend in requests between two bounds.
    Busyness(Busyness),
    /// Keeps the time that requests wait for a worker below this.
    Latency(Duration),
    /// Only orders change the number.
    Manual,
}

/// The rules of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// Fewest workers (`cheaper`).
    pub least: u16,
    /// Most workers (`processes`).
    pub most: u16,
    /// Workers at the start (`cheaper-initial`).
    pub initial: u16,
    /// Workers started at once (`cheaper-step`).
    pub step: u16,
    /// Looks before a change, or connections that wait (`cheaper-overload`).
    pub overload: u32,
    /// Looks without need before a worker goes (`cheaper-idle`).
    pub idle: u32,
    /// Bytes of all workers above which none is added (`cheaper-rss-limit-soft`).
    pub soft_limit: Option<u64>,
    /// Bytes of all workers above which one goes (`cheaper-rss-limit-hard`).
    pub hard_limit: Option<u64>,
    /// How it is chosen.
    pub algorithm: Algorithm,
}

/// What one worker does at the time of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerLoad {
    /// The worker.
    pub id: ForkId,
    /// None of its threads has a request.
    pub idle: bool,
    /// All of its threads have one.
    pub full: bool,
    /// Time that its threads have spent in requests since it was forked, the present ones included.
    pub time: Duration,
    /// Its threads.
    pub threads: u16,
}

/// What the workers that serve do, once a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Those that serve.
    pub workers: Vec<WorkerLoad>,
    /// Connections that wait in the longest backlog, and requests that workers have read and no thread is free for.
    pub waiting: u64,
    /// How long requests have waited for a worker since the last look, where that can be told.
    pub wait: Option<Duration>,
    /// Resident bytes of all workers, where they are looked at.
    pub resident: Option<u64>,
    /// Requests answered since the start of the generation.
    pub requests: u64,
}

impl Load {
    fn free(&self) -> usize {
        self.workers.iter().filter(|worker| !worker.full).count()
    }
}

/// Where the instance stands besides its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Workers that are wanted now.
    pub wanted: u16,
    /// Of these, how many do not serve yet.
    pub starting: u16,
}

/// Decides how many workers come or go.
#[derive(Clone, Debug)]
pub struct Scaler {
    rules: Scaling,
    over: u32,
    under: u32,
    busyness: busyness::State,
    latency: latency::State,
}

impl Scaler {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(rules: Scaling) -> Self {
        Self {
            rules,
            over: 0,
            under: 0,
            busyness: busyness::State::default(),
            latency: latency::State::default(),
        }
    }

    /// The rules it follows.
    #[must_use]
    pub fn rules(&self) -> &Scaling {
        &self.rules
    }

    /// A look at the load: how many workers more or, if negative, fewer, within the bounds of the rules.
    pub fn handle_look(&mut self, now: Duration, load: &Load, standing: Standing) -> i16 {
        let is_above =
            |limit: Option<u64>| load.resident.zip(limit).is_some_and(|(bytes, limit)| bytes >= limit);
        let wish = match self.rules.algorithm {
            Algorithm::Spare => self.spare(load, standing),
            Algorithm::Spare2 => self.spare2(load, standing),
            Algorithm::Backlog => self.backlog(load, standing),
            Algorithm::Busyness(rules) => self.busyness.look(now, &self.rules, rules, load, standing),
            Algorithm::Latency(target) => self.latency.look(&self.rules, target, load, standing),
            Algorithm::Manual => 0,
        };
        let wish = match wish {
            _ if is_above(self.rules.hard_limit) => -1,
            wish if wish > 0 && is_above(self.rules.soft_limit) => 0,
            wish => wish,
        };
        let (least, most) = (i32::from(self.rules.least), i32::from(self.rules.most));
        let wanted = i32::from(standing.wanted);
        // An order may have gone beyond the bounds; that is not taken back, only not driven on.
        let target = match wish {
            wish if wish > 0 => (wanted + i32::from(wish)).min(most).max(wanted),
            wish => (wanted + i32::from(wish)).max(least).min(wanted),
        };
        i16::try_from(target - wanted).unwrap_or(0)
    }

    /// What there is to tell of the last look (`cheaper-busyness-verbose`): per cent of the time that workers were busy.
    pub fn take_busyness(&mut self) -> Option<u64> {
        self.busyness.take_average()
    }

    fn step(&self) -> i16 {
        i16::try_from(self.rules.step.max(1)).unwrap_or(i16::MAX)
    }

    /// Whether a state that must last has lasted so many looks; counts again from there.
    fn lasts(count: &mut u32, looks: u32) -> bool {
        *count += 1;
        let reached = *count > looks;
        if reached {
            *count = 0;
        }
        reached
    }

    fn spare(&mut self, load: &Load, standing: Standing) -> i16 {
        let free = load.free() + usize::from(standing.starting);
        if free == 0 {
            self.under = 0;
            return if Self::lasts(&mut self.over, self.rules.overload) { self.step() } else { 0 };
        }
        self.over = 0;
        if free == 1 {
            // One in reserve is what this algorithm is after.
            self.under = 0;
            return 0;
        }
        if Self::lasts(&mut self.under, self.rules.overload) { -1 } else { 0 }
    }

    fn spare2(&mut self, load: &Load, standing: Standing) -> i16 {
        let free = load.free() + usize::from(standing.starting);
        let wanted = usize::from(self.rules.least);
        if free < wanted {
            self.under = 0;
            let missing = i16::try_from(wanted - free).unwrap_or(i16::MAX);
            return self.step().min(missing);
        }
        if free == wanted {
            self.under = 0;
            return 0;
        }
        if Self::lasts(&mut self.under, self.rules.idle) { -1 } else { 0 }
    }

    fn backlog(&mut self, load: &Load, standing: Standing) -> i16 {
        if load.waiting > u64::from(self.rules.overload) {
            self.under = 0;
            // Those on their way take what they can first.
            return if standing.starting == 0 { self.step() } else { 0 };
        }
        let quiet = load.waiting < u64::from(self.rules.overload.max(1)) && load.free() > 1;
        if !quiet {
            self.under = 0;
            return 0;
        }
        if Self::lasts(&mut self.under, self.rules.idle) { -1 } else { 0 }
    }
}
