//! The running master: waits for events, tells the supervisor what happened, performs what it decides.
//!
//! A part of its work has a file each: `events` (what happens), `processes` (what zygotes and workers say), `look` (what
//! is due by time), `orders` (what operators want), `control` (how `margrave ctl` tells it), `figures` (how the
//! instance is), `reload`, `logs`, `perform` (what the supervisor decided), `bounds` (the
//! beginning and the end).

mod beside;
mod bounds;
mod control;
mod events;
mod figures;
mod inquiry;
mod logs;
mod look;
mod orders;
mod perform;
mod processes;
mod reload;
mod upgrade;

use crate::Reload;
use crate::beside::Beside;
use crate::check::Check;
use crate::control::ControlServer;
use crate::daemon::Promise;
use crate::error::StartError;
use crate::event::{Event, Source};
use crate::generation::{Generation, Worker, policy};
use crate::hold::Held;
use crate::hooks::Hooks;
use crate::inlets::{self, Descriptors, Fifos, FileWatch};
use crate::listeners::{Bound, Listeners};
use crate::load::Meter;
use crate::locks::Locks;
use crate::log::{Collector, Log};
use crate::pidfile::Pidfile;
use crate::scoreboard::Scoreboards;
use crate::stats::{Ledger, Pushers, StatsServer};
use crate::touch::Touch;
use crate::tracebacker::Tracebacker;
use crate::upgrade::{Predecessor, Successor};
use inquiry::Inquiry;
use margrave_config::Settings;
use margrave_lifecycle::message::{ForkId, MAX_MESSAGE};
use margrave_lifecycle::order::Order;
use margrave_lifecycle::supervisor::{self, Level, Policy, Supervisor};
use margrave_sys::clock::{monotonic, wall};
use margrave_sys::notify::Notifier;
use margrave_sys::poller::{Events, Poller, Waker};
use margrave_sys::process;
use margrave_sys::signal::Signals;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// How often files, limits and deadlines are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The same, when workers are to be recycled after a number of requests.
const CLOSE_LOOK: Duration = Duration::from_millis(200);

/// After so long without a command the start, or a reload, seems to be over.
const REST: Duration = Duration::from_millis(300);

/// Time in which a zygote reports the end of a worker that is known to have ended.
const REPORT_GRACE: Duration = Duration::from_secs(1);

/// Parts made before the instance runs.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub settings: Rc<Settings>,
    /// Reads it again.
    pub reload: Reload,
    /// Where the master writes.
    pub log: Log,
    /// Takes the lines of the other processes, if they pass through us.
    pub collector: Option<Collector>,
    /// The stats server, if there is one.
    pub stats: Option<StatsServer>,
    /// Takes the orders of `margrave ctl`.
    pub control: ControlServer,
    /// The blocked signals.
    pub signals: Signals,
    /// Bound sockets.
    pub listeners: Listeners,
    /// The sockets of the first generation, until it has them.
    pub bound: Vec<Rc<Bound>>,
    /// Pidfiles written so far.
    pub pidfiles: Vec<Pidfile>,
    /// Files that one instance holds at a time.
    pub held: Held,
    /// The master that this one replaces.
    pub predecessor: Option<Predecessor>,
    /// Told when the instance serves.
    pub promise: Promise,
    /// Hooks of the master.
    pub hooks: Hooks,
    /// Told what a service manager wants to know.
    pub notifier: Notifier,
    /// The version to show.
    pub version: &'static str,
}

/// The running master.
#[derive(Debug)]
pub struct Instance {
    parts: Parts,
    supervisor: Supervisor,
    poller: Poller,
    liveness: (OwnedFd, OwnedFd),
    generations: BTreeMap<u32, Generation>,
    workers: BTreeMap<ForkId, Worker>,
    scoreboards: Scoreboards,
    locks: Locks,
    touch: Touch<Order>,
    fifos: Fifos,
    descriptors: Descriptors,
    watch: FileWatch,
    tracebacker: Tracebacker,
    /// When there will have been nothing to do for a while, and pages of the executable can go.
    rests_at: Option<Duration>,
    /// Where this executable was at the start; another one may be there by now.
    executable: Option<PathBuf>,
    /// The master that is to replace this one.
    successor: Option<Successor>,
    /// The check that waits for its answer.
    check: Option<Check>,
    /// Listeners that are watched while there is no worker.
    awaited: Vec<Rc<Bound>>,
    inquiries: BTreeMap<u64, Inquiry>,
    next_ticket: u64,
    meter: Meter,
    /// When the load is looked at next.
    next_load: Duration,
    /// When memory is looked at next.
    next_memory: Duration,
    /// Programs and tasks beside the workers.
    beside: Beside,
    /// When the service manager wants to hear that all is well.
    next_heartbeat: Option<Duration>,
    /// One for each of `HookSettings::touched`.
    touched: Touch<usize>,
    reloads: u32,
    started: Duration,
    next_look: Duration,
    /// What the supervisor has yet to hear.
    queue: VecDeque<supervisor::Event>,
    buffer: Vec<u8>,
    exit: Option<(i32, Option<String>)>,
    /// Woken when standard error has become another file.
    moved: Waker,
    /// Why the instance ends badly although it was only told to stop: a hook failed.
    broken: Option<(i32, Option<String>)>,
    /// What processes that have gone had counted.
    ledger: Ledger,
    pushers: Pushers,
}

impl Instance {
    /// Prepares the loop; starts nothing yet.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new(parts: Parts) -> Result<Self, StartError> {
        process::adopt_orphans().map_err(StartError::system("become the reaper of orphans"))?;
        let poller = Poller::new().map_err(StartError::system("make an epoll instance"))?;
        let added = poller.add_readable(&parts.signals, Source::Signals.token());
        added.map_err(StartError::system("watch for signals"))?;
        if let Some(collector) = &parts.collector {
            let added = poller.add_readable(collector, Source::Log.token());
            added.map_err(StartError::system("watch the log pipe"))?;
        }
        if let Some(stats) = &parts.stats {
            stats.watch(&poller)?;
        }
        parts.control.watch(&poller).map_err(StartError::system("watch the control socket"))?;
        let moved = watch_log(&poller)?;
        let liveness = process::pipe().map_err(StartError::system("make a pipe"))?;
        let touched = beside::watch(&parts.settings.hooks);
        let touch = inlets::touches(&parts.settings);
        // What has a name is another master's until it lets go.
        let is_alone = parts.predecessor.is_none();
        let fifos = if is_alone { Fifos::open(&parts.settings, &poller)? } else { Fifos::default() };
        if let Some(predecessor) = &parts.predecessor {
            let added = poller.add_readable(predecessor, Source::Predecessor.token());
            added.map_err(StartError::system("watch the running master"))?;
        }
        let seed = u64::try_from(wall().as_micros()).unwrap_or(1);
        let tracebacker = match is_alone {
            true => Tracebacker::open(&parts.settings, &poller)?,
            false => Tracebacker::default(),
        };
        let mut instance = Self {
            pushers: Pushers::new(&parts.settings.stats),
            descriptors: Descriptors::new(&parts.settings, &poller)?,
            parts,
            supervisor: Supervisor::new(seed),
            poller,
            liveness,
            generations: BTreeMap::new(),
            workers: BTreeMap::new(),
            scoreboards: Scoreboards::default(),
            locks: Locks::default(),
            touch,
            fifos,
            watch: FileWatch::default(),
            tracebacker,
            rests_at: None,
            executable: std::env::current_exe().ok(),
            successor: None,
            check: None,
            awaited: Vec::new(),
            inquiries: BTreeMap::new(),
            next_ticket: 0,
            meter: Meter::default(),
            next_load: monotonic(),
            next_memory: monotonic(),
            touched,
            beside: Beside::default(),
            next_heartbeat: None,
            reloads: 0,
            started: monotonic(),
            next_look: monotonic() + LOOK,
            queue: VecDeque::new(),
            buffer: vec![0; MAX_MESSAGE],
            exit: None,
            broken: None,
            moved,
            ledger: Ledger::default(),
        };
        instance.watch_files();
        Ok(instance)
    }

    /// Runs until the instance has ended; its exit code.
    pub fn run(mut self) -> i32 {
        self.start_log();
        let beside = self.parts.predecessor.is_some();
        self.tell(supervisor::Event::Start(Policy { beside, ..policy(&self.parts.settings) }));
        let mut events = Events::with_capacity(64);
        let (code, reason) = loop {
            if let Some(exit) = self.exit.take() {
                break exit;
            }
            let now = monotonic();
            let wake = self.next_wake();
            if let Err(error) = self.poller.wait(&mut events, Some(round_up(wake.saturating_sub(now)))) {
                self.parts.log.say(Level::Error, &format!("cannot wait for events: {error}"));
                self.tell(supervisor::Event::Halt);
            }
            for ready in events.iter() {
                if let Some(source) = Source::from_token(ready.token) {
                    self.read(source);
                }
            }
            let now = monotonic();
            if now >= self.next_wake() {
                self.handle(Event::Tick);
            }
        };
        self.end_beside();
        self.end_hooks();
        self.end_strays();
        let code = self.stay_for_successor().unwrap_or(code);
        if let Some(collector) = &mut self.parts.collector {
            collector.finish(&self.parts.log);
        }
        self.parts.log.finish();
        let mut promise = std::mem::replace(&mut self.parts.promise, Promise::to_nobody());
        // Whoever waits finds nothing of ours left when it is told.
        drop(self);
        if let Some(reason) = reason {
            promise.broken(code, &reason);
        }
        code
    }

    /// When something is to be done though nothing happens.
    fn next_wake(&self) -> Duration {
        let timeouts = [
            self.supervisor.poll_timeout(),
            self.watch.poll_timeout(),
            self.beside.poll_timeout(),
            self.next_heartbeat,
            self.inquiry_timeout(),
            self.rests_at,
            self.check.as_ref().map(|check| check.deadline),
        ];
        timeouts.into_iter().flatten().fold(self.next_look, Duration::min)
    }

    /// Tells the supervisor, and performs what it decides, which may give it more to hear.
    fn tell(&mut self, event: supervisor::Event) {
        self.queue.push_back(event);
        let mut commands = Vec::new();
        while let Some(event) = self.queue.pop_front() {
            self.supervisor.handle(monotonic(), event, &mut commands);
            for command in commands.drain(..) {
                self.perform(command);
            }
        }
    }
}

/// Timers of the kernel end early by less than a millisecond; without this a deadline could be met twice.
fn round_up(wait: Duration) -> Duration {
    wait + Duration::from_millis(u64::from(!wait.is_zero()))
}

/// Woken when standard error has become another file.
fn watch_log(poller: &Poller) -> Result<Waker, StartError> {
    let moved = Waker::new().map_err(StartError::system("make an eventfd"))?;
    let added = poller.add_readable(&moved, Source::LogMoved.token());
    added.map_err(StartError::system("watch the log"))?;
    Ok(moved)
}
