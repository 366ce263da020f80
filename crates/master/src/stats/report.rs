//! The document of the stats server, with the names and the order of uWSGI's, which existing tools read.
//!
//! What Margrave does not have (signal queues, modifiers, async switches) is 0, as in an idle uWSGI.

use super::metrics::{self, Metric};
use crate::generation::{Generation, Tally, Worker};
use margrave_lifecycle::message::ForkId;
use margrave_stats::scoreboard::{Counter, Slot, ThreadWord};
use margrave_sys::{clock, process};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What the document is made from.
#[derive(Debug)]
pub struct View<'a> {
    /// The generation that serves.
    pub generation: &'a Generation,
    /// All generations.
    pub generations: &'a BTreeMap<u32, Generation>,
    /// Its number.
    pub number: u32,
    /// All worker processes.
    pub workers: &'a BTreeMap<ForkId, Worker>,
    /// Programs that run beside the workers.
    pub daemons: Vec<DaemonReport>,
    /// Commands that run at times.
    pub crons: Vec<CronReport>,
}

/// A program that runs beside the workers.
#[derive(Clone, Debug, Serialize)]
pub struct DaemonReport {
    /// The command.
    pub cmd: String,
    /// Its process; 0 when it does not run.
    pub pid: i32,
    /// How often it was started again.
    pub respawns: u64,
}

/// A command that runs at times; -1 is any, -N every N.
#[derive(Clone, Debug, Serialize)]
pub struct CronReport {
    pub minute: i32,
    pub hour: i32,
    pub day: i32,
    pub month: i32,
    pub week: i32,
    pub command: String,
    pub unique: u32,
    pub legion: String,
    pub pid: i32,
    pub started_at: u64,
}

/// The document.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    version: &'static str,
    listen_queue: u32,
    listen_queue_errors: u32,
    signal_queue: u32,
    load: u32,
    pid: i32,
    uid: u32,
    gid: u32,
    cwd: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    daemons: Vec<DaemonReport>,
    locks: Vec<BTreeMap<String, i32>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "metrics::as_object")]
    metrics: Option<Vec<Metric>>,
    pub(super) sockets: Vec<SocketReport<'a>>,
    pub(super) workers: Vec<WorkerReport<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crons: Vec<CronReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct SocketReport<'a> {
    pub(super) name: &'a str,
    proto: &'static str,
    pub(super) queue: u32,
    pub(super) max_queue: u32,
    shared: u32,
    can_offload: u32,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct WorkerReport<'a> {
    pub(super) id: u16,
    pid: i32,
    accepting: u32,
    pub(super) requests: u64,
    pub(super) delta_requests: u64,
    pub(super) exceptions: u64,
    pub(super) harakiri_count: u32,
    signals: u32,
    signal_queue: u32,
    pub(super) status: &'static str,
    pub(super) rss: u64,
    pub(super) vsz: u64,
    pub(super) running_time: u64,
    last_spawn: u64,
    pub(super) respawn_count: u32,
    pub(super) tx: u64,
    pub(super) avg_rt: u64,
    apps: Vec<AppReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cores: Option<Vec<CoreReport>>,
    #[serde(skip)]
    pub(super) connections: u64,
    #[serde(skip)]
    pub(super) in_flight: u64,
}

#[derive(Debug, Serialize)]
struct AppReport<'a> {
    id: usize,
    modifier1: u32,
    mountpoint: &'a str,
    startup_time: u32,
    requests: u64,
    exceptions: u64,
    chdir: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct CoreReport {
    pub(super) id: usize,
    pub(super) requests: u64,
    pub(super) static_requests: u64,
    pub(super) routed_requests: u64,
    pub(super) offloaded_requests: u64,
    pub(super) write_errors: u64,
    pub(super) read_errors: u64,
    in_request: u32,
    vars: Vec<String>,
    req_info: BTreeMap<&'static str, u64>,
}

impl<'a> Report<'a> {
    /// Looks at everything once.
    #[must_use]
    pub fn new(view: &View<'a>) -> Self {
        let sockets: Vec<SocketReport<'a>> = view
            .generation
            .listeners
            .iter()
            .map(|bound| {
                let (queue, max_queue) = margrave_sys::backlog::of(&bound.fd).unwrap_or_default();
                SocketReport {
                    name: &bound.address,
                    proto: bound.settings.protocol.name(),
                    queue,
                    max_queue,
                    shared: 0,
                    can_offload: 0,
                }
            })
            .collect();
        let queue = sockets.iter().map(|socket| socket.queue).max().unwrap_or(0);
        let (uid, gid) = process::user_and_group();
        let locks =
            (0..=view.generation.settings.process.locks).map(|number| [(format!("user {number}"), 0)].into());
        let settings = &view.generation.settings.stats;
        let mut report = Self {
            version: margrave_config::UWSGI_VERSION,
            listen_queue: queue,
            listen_queue_errors: 0,
            signal_queue: 0,
            load: queue,
            pid: process::id(),
            uid,
            gid,
            cwd: std::env::current_dir().unwrap_or_default().display().to_string(),
            daemons: view.daemons.clone(),
            locks: locks.collect(),
            metrics: None,
            sockets,
            workers: (1..=most_workers(view)).map(|id| worker(view, id)).collect(),
            crons: view.crons.clone(),
        };
        if settings.metrics && !settings.no_metrics {
            report.metrics = Some(metrics::collect(&report, !settings.metrics_no_cores));
        }
        report
    }

    /// The same without threads, as `stats-no-cores` wants it.
    #[must_use]
    pub fn without_cores(mut self) -> Self {
        self.workers.iter_mut().for_each(|worker| worker.cores = None);
        self
    }
}

/// The highest worker number: of the configuration, or of an operator who asked for more.
fn most_workers(view: &View<'_>) -> u16 {
    let running = view.workers.values().filter(|worker| worker.generation == view.number);
    let configured = view.generation.settings.process.workers.max(1);
    running.map(|worker| worker.worker).max().unwrap_or(0).max(configured)
}

/// The process that has a worker number now: the one that serves, else the latest.
fn occupant<'a>(view: &View<'a>, number: u16) -> Option<&'a Worker> {
    let seated = |worker: &&Worker| worker.generation == view.number && worker.worker == number;
    let mut list = view.workers.values().filter(seated);
    list.clone().find(|worker| worker.ready && !worker.leaving).or_else(|| list.next_back())
}

fn worker<'a>(view: &View<'a>, id: u16) -> WorkerReport<'a> {
    let process = occupant(view, id);
    let tally = view.generation.tallies.get(&id).copied().unwrap_or_default();
    let row = process.and_then(|worker| view.generation.scoreboard.slot(worker.slot));
    let count = |counter| row.as_ref().map_or(0, |row| row.counter(counter).load(Relaxed));
    let (delta, exceptions) = (count(Counter::Requests), tally.exceptions + count(Counter::Exceptions));
    let requests = tally.requests + delta;
    let running = tally.running + count(Counter::RunningMicros);
    let cores = row.as_ref().map(cores).unwrap_or_default();
    let pid = process.and_then(|worker| worker.pid).unwrap_or(0);
    let (rss, vsz) = process::memory_of(pid).unwrap_or_default();
    let accepting = process.is_some_and(|worker| worker.ready && !worker.leaving);
    let status = match process {
        None => "cheap",
        Some(_) if cores.iter().any(|core| core.in_request > 0) => "busy",
        Some(_) => "idle",
    };
    WorkerReport {
        id,
        pid,
        accepting: accepting.into(),
        requests,
        delta_requests: delta,
        exceptions,
        harakiri_count: tally.harakiri + u32::try_from(count(Counter::Overdue)).unwrap_or(u32::MAX),
        signals: 0,
        signal_queue: 0,
        status,
        rss,
        vsz,
        running_time: running,
        last_spawn: tally.last_spawn.as_secs(),
        respawn_count: tally.spawned,
        tx: tally.tx + count(Counter::TxBytes),
        avg_rt: running.checked_div(requests).unwrap_or(0),
        apps: apps(view, &tally, delta, exceptions),
        cores: Some(cores),
        connections: count(Counter::Connections),
        in_flight: count(Counter::InFlight),
    }
}

fn apps<'a>(view: &View<'a>, _tally: &Tally, requests: u64, exceptions: u64) -> Vec<AppReport<'a>> {
    let list = view.generation.loaded.as_ref().map_or(&[][..], |loaded| &loaded.apps);
    // Requests are counted by process; they can be told apart only where there is one application.
    let only = list.len() == 1;
    let apps = list.iter().enumerate().map(|(id, app)| AppReport {
        id,
        modifier1: 0,
        mountpoint: &app.mountpoint,
        startup_time: app.millis / 1000,
        requests: if only { requests } else { 0 },
        exceptions: if only { exceptions } else { 0 },
        chdir: "",
    });
    apps.collect()
}

fn cores(row: &Slot<'static>) -> Vec<CoreReport> {
    let started = clock::wall().saturating_sub(clock::monotonic());
    let core = |id| {
        let since = row.thread(id, ThreadWord::BusySince).load(Relaxed);
        let begun = started + Duration::from_micros(since);
        let req_info = (since > 0).then_some(("request_start", begun.as_secs()));
        let word = |word| row.thread(id, word).load(Relaxed);
        CoreReport {
            id,
            requests: word(ThreadWord::Requests),
            // Files are answered by no thread; the first one stands for the worker.
            static_requests: if id == 0 { row.counter(Counter::StaticRequests).load(Relaxed) } else { 0 },
            routed_requests: 0,
            offloaded_requests: 0,
            write_errors: word(ThreadWord::WriteErrors),
            read_errors: word(ThreadWord::ReadErrors),
            in_request: (since > 0).into(),
            vars: if since > 0 { vars(row, id) } else { Vec::new() },
            req_info: req_info.into_iter().collect(),
        }
    };
    (0..row.threads()).map(core).collect()
}

/// What is known of the request of a thread, in uWSGI's form.
fn vars(row: &Slot<'static>, thread: usize) -> Vec<String> {
    let names = ["REQUEST_METHOD", "REMOTE_ADDR", "REQUEST_URI"];
    let texts = row.description(thread);
    names
        .iter()
        .zip(texts)
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| format!("{name}={text}"))
        .collect()
}
