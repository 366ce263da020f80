//! What the workers do, read from the scoreboard once a second, for cheaper and `idle`.

use crate::generation::{Generation, Worker};
use margrave_lifecycle::cheaper::{Load, WorkerLoad};
use margrave_lifecycle::message::ForkId;
use margrave_stats::scoreboard::{Counter, ThreadWord};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What lies between two looks.
#[derive(Debug, Default)]
pub struct Meter {
    /// Requests and connections that waited, summed over the glances since the last look.
    waiting: u64,
    glances: u64,
    /// When the last look was, and the requests answered until then.
    last: Option<(Duration, u64)>,
}

impl Meter {
    /// Notes how many wait now.
    pub fn glance(&mut self, generation: &Generation, workers: &Serving<'_>) {
        self.waiting += self.read(generation, workers).1;
        self.glances += 1;
    }

    /// The load since the last look.
    pub fn look(&mut self, now: Duration, generation: &Generation, workers: &Serving<'_>) -> Load {
        let (loads, waiting) = self.read(generation, workers);
        let rows = generation.scoreboard.slot(0);
        let requests = rows.map_or(0, |row| row.counter(Counter::Requests).load(Relaxed));
        let wait = self.wait(now, requests);
        self.last = Some((now, requests));
        (self.waiting, self.glances) = (0, 0);
        Load { workers: loads, waiting, wait, resident: None, requests }
    }

    /// By Little's law: as many as wait on the average, divided by how many are answered in a second.
    fn wait(&self, now: Duration, requests: u64) -> Option<Duration> {
        let (then, before) = self.last?;
        let passed = now.saturating_sub(then);
        let waiting = self.waiting as f64 / self.glances.max(1) as f64;
        let answered = requests.saturating_sub(before);
        if answered == 0 {
            // Nothing moves: they have waited since the last look at least.
            return Some(if waiting > 0.0 { passed } else { Duration::ZERO });
        }
        Some(passed.mul_f64(waiting / answered as f64))
    }

    /// What each worker does, and how many connections wait for a worker and requests in them for a thread.
    fn read(&self, generation: &Generation, workers: &Serving<'_>) -> (Vec<WorkerLoad>, u64) {
        let mut waiting = u64::from(backlog(generation));
        let loads = workers.iter().filter_map(|(id, worker)| {
            let row = generation.scoreboard.slot(worker.slot)?;
            let now = margrave_sys::clock::monotonic();
            let threads = row.threads();
            let since =
                |thread| Duration::from_micros(row.thread(thread, ThreadWord::BusySince).load(Relaxed));
            let busy: Vec<Duration> = (0..threads).map(since).filter(|since| !since.is_zero()).collect();
            let within: Duration = busy.iter().map(|since| now.saturating_sub(*since)).sum();
            let past = Duration::from_micros(row.counter(Counter::RunningMicros).load(Relaxed));
            waiting += row.queued();
            Some(WorkerLoad {
                id: **id,
                idle: busy.is_empty(),
                full: busy.len() >= threads,
                time: past + within,
                threads: u16::try_from(threads).unwrap_or(u16::MAX),
            })
        });
        (loads.collect(), waiting)
    }
}

/// The workers of a generation that serve.
pub type Serving<'a> = BTreeMap<&'a ForkId, &'a Worker>;

/// Connections that wait in the longest backlog.
pub fn backlog(generation: &Generation) -> u32 {
    margrave_sys::backlog::longest(generation.listeners.iter().map(|bound| &bound.fd))
}
