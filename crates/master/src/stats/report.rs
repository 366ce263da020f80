//! The document of the stats server, with the names and the order of uWSGI's, which existing tools read.
//!
//! What Margrave does not have (signal queues, modifiers, async switches) is 0, as in an idle uWSGI.

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
    /// Its number.
    pub number: u32,
    /// All worker processes.
    pub workers: &'a BTreeMap<ForkId, Worker>,
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
    locks: Vec<BTreeMap<String, i32>>,
    sockets: Vec<SocketReport<'a>>,
    workers: Vec<WorkerReport<'a>>,
}

#[derive(Debug, Serialize)]
struct SocketReport<'a> {
    name: &'a str,
    proto: &'static str,
    queue: u32,
    max_queue: u32,
    shared: u32,
    can_offload: u32,
}

#[derive(Debug, Serialize)]
struct WorkerReport<'a> {
    id: u16,
    pid: i32,
    accepting: u32,
    requests: u64,
    delta_requests: u64,
    exceptions: u64,
    harakiri_count: u32,
    signals: u32,
    signal_queue: u32,
    status: &'static str,
    rss: u64,
    vsz: u64,
    running_time: u64,
    last_spawn: u64,
    respawn_count: u32,
    tx: u64,
    avg_rt: u64,
    apps: Vec<AppReport<'a>>,
    cores: Vec<CoreReport>,
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
struct CoreReport {
    id: usize,
    requests: u64,
    static_requests: u64,
    routed_requests: u64,
    offloaded_requests: u64,
    write_errors: u64,
    read_errors: u64,
    in_request: u32,
    vars: [(); 0],
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
        Self {
            version: margrave_config::UWSGI_VERSION,
            listen_queue: queue,
            listen_queue_errors: 0,
            signal_queue: 0,
            load: queue,
            pid: process::id(),
            uid,
            gid,
            cwd: std::env::current_dir().unwrap_or_default().display().to_string(),
            locks: locks.collect(),
            sockets,
            workers: (1..=view.generation.settings.process.workers.max(1))
                .map(|id| worker(view, id))
                .collect(),
        }
    }
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
        harakiri_count: tally.harakiri,
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
        cores,
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
        CoreReport {
            id,
            requests: row.thread(id, ThreadWord::Requests).load(Relaxed),
            static_requests: 0,
            routed_requests: 0,
            offloaded_requests: 0,
            write_errors: 0,
            read_errors: 0,
            in_request: (since > 0).into(),
            vars: [],
            req_info: req_info.into_iter().collect(),
        }
    };
    (0..row.threads()).map(core).collect()
}
