//! The running master: waits for events, tells the supervisor what happened, performs what it decides.

use crate::daemon::Promise;
use crate::error::StartError;
use crate::event::{Event, Source};
use crate::generation::{Generation, Loaded, Plan, Worker, policy};
use crate::listeners::{Bound, Listeners};
use crate::locks::Locks;
use crate::log::{Collector, Log};
use crate::pidfile::Pidfile;
use crate::restart;
use crate::scoreboard::Scoreboards;
use crate::stats::{Report, StatsServer, View};
use crate::summary;
use crate::touch::Touch;
use crate::{Reload, Reloaded};
use margrave_config::Settings;
use margrave_lifecycle::message::{
    ForkId, FromWorker, FromZygote, MAX_MESSAGE, ToWorker, ToZygote, decode, encode,
};
use margrave_lifecycle::supervisor::{self, Command, Ended, Level, Notice, Reason, Supervisor};
use margrave_sys::channel::Channel;
use margrave_sys::clock::{monotonic, wall};
use margrave_sys::notify::Notifier;
use margrave_sys::poller::{Events, Poller};
use margrave_sys::process::{self, Ending, Signal};
use margrave_sys::signal::{Received, Signals};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// How often files, limits and deadlines are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The same, when workers are to be recycled after a number of requests.
const CLOSE_LOOK: Duration = Duration::from_millis(200);

/// Time in which a zygote reports the end of a worker that is known to have ended.
const REPORT_GRACE: Duration = Duration::from_secs(1);

/// Time that descendants of the application get to end after the instance has.
const STRAY_GRACE: Duration = Duration::from_millis(500);

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
    /// The blocked signals.
    pub signals: Signals,
    /// Bound sockets.
    pub listeners: Listeners,
    /// The sockets of the first generation, until it has them.
    pub bound: Vec<Rc<Bound>>,
    /// Pidfiles written so far.
    pub pidfiles: Vec<Pidfile>,
    /// Told when the instance serves.
    pub promise: Promise,
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
    touch: Touch,
    reloads: u32,
    started: Duration,
    next_look: Duration,
    /// What the supervisor has yet to hear.
    queue: VecDeque<supervisor::Event>,
    buffer: Vec<u8>,
    exit: Option<(i32, Option<String>)>,
}

impl Instance {
    /// Prepares the loop; starts nothing yet.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new(parts: Parts) -> Result<Self, StartError> {
        process::adopt_orphans().map_err(StartError::system("become the reaper of orphans"))?;
        let poller = Poller::new().map_err(StartError::system("make an epoll instance"))?;
        poller
            .add_readable(&parts.signals, Source::Signals.token())
            .map_err(StartError::system("watch for signals"))?;
        if let Some(collector) = &parts.collector {
            let added = poller.add_readable(collector, Source::Log.token());
            added.map_err(StartError::system("watch the log pipe"))?;
        }
        if let Some(stats) = &parts.stats {
            stats.watch(&poller)?;
        }
        let liveness = process::pipe().map_err(StartError::system("make a pipe"))?;
        let touch = Touch::new(&parts.settings.process.touch_reload);
        let seed = u64::try_from(wall().as_micros()).unwrap_or(1);
        Ok(Self {
            parts,
            supervisor: Supervisor::new(seed),
            poller,
            liveness,
            generations: BTreeMap::new(),
            workers: BTreeMap::new(),
            scoreboards: Scoreboards::default(),
            locks: Locks::default(),
            touch,
            reloads: 0,
            started: monotonic(),
            next_look: monotonic() + LOOK,
            queue: VecDeque::new(),
            buffer: vec![0; MAX_MESSAGE],
            exit: None,
        })
    }

    /// Runs until the instance has ended; its exit code.
    pub fn run(mut self) -> i32 {
        self.tell(supervisor::Event::Start(policy(&self.parts.settings)));
        let mut events = Events::with_capacity(64);
        let (code, reason) = loop {
            if let Some(exit) = self.exit.take() {
                break exit;
            }
            let now = monotonic();
            let wake = self.supervisor.poll_timeout().map_or(self.next_look, |at| at.min(self.next_look));
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
            if now >= self.next_look || self.supervisor.poll_timeout().is_some_and(|at| now >= at) {
                self.handle(Event::Tick);
            }
        };
        self.end_strays();
        if let Some(collector) = &mut self.parts.collector {
            collector.finish(&self.parts.log);
        }
        let mut promise = std::mem::replace(&mut self.parts.promise, Promise::to_nobody());
        // Whoever waits finds nothing of ours left when it is told.
        drop(self);
        if let Some(reason) = reason {
            promise.broken(code, &reason);
        }
        code
    }

    /// Turns readiness into events.
    fn read(&mut self, source: Source) {
        match source {
            Source::Signals => {
                while let Some(signal) = self.parts.signals.next() {
                    self.handle(Event::Signal(signal));
                }
            }
            Source::Zygote(generation) => self.read_zygote(generation),
            Source::Worker(id) => self.read_worker(id),
            Source::Pidfd(id) => self.handle(Event::WorkerEnded(id)),
            Source::Log => self.handle(Event::Log),
            Source::Stats => self.handle(Event::Stats),
            Source::StatsClient(number) => self.handle(Event::StatsClient(number)),
        }
    }

    fn read_zygote(&mut self, generation: u32) {
        loop {
            let Some(known) = self.generations.get_mut(&generation) else { return };
            let event = match known.zygote.recv(&mut self.buffer) {
                Ok(Some((length, descriptors))) => match decode(&self.buffer[..length]) {
                    Ok(message) => Event::Zygote(generation, message, descriptors),
                    Err(error) => {
                        self.parts.log.say(Level::Error, &format!("a zygote sent nonsense: {error}"));
                        continue;
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                closed => {
                    known.booted.get_or_insert(closed.is_ok());
                    self.handle(Event::ZygoteClosed(generation));
                    return;
                }
            };
            self.handle(event);
        }
    }

    fn read_worker(&mut self, id: ForkId) {
        loop {
            let Some(channel) = self.workers.get(&id).and_then(|worker| worker.channel.as_ref()) else {
                return;
            };
            let event = match channel.recv(&mut self.buffer) {
                Ok(Some((length, _))) => match decode(&self.buffer[..length]) {
                    Ok(message) => Event::Worker(id, message),
                    Err(error) => {
                        self.parts.log.say(Level::Error, &format!("a worker sent nonsense: {error}"));
                        continue;
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(None) | Err(_) => {
                    self.handle(Event::WorkerClosed(id));
                    return;
                }
            };
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signal(signal),
            Event::Zygote(generation, message, descriptors) => self.zygote(generation, message, descriptors),
            Event::ZygoteClosed(generation) => {
                if let Some(known) = self.generations.get(&generation) {
                    let _ = self.poller.delete(&known.zygote);
                }
            }
            Event::Worker(id, message) => self.worker(id, message),
            Event::WorkerClosed(id) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && let Some(channel) = worker.channel.take()
                {
                    let _ = self.poller.delete(&channel);
                }
            }
            Event::WorkerEnded(id) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.ended = Some(monotonic());
                    if let Some(pidfd) = &worker.pidfd {
                        let _ = self.poller.delete(pidfd);
                    }
                    self.next_look = self.next_look.min(monotonic() + REPORT_GRACE);
                }
            }
            Event::Reaped(pid, ending) => self.reaped(pid, ending),
            Event::Log => {
                if let Some(collector) = &mut self.parts.collector {
                    collector.drain(&self.parts.log);
                }
            }
            Event::Stats => self.answer_stats(),
            Event::StatsClient(number) => {
                if let Some(stats) = &mut self.parts.stats {
                    stats.proceed(number);
                }
            }
            Event::Tick => self.tick(),
        }
    }

    fn signal(&mut self, signal: Received) {
        match signal {
            Received::Terminate if self.parts.settings.process.term_reloads => self.reload("SIGTERM"),
            Received::Terminate | Received::Stop => self.tell(supervisor::Event::Stop),
            Received::Interrupt | Received::Quit => self.tell(supervisor::Event::Halt),
            Received::Hangup => self.reload("SIGHUP"),
            Received::Child => {
                while let Some((pid, ending)) = process::reap() {
                    self.handle(Event::Reaped(pid, ending));
                }
            }
            Received::User1 => self.ignore("SIGUSR1"),
            Received::User2 => self.ignore("SIGUSR2"),
            Received::Pause => self.ignore("SIGTSTP"),
        }
    }

    fn ignore(&self, name: &str) {
        self.parts.log.say(Level::Info, &format!("{name} has no meaning yet and is ignored"));
    }

    /// Reads the configuration again; one that cannot be used changes nothing.
    fn reload(&mut self, cause: &str) {
        self.parts.log.say(Level::Info, &format!("reload: asked for by {cause}"));
        match self.parts.reload.read() {
            Ok(Reloaded { settings, warnings }) => {
                for warning in warnings {
                    self.parts.log.write(&warning);
                }
                let fixed = restart::options(&self.parts.settings, &settings);
                if !fixed.is_empty() {
                    let text = format!(
                        "reload: a change of {} takes effect at the next start only",
                        fixed.join(", ")
                    );
                    self.parts.log.say(Level::Warning, &text);
                }
                self.reloads += 1;
                self.parts.settings = Rc::new(settings);
                self.touch = Touch::new(&self.parts.settings.process.touch_reload);
                self.tell(supervisor::Event::Reload(policy(&self.parts.settings)));
            }
            Err(problem) => {
                self.parts.log.say(Level::Error, &problem);
                self.parts.log.say(
                    Level::Error,
                    "reload: the configuration cannot be used, the instance serves on with the old one",
                );
            }
        }
    }

    fn zygote(&mut self, generation: u32, message: FromZygote, descriptors: Vec<OwnedFd>) {
        match message {
            FromZygote::Ready { python, prefix, apps, warnings } => {
                for warning in warnings {
                    self.parts.log.say(Level::Warning, &warning);
                }
                if let Some(known) = self.generations.get_mut(&generation) {
                    known.loaded = Some(Loaded { python, prefix, apps });
                }
                self.introduce(generation);
                self.tell(supervisor::Event::ZygoteReady(generation));
            }
            FromZygote::LoadFailed(failure) => {
                self.tell(supervisor::Event::LoadFailed { generation, message: failure.message });
            }
            FromZygote::Forked { id, pid } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.pid = Some(pid);
                    worker.pidfd = descriptors.into_iter().next();
                    if let Some(pidfd) = &worker.pidfd {
                        let _ = self.poller.add_readable(pidfd, Source::Pidfd(id).token());
                    }
                    self.tell(supervisor::Event::Forked { id, pid });
                } else {
                    // The supervisor has given it up; nobody would ever ask it to end.
                    descriptors.iter().for_each(process::kill_by_pidfd);
                }
            }
            FromZygote::ForkFailed { id, errno } => {
                self.workers.remove(&id);
                self.tell(supervisor::Event::ForkFailed { id, errno });
            }
            FromZygote::Exited { id, status, .. } => self.worker_gone(id, ended(Ending::from_raw(status))),
        }
    }

    fn worker(&mut self, id: ForkId, message: FromWorker) {
        match message {
            FromWorker::Ready { apps } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.ready = true;
                    let generation = self.generations.get_mut(&worker.generation);
                    if let Some(loaded) = generation.and_then(|known| known.loaded.as_mut())
                        && loaded.apps.is_empty()
                    {
                        loaded.apps = apps;
                    }
                }
                self.tell(supervisor::Event::WorkerReady(id));
            }
            FromWorker::LoadFailed(failure) => {
                self.tell(supervisor::Event::WorkerLoadFailed { id, message: failure.message });
            }
        }
    }

    fn worker_gone(&mut self, id: ForkId, ended: Ended) {
        // Its last words may still wait in its channel.
        self.read_worker(id);
        if let Some(worker) = self.workers.remove(&id) {
            self.count_gone(&worker);
        }
        self.tell(supervisor::Event::WorkerExited { id, ended });
    }

    /// Moves the counters of a process that has gone to its worker number.
    fn count_gone(&mut self, worker: &Worker) {
        use margrave_stats::scoreboard::Counter;
        use std::sync::atomic::Ordering::Relaxed;
        let Some(generation) = self.generations.get_mut(&worker.generation) else { return };
        let Some(row) = generation.scoreboard.slot(worker.slot) else { return };
        let tally = generation.tallies.entry(worker.worker).or_default();
        let count = |counter| row.counter(counter).load(Relaxed);
        tally.requests += count(Counter::Requests);
        tally.exceptions += count(Counter::Exceptions);
        tally.tx += count(Counter::TxBytes);
        tally.running += count(Counter::RunningMicros);
        row.clear();
    }

    fn reaped(&mut self, pid: i32, ending: Ending) {
        let zygote = self.generations.iter().find(|(_, known)| known.zygote_pid == Some(pid));
        if let Some(generation) = zygote.map(|(number, _)| *number) {
            self.zygote_reaped(generation, ending);
            return;
        }
        // A worker whose zygote has gone before it; anything else is a descendant that its parent left behind.
        let worker = self.workers.iter().find(|(_, worker)| worker.pid == Some(pid));
        if let Some(id) = worker.map(|(id, _)| *id) {
            self.worker_gone(id, ended(ending));
        }
    }

    fn zygote_reaped(&mut self, generation: u32, ending: Ending) {
        // Everything it said before it ended counts.
        self.read_zygote(generation);
        let Some(known) = self.generations.get_mut(&generation) else { return };
        known.zygote_pid = None;
        let _ = self.poller.delete(&known.zygote);
        let how = match ending {
            Ending::Exited(code) => format!("exited with code {code}"),
            Ending::Signaled(number) => format!("was ended by {}", margrave_sys::signal::name(number)),
        };
        let why = match (ending, known.booted) {
            _ if known.loaded.is_some() => how,
            (_, Some(true)) => {
                let message = format!("the process {how} while it loaded the application");
                self.queue.push_back(supervisor::Event::LoadFailed { generation, message: message.clone() });
                message
            }
            (Ending::Exited(code), _) => known.interpreter.explain(code),
            (Ending::Signaled(_), _) => {
                format!("the interpreter {} {how} before it ran anything", known.interpreter.path.display())
            }
        };
        // Whom it forked without a word cannot be told apart from a stranger; its closed channel tells it to go.
        self.workers.retain(|_, worker| worker.generation != generation || worker.pid.is_some());
        self.tell(supervisor::Event::ZygoteGone { generation, why });
    }

    fn tick(&mut self) {
        let now = monotonic();
        if now < self.next_look {
            self.tell(supervisor::Event::Timeout);
            return;
        }
        let close = self.parts.settings.process.max_requests.is_some();
        self.next_look = now + if close { CLOSE_LOOK } else { LOOK };
        if !self.supervisor.is_stopping()
            && let Some(path) = self.touch.changed()
        {
            self.reload(&format!("a touch of {}", path.display()));
        }
        let lost: Vec<ForkId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.ended.is_some_and(|since| now - since >= REPORT_GRACE))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.worker_gone(id, Ended::Unknown);
        }
        if let Some(stats) = &mut self.parts.stats {
            stats.expire(now);
        }
        self.look_at_workers(now);
        self.tell(supervisor::Event::Timeout);
    }

    fn answer_stats(&mut self) {
        // Before anything serves, clients wait in the backlog.
        let live = self.supervisor.live().and_then(|number| Some((number, self.generations.get(&number)?)));
        if let (Some(stats), Some((number, generation))) = (&mut self.parts.stats, live) {
            let view = View { generation, number, workers: &self.workers };
            stats.accept(&self.poller, &Report::new(&view), monotonic());
        }
    }

    fn look_at_workers(&mut self, now: Duration) {
        let mut samples = Vec::new();
        for (id, worker) in self.workers.iter().filter(|(_, worker)| worker.ready) {
            let Some(generation) = self.generations.get(&worker.generation) else { continue };
            let process = &generation.settings.process;
            let mut sample = generation.scoreboard.sample(worker.slot, process.harakiri, now);
            if process.reload_on_rss.is_some() || process.reload_on_as.is_some() {
                let memory = worker.pid.and_then(process::memory_of);
                sample.resident = memory.map(|(resident, _)| resident);
                sample.address_space = memory.map(|(_, space)| space);
            }
            samples.push((*id, sample));
        }
        for (id, sample) in samples {
            self.tell(supervisor::Event::Sample(id, sample));
        }
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

    fn perform(&mut self, command: Command) {
        match command {
            Command::SpawnZygote { generation, like } => self.spawn_zygote(generation, like),
            Command::Fork { generation, id, worker, slot, respawn } => {
                if let Err(error) = self.fork(generation, id, worker, slot, respawn) {
                    self.workers.remove(&id);
                    let errno = error.raw_os_error().unwrap_or(0);
                    self.queue.push_back(supervisor::Event::ForkFailed { id, errno });
                }
            }
            Command::Drain { id, heir, mercy } => {
                let mercy_ms = u64::try_from(mercy.as_millis()).unwrap_or(u64::MAX);
                let adoption = heir.and_then(|heir| self.generations.get(&heir)).map(|heir| &heir.adoption);
                let message = ToWorker::Drain { mercy_ms, adopt: adoption.is_some() };
                let descriptors: Vec<BorrowedFd<'_>> = adoption.into_iter().map(Channel::as_fd).collect();
                if let Some(worker) = self.workers.get(&id) {
                    // A whole generation leaves: a connection passed to it by an even older one would be lost.
                    if let Some(own) = self.generations.get(&worker.generation)
                        && heir != Some(worker.generation)
                    {
                        own.adoption.end_sending();
                    }
                    send(worker, &message, &descriptors);
                }
                self.mark_leaving(id);
            }
            Command::StopWorker(id) => {
                if let Some(worker) = self.workers.get(&id) {
                    send(worker, &ToWorker::Stop, &[]);
                }
                self.mark_leaving(id);
            }
            Command::KillWorker(id) => match self.workers.get(&id) {
                Some(Worker { pidfd: Some(pidfd), .. }) => process::kill_by_pidfd(pidfd),
                Some(Worker { pid: Some(pid), .. }) => process::kill(*pid, Signal::KILL),
                _ => {}
            },
            Command::RetireZygote(generation) => {
                if let (Some(known), Ok(packet)) =
                    (self.generations.get(&generation), encode(&ToZygote::Retire))
                {
                    // One that cannot be told is one that does not read, and is killed at its deadline.
                    let _ = known.zygote.send(&packet, &[]);
                }
            }
            Command::KillZygote(generation) => {
                if let Some(pid) = self.generations.get(&generation).and_then(|known| known.zygote_pid) {
                    process::kill(pid, Signal::KILL);
                }
            }
            Command::Serving(_) => self.serving(),
            Command::CloseGeneration(generation) => {
                if let Some(gone) = self.generations.remove(&generation) {
                    self.workers.retain(|_, worker| worker.generation != generation);
                    self.scoreboards.put_back(gone.scoreboard);
                }
            }
            Command::Note(notice) => self.note(&notice),
            Command::Exit { code, reason } => self.exit = Some((code, reason)),
        }
    }

    fn note(&mut self, notice: &Notice) {
        let overdue = match notice {
            Notice::Overdue { worker, .. } | Notice::Recycling { worker, reason: Reason::Overdue(_), .. } => {
                Some(worker)
            }
            _ => None,
        };
        if let Some(worker) = overdue
            && let Some(live) = self.supervisor.live().and_then(|live| self.generations.get_mut(&live))
        {
            live.tallies.entry(*worker).or_default().harakiri += 1;
        }
        let text = notice.to_string();
        match notice {
            Notice::ReloadStarted { .. } => {
                let now = monotonic().as_micros();
                self.parts.notifier.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS={text}"));
            }
            Notice::ReloadDone { .. } | Notice::RolledBack { .. } => {
                self.parts.notifier.tell(&format!("READY=1\nSTATUS={text}"));
            }
            Notice::Stopping { .. } => self.parts.notifier.tell(&format!("STOPPING=1\nSTATUS={text}")),
            _ => {}
        }
        self.parts.log.say(notice.level(), &text);
    }

    fn mark_leaving(&mut self, id: ForkId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.leaving = true;
        }
    }

    fn spawn_zygote(&mut self, number: u32, like: Option<u32>) {
        let settings = like
            .and_then(|like| self.generations.get(&like))
            .map_or_else(|| Rc::clone(&self.parts.settings), |known| Rc::clone(&known.settings));
        let started =
            self.parts.listeners.resolve(&settings.listen, settings.host.vacuum).and_then(|listeners| {
                let locks = self.locks.at_least(usize::from(settings.process.locks) + 1);
                let plan = Plan {
                    number,
                    settings,
                    listeners,
                    liveness: self.liveness.0.as_fd(),
                    locks: locks.map_err(StartError::system("make shared memory"))?,
                    output: self.parts.collector.as_ref().map(Collector::write_end),
                    reloads: self.reloads,
                };
                Generation::start(plan, &mut self.scoreboards)
            });
        match started {
            Ok(generation) => {
                if let Err(error) =
                    self.poller.add_readable(&generation.zygote, Source::Zygote(number).token())
                {
                    self.parts.log.say(Level::Error, &format!("cannot watch the zygote: {error}"));
                }
                self.generations.insert(number, generation);
            }
            Err(error) => self
                .queue
                .push_back(supervisor::Event::ZygoteGone { generation: number, why: error.to_string() }),
        }
    }

    fn fork(&mut self, generation: u32, id: ForkId, worker: u16, slot: u16, respawn: u32) -> io::Result<()> {
        let known = self.generations.get_mut(&generation).ok_or(io::ErrorKind::NotFound)?;
        let (ours, theirs) = Channel::pair()?;
        ours.set_nonblocking()?;
        if let Some(row) = known.scoreboard.slot(slot) {
            row.clear();
        }
        let packet = encode(&ToZygote::Fork { id, worker, slot, respawn }).map_err(io::Error::other)?;
        known.zygote.send(&packet, &[theirs.as_fd()])?;
        self.poller.add_readable(&ours, Source::Worker(id).token())?;
        let tally = known.tallies.entry(worker).or_default();
        tally.spawned += 1;
        tally.last_spawn = wall();
        self.workers.insert(
            id,
            Worker {
                generation,
                worker,
                slot,
                channel: Some(ours),
                pid: None,
                pidfd: None,
                ended: None,
                ready: false,
                leaving: false,
            },
        );
        Ok(())
    }

    /// Shows the summary at the start, before the first request can be answered.
    fn introduce(&self, number: u32) {
        let Some(generation) = self.generations.get(&number).filter(|_| self.parts.promise.is_open()) else {
            return;
        };
        let about = summary::About {
            version: self.parts.version,
            stats: self.parts.stats.as_ref().map(StatsServer::address),
            colour: self.parts.log.is_terminal(),
        };
        for line in summary::text(generation, about).lines() {
            self.parts.log.write(line);
        }
    }

    fn serving(&mut self) {
        if self.parts.promise.is_open() {
            let took = monotonic().saturating_sub(self.started);
            self.parts.log.say(Level::Info, &format!("serves after {:.2} s", took.as_secs_f64()));
            self.parts.notifier.tell(&format!("READY=1\nMAINPID={}\nSTATUS=serves", process::id()));
            self.write_safe_pidfile();
            self.parts.promise.kept();
        }
        // From now on the generations keep the sockets alive.
        self.parts.bound.clear();
    }

    fn write_safe_pidfile(&mut self) {
        let host = &self.parts.settings.host;
        let Some(path) = &host.safe_pidfile else { return };
        match Pidfile::write("safe-pidfile", path, host.vacuum) {
            Ok(pidfile) => self.parts.pidfiles.push(pidfile),
            Err(error) => self.parts.log.say(Level::Error, &error.to_string()),
        }
    }

    /// Ends what the application's processes left behind in our process group: first asked, then killed.
    fn end_strays(&self) {
        let deadline = monotonic() + STRAY_GRACE;
        let mut signal = Signal::TERM;
        loop {
            while process::reap().is_some() {}
            let strays = process::children_of_our_group();
            if strays.is_empty() {
                return;
            }
            let late = monotonic() >= deadline;
            if late || signal == Signal::TERM {
                strays.iter().for_each(|pid| process::kill(*pid, if late { Signal::KILL } else { signal }));
            }
            signal = Signal::KILL;
            let mut events = Events::with_capacity(1);
            let _ = self.poller.wait(&mut events, Some(Duration::from_millis(50)));
            while self.parts.signals.next().is_some() {}
            if monotonic() >= deadline + STRAY_GRACE {
                return;
            }
        }
    }
}

fn send(worker: &Worker, message: &ToWorker, descriptors: &[BorrowedFd<'_>]) {
    if let (Some(channel), Ok(packet)) = (&worker.channel, encode(message)) {
        // One that cannot be told has ended, or is killed at its deadline.
        let _ = channel.send(&packet, descriptors);
    }
}

fn ended(ending: Ending) -> Ended {
    match ending {
        Ending::Exited(code) => Ended::Exit(code),
        Ending::Signaled(number) => Ended::Signal(number),
    }
}

/// Timers of the kernel end early by less than a millisecond; without this a deadline could be met twice.
fn round_up(wait: Duration) -> Duration {
    wait + Duration::from_millis(u64::from(!wait.is_zero()))
}
