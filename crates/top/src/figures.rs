//! What changes between two documents: rates, shares of time, quantiles of the interval.

use margrave_control::status::{current_requests, list, number, word};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Points of the curve of requests a second that are kept.
const HISTORY: usize = 240;

/// One look at an instance, and what has happened since the one before.
#[derive(Clone, Debug)]
pub struct Figures {
    document: Value,
    before: Option<(Value, Duration)>,
    /// Requests a second, the latest last.
    pub history: Vec<u64>,
}

/// A worker's row.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    /// Its number.
    pub id: u64,
    /// Its process.
    pub pid: u64,
    /// `idle`, `busy`, `cheap` …
    pub state: String,
    /// Requests so far.
    pub requests: u64,
    /// Requests a second.
    pub rate: f64,
    /// Share of its threads' time spent in requests, from 0.
    pub busy: f64,
    /// Exceptions so far.
    pub exceptions: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Processes that have had its number.
    pub spawns: u64,
}

/// Quantiles of a measure, microseconds; `None` when nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of all is below.
    pub half: Option<u64>,
    /// 95 of 100 are below.
    pub most: Option<u64>,
    /// 99 of 100 are below.
    pub nearly_all: Option<u64>,
}

impl Figures {
    /// The first look.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self { document, before: None, history: Vec::new() }
    }

    /// The next look, so much later.
    #[must_use]
    pub fn next(self, document: Value, passed: Duration) -> Self {
        let mut next = Self { document, before: Some((self.document, passed)), history: self.history };
        let rate = next.rate().round();
        next.history.push(if rate > 0.0 { rate as u64 } else { 0 });
        let excess = next.history.len().saturating_sub(HISTORY);
        next.history.drain(..excess);
        next
    }

    /// A text of the part `instance`.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        word(&self.document["instance"][name])
    }

    /// A number of the part `instance`.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        number(&self.document["instance"][name])
    }

    /// Process id of the master.
    #[must_use]
    pub fn pid(&self) -> u64 {
        number(&self.document["stats"]["pid"])
    }

    /// Connections that wait in the fullest backlog.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        number(&self.document["stats"]["listen_queue"])
    }

    /// Requests a second, of all workers.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let sum = |document: &Value| number(&document["totals"]["requests"]);
        self.per_second(sum(&self.document), self.before.as_ref().map(|(before, _)| sum(before)))
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        number(&self.document["totals"]["requests"])
    }

    fn per_second(&self, now: u64, before: Option<u64>) -> f64 {
        match (&self.before, before) {
            (Some((_, passed)), Some(before)) if !passed.is_zero() => {
                now.saturating_sub(before) as f64 / passed.as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// A row for each worker.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerRow> {
        let earlier: BTreeMap<u64, &Value> = match &self.before {
            Some((before, _)) => list(&before["stats"]["workers"])
                .iter()
                .map(|worker| (number(&worker["id"]), worker))
                .collect(),
            None => BTreeMap::new(),
        };
        let row = |worker: &Value| {
            let id = number(&worker["id"]);
            // A new process of that number has counted from the start.
            let before = earlier.get(&id).filter(|before| before["pid"] == worker["pid"]);
            let rate = |name: &str| {
                self.per_second(number(&worker[name]), before.map(|before| number(&before[name])))
            };
            let threads = list(&worker["cores"]).len().max(1) as f64;
            WorkerRow {
                id,
                pid: number(&worker["pid"]),
                state: word(&worker["status"]),
                requests: number(&worker["requests"]),
                rate: rate("requests"),
                busy: (rate("running_time") / 1e6 / threads).min(1.0),
                exceptions: number(&worker["exceptions"]),
                memory: number(&worker["rss"]),
                spawns: number(&worker["respawn_count"]),
            }
        };
        list(&self.document["stats"]["workers"]).iter().map(row).collect()
    }

    /// Quantiles of a measure in the last interval: `duration`, `queue` or `gil`.
    #[must_use]
    pub fn quantiles(&self, measure: &str) -> Quantiles {
        let of = |document: &Value| -> Vec<u64> {
            list(&document["histograms"][measure]).iter().map(number).collect()
        };
        let bounds: Vec<u64> = list(&self.document["histograms"]["bounds"]).iter().map(number).collect();
        let mut counts = of(&self.document);
        if let Some((before, _)) = &self.before {
            counts.iter_mut().zip(of(before)).for_each(|(now, before)| *now = now.saturating_sub(before));
        }
        let quantile = |share| quantile(&counts, &bounds, share);
        Quantiles { half: quantile(0.5), most: quantile(0.95), nearly_all: quantile(0.99) }
    }

    /// What the threads are doing.
    #[must_use]
    pub fn current(&self) -> Vec<(String, String)> {
        current_requests(&self.document["stats"]).collect()
    }
}

/// The bound of the bucket in which a share of all lies; the last bucket has that of the one before.
fn quantile(counts: &[u64], bounds: &[u64], share: f64) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    let wanted = (all as f64 * share).ceil().max(1.0);
    let mut below = 0;
    for (place, count) in counts.iter().enumerate() {
        below += count;
        if below as f64 >= wanted {
            return bounds.get(place).or(bounds.last()).copied();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(requests: u64, running: u64, pid: u64) -> Value {
        json!({
            "totals": {"requests": requests},
            "stats": {"workers": [{"id": 1, "pid": pid, "status": "busy", "requests": requests, "running_time": running, "cores": [{}, {}]}]},
            "histograms": {"bounds": [64, 128, 256], "duration": [requests, 0, 0, 0]},
        })
    }

    #[test]
    fn rates_are_those_of_the_interval() {
        let first = Figures::new(document(100, 0, 7));
        assert_eq!((first.rate(), first.workers()[0].rate), (0.0, 0.0));
        let next = first.next(document(300, 1_000_000, 7), Duration::from_secs(2));
        assert_eq!((next.rate(), next.history.as_slice()), (100.0, &[100][..]));
        let row = &next.workers()[0];
        assert_eq!((row.rate, row.busy), (100.0, 0.25));
        // Another process with that number: what it has counted says nothing about this interval.
        let after = next.next(document(5, 10, 8), Duration::from_secs(1));
        assert_eq!((after.workers()[0].rate, after.rate()), (0.0, 0.0));
    }

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let bounds = [64, 128, 256];
        for (counts, share, expected) in [
            (&[0, 0, 0, 0][..], 0.5, None),
            (&[1, 0, 0, 0], 0.5, Some(64)),
            (&[50, 49, 1, 0], 0.5, Some(64)),
            (&[50, 49, 1, 0], 0.95, Some(128)),
            (&[50, 49, 1, 0], 0.995, Some(256)),
            (&[0, 0, 0, 3], 0.5, Some(256)),
        ] {
            assert_eq!(quantile(counts, &bounds, share), expected, "{counts:?} {share}");
        }
    }
}
