//! uWSGI's metrics: the same figures as in the document, each under a name, a number and a type.
//!
//! What Margrave does not have (routed signals, offloading) is 0, as in an idle uWSGI.

use super::report::{Report, WorkerReport};
use serde::{Serialize, Serializer};

/// What a value is, in uWSGI's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// Counted anew at each worker's start.
    Absolute = 2,
    /// Another metric under another name.
    Alias = 3,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `worker.1.requests`
    pub name: String,
    /// `3.1.1`
    pub oid: String,
    /// Its type.
    pub kind: Kind,
    /// Its value.
    pub value: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(rename = "type")]
    kind: u32,
    oid: &'a str,
    value: u64,
}

/// Writes metrics as an object by name, in their order.
///
/// # Errors
/// Those of the serializer.
pub fn as_object<S: Serializer>(metrics: &Option<Vec<Metric>>, serializer: S) -> Result<S::Ok, S::Error> {
    let metrics = metrics.as_deref().unwrap_or_default();
    serializer.collect_map(metrics.iter().map(|metric| {
        let shown = Shown { kind: metric.kind as u32, oid: &metric.oid, value: metric.value };
        (&metric.name, shown)
    }))
}

/// All metrics, in uWSGI's order.
#[must_use]
pub fn collect(report: &Report<'_>, cores: bool) -> Vec<Metric> {
    let mut list = List(Vec::new());
    let workers = &report.workers;
    let busy = |status| workers.iter().filter(|worker| worker.status == status).count() as u64;
    list.push("core.routed_signals", "5.1", Kind::Counter, 0);
    list.push("core.unrouted_signals", "5.2", Kind::Counter, 0);
    list.push("core.busy_workers", "5.3", Kind::Gauge, busy("busy"));
    list.push("core.idle_workers", "5.4", Kind::Gauge, busy("idle"));
    list.push("core.overloaded", "5.5", Kind::Counter, 0);
    // The master, which answers no requests.
    list.worker(&WorkerReport::default(), false);
    for worker in workers {
        list.worker(worker, cores);
    }
    let sum = |value: fn(&WorkerReport<'_>) -> u64| workers.iter().map(value).sum::<u64>();
    let (running, requests) = (sum(|worker| worker.running_time), sum(|worker| worker.requests));
    list.push("core.total_tx", "5.100", Kind::Counter, sum(|worker| worker.tx));
    list.push("core.total_rss", "5.101", Kind::Gauge, sum(|worker| worker.rss));
    list.push("core.total_vsz", "5.102", Kind::Gauge, sum(|worker| worker.vsz));
    list.push("core.avg_response_time", "5.103", Kind::Gauge, running.checked_div(requests).unwrap_or(0));
    list.push("core.total_running_time", "5.104", Kind::Counter, running);
    for (number, socket) in report.sockets.iter().enumerate() {
        let (name, oid) = (format!("socket.{number}.listen_queue"), format!("7.{number}.1"));
        list.push(&name, &oid, Kind::Gauge, socket.queue.into());
    }
    list.push("rss_size", "5.101", Kind::Alias, sum(|worker| worker.rss));
    list.push("vsz_size", "5.102", Kind::Alias, sum(|worker| worker.vsz));
    list.0
}

struct List(Vec<Metric>);

impl List {
    fn push(&mut self, name: &str, oid: &str, kind: Kind, value: u64) {
        self.0.push(Metric { name: name.to_owned(), oid: oid.to_owned(), kind, value });
    }

    fn worker(&mut self, worker: &WorkerReport<'_>, cores: bool) {
        let id = worker.id;
        let mut push = |name: &str, number: u32, kind, value| {
            self.push(&format!("worker.{id}.{name}"), &format!("3.{id}.{number}"), kind, value);
        };
        push("requests", 1, Kind::Counter, worker.requests);
        push("delta_requests", 2, Kind::Absolute, worker.delta_requests);
        push("failed_requests", 13, Kind::Counter, worker.exceptions);
        push("respawns", 14, Kind::Counter, worker.respawn_count.into());
        push("avg_response_time", 8, Kind::Gauge, worker.avg_rt);
        push("total_tx", 9, Kind::Counter, worker.tx);
        push("rss_size", 11, Kind::Gauge, worker.rss);
        push("vsz_size", 12, Kind::Gauge, worker.vsz);
        push("running_time", 13, Kind::Counter, worker.running_time);
        for core in worker.cores.iter().flatten().filter(|_| cores) {
            let at = core.id;
            let mut push = |name: &str, number: u32, value| {
                let oid = format!("3.{id}.2.{at}.{number}");
                self.push(&format!("worker.{id}.core.{at}.{name}"), &oid, Kind::Counter, value);
            };
            push("requests", 1, core.requests);
            push("write_errors", 3, core.write_errors);
            push("routed_requests", 4, core.routed_requests);
            push("static_requests", 5, core.static_requests);
            push("offloaded_requests", 6, core.offloaded_requests);
            push("exceptions", 7, 0);
            push("read_errors", 8, core.read_errors);
        }
    }
}
