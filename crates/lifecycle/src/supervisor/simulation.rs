//! A seeded world of zygotes and workers in virtual time that misbehaves in every way we could think of.
//!
//! A life has some 300 steps of several events each; `SUPERVISOR_LIVES=20000` makes millions of them. `SUPERVISOR_SEED=n`
//! repeats one life; a failure prints its seed.

use super::{Command, Ended, Event, Policy, Reason, STOP_GRACE, Sample, Supervisor, ZYGOTE_GRACE};
use crate::cheaper::{Algorithm, Busyness, Load, Scaling, WorkerLoad};
use crate::message::ForkId;
use crate::order::Manner;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Seconds between the word that a stop is near and its beginning, where there is such a word.
const DRAIN_DELAY: u64 = 5;

/// How the world treats its processes; chances are in thousandths.
#[derive(Clone, Copy)]
struct Temper {
    /// A load fails.
    load_fails: u64,
    /// A zygote never becomes ready, or never answers.
    hangs: u64,
    /// A fork fails.
    fork_fails: u64,
    /// A worker dies before it is ready.
    dies_early: u64,
    /// A worker ignores what it is asked.
    stubborn: u64,
    /// Something that serves is killed, per step.
    killings: u64,
    /// A reload is asked for, per step.
    reloads: u64,
    /// A worker reaches a limit, per step.
    limits: u64,
    /// Somebody gives another order, per step.
    orders: u64,
    /// Time jumps ahead, as after a suspended machine, per step.
    jumps: u64,
}

const CALM: Temper = Temper {
    load_fails: 150,
    hangs: 30,
    fork_fails: 0,
    dies_early: 50,
    stubborn: 100,
    killings: 0,
    reloads: 60,
    limits: 150,
    orders: 100,
    jumps: 2,
};

const CHAOS: Temper = Temper {
    load_fails: 100,
    hangs: 50,
    fork_fails: 100,
    dies_early: 100,
    stubborn: 200,
    killings: 150,
    reloads: 60,
    limits: 100,
    orders: 100,
    jumps: 5,
};

struct Zygote {
    alive: bool,
    ready: bool,
    hung: bool,
    retired: bool,
    reaped: bool,
}

struct Worker {
    generation: u32,
    born: bool,
    ready: bool,
    leaving: bool,
    paused: bool,
    shut: bool,
}

struct World {
    supervisor: Supervisor,
    now: Duration,
    random: u64,
    temper: Temper,
    /// Nobody is killed, so promises are kept.
    calm: bool,
    /// What will happen, by time and order of planning.
    plans: BTreeMap<(Duration, u64), Event>,
    planned: u64,
    zygotes: BTreeMap<u32, Zygote>,
    workers: BTreeMap<ForkId, Worker>,
    /// Whether a connection is waited for.
    awaiting: bool,
    forks: u32,
    requests: u64,
    exit: Option<i32>,
    stopping: bool,
    /// Workers that served at once since no fewer were wanted: as many must serve.
    floor: usize,
}

impl World {
    fn new(seed: u64, temper: Temper) -> Self {
        Self {
            supervisor: Supervisor::new(seed),
            now: Duration::from_secs(1000),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            temper,
            calm: temper.killings == 0,
            plans: BTreeMap::new(),
            planned: 0,
            zygotes: BTreeMap::new(),
            workers: BTreeMap::new(),
            awaiting: false,
            forks: 0,
            requests: 0,
            exit: None,
            stopping: false,
            floor: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    fn plan(&mut self, longest_ms: u64, event: Event) {
        let after = MILLISECOND * u32::try_from(1 + self.below(longest_ms)).unwrap();
        self.planned += 1;
        self.plans.insert((self.now + after, self.planned), event);
    }

    fn policy(&mut self) -> Policy {
        let workers = u16::try_from(1 + self.below(5)).unwrap();
        Policy {
            workers,
            lazy: self.chance(300),
            max_requests: Some(100),
            overdue_grace: Some(Duration::ZERO),
            overdue_mercy: self.chance(500).then_some(Duration::from_secs(2)),
            worker_mercy: Duration::from_secs(10),
            mercy: Duration::from_secs(20),
            reload_deadline: Duration::from_secs(30),
            scaling: if self.chance(400) { Some(self.scaling(workers)) } else { None },
            cheap: self.chance(100),
            idle: self.chance(200).then_some(Duration::from_secs(20)),
            drain_delay: Duration::from_secs(if self.chance(300) { DRAIN_DELAY } else { 0 }),
            check: self.chance(300),
            ..Policy::default()
        }
    }

    fn scaling(&mut self, workers: u16) -> Scaling {
        let algorithms = [
            Algorithm::Spare,
            Algorithm::Spare2,
            Algorithm::Backlog,
            Algorithm::Busyness(Busyness { multiplier: 2, ..Busyness::default() }),
            Algorithm::Latency(MILLISECOND * 20),
            Algorithm::Manual,
        ];
        let algorithm = algorithms[usize::try_from(self.below(6)).unwrap()];
        let least = u16::try_from(1 + self.below(u64::from(workers))).unwrap();
        Scaling {
            least,
            most: workers,
            initial: least,
            step: 2,
            overload: 1,
            idle: 2,
            soft_limit: None,
            hard_limit: None,
            algorithm,
        }
    }

    fn tell(&mut self, event: Event) {
        match &event {
            Event::Stop | Event::Halt => self.stopping = true,
            Event::ZygoteGone { generation, .. } => {
                // Nobody is left to report what had not been reported.
                let generation = *generation;
                self.workers.retain(|_, worker| worker.generation != generation || worker.born);
            }
            _ => {}
        }
        let is_timeout = event == Event::Timeout;
        let mut commands = Vec::new();
        self.supervisor.handle(self.now, event, &mut commands);
        let next = self.supervisor.poll_timeout();
        assert!(!is_timeout || next.is_none_or(|at| at > self.now), "a deadline in the past is a busy loop");
        for command in commands {
            self.obey(command);
        }
        self.check_orders();
    }

    /// What was ordered holds for everybody, whenever he was born.
    fn check_orders(&self) {
        let (paused, live) = (self.supervisor.is_paused(), self.supervisor.live());
        for (id, worker) in self.workers.iter().filter(|(_, worker)| !worker.leaving) {
            assert!(self.stopping || worker.paused == paused, "worker {id} missed a pause or its end");
            assert!(!worker.shut || live != Some(worker.generation), "worker {id} is shut for ever");
        }
        if self.supervisor.live().is_some() && !self.stopping {
            assert_eq!(self.awaiting, self.supervisor.is_asleep(), "nobody waits for the connection");
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::SpawnZygote { generation, .. } => self.load_zygote(generation),
            Command::Fork { generation, id, .. } => self.fork(generation, id),
            Command::Drain { id, heir, mercy } => {
                // One that is shut has no connections to pass on.
                let serves = self.workers.get(&id).is_some_and(|worker| worker.ready && !worker.shut);
                if let Some(heir) = heir.filter(|_| serves) {
                    assert!(self.serving(heir) > 0 || !self.calm, "drained into nothing");
                }
                let longest =
                    if self.chance(self.temper.stubborn) { 100_000_000 } else { mercy.as_millis() as u64 };
                self.leave(id, longest);
            }
            Command::StopWorker(id) => {
                let longest = if self.chance(self.temper.stubborn) { 100_000_000 } else { 1000 };
                self.leave(id, longest);
            }
            Command::KillWorker(id) => self.leave(id, 1),
            Command::RetireZygote(generation) => {
                self.zygotes.get_mut(&generation).unwrap().retired = true;
                self.let_retired_go();
            }
            Command::KillZygote(generation) => {
                let zygote = self.zygotes.get_mut(&generation).unwrap();
                assert!(!zygote.reaped, "killed a zygote that was reaped");
                zygote.alive = false;
                self.plan(1, Event::ZygoteGone { generation, why: "killed".to_string() });
            }
            Command::Serving(generation) => self.check_switch(generation),
            Command::Check(generation) => self.answer_check(generation),
            Command::CloseGeneration(generation) => {
                assert!(
                    !self.workers.values().any(|worker| worker.generation == generation),
                    "forgot a worker"
                );
                assert!(!self.zygotes[&generation].alive, "forgot a zygote");
            }
            Command::Pause(id, pause) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.paused = pause;
                }
            }
            Command::Shut(id) | Command::Open(id) => {
                let shut = matches!(command, Command::Shut(_));
                if let Some(worker) = self.workers.get_mut(&id) {
                    assert_ne!(worker.shut, shut, "told twice");
                    worker.shut = shut;
                }
            }
            Command::Unready(_) => {}
            Command::AwaitConnection(awaiting) => {
                self.awaiting = awaiting;
                self.floor = 0;
            }
            Command::Note(notice) => assert!(!notice.to_string().is_empty()),
            Command::Exit { code, .. } => {
                assert!(self.exit.is_none(), "exited twice");
                assert!(self.workers.is_empty(), "exited before its workers");
                assert!(!self.zygotes.values().any(|zygote| zygote.alive), "exited before its zygotes");
                self.exit = Some(code);
            }
        }
    }

    fn load_zygote(&mut self, generation: u32) {
        let hung = self.chance(self.temper.hangs);
        let zygote = Zygote { alive: true, ready: false, hung, retired: false, reaped: false };
        self.zygotes.insert(generation, zygote);
        if self.chance(self.temper.load_fails) {
            self.plan(2000, Event::LoadFailed { generation, message: "syntax".to_string() });
        } else if !hung {
            self.plan(2000, Event::ZygoteReady(generation));
        }
    }

    fn check_switch(&mut self, generation: u32) {
        let wanted = usize::from(self.supervisor.wanted());
        let serving = self.serving(generation);
        self.floor = self.floor.min(wanted);
        let others = |worker: &&Worker| worker.generation != generation && worker.ready && !worker.leaving;
        // Where nobody else serves, the first that can does.
        if self.workers.values().filter(others).count() == 0 {
            assert!(serving > 0 || wanted == 0, "serves with nobody");
        } else {
            assert!(serving >= wanted, "switched before every worker was ready");
        }
    }

    fn answer_check(&mut self, generation: u32) {
        assert!(self.serving(generation) > 0 || !self.calm, "nobody to answer");
        if !self.chance(self.temper.hangs) {
            let fails = self.chance(self.temper.load_fails);
            let verdict = if fails { Err("503".to_string()) } else { Ok(()) };
            self.plan(2000, Event::Checked { generation, verdict });
        }
    }

    fn serving(&self, generation: u32) -> usize {
        let serves = |worker: &&Worker| worker.generation == generation && worker.ready && !worker.leaving;
        self.workers.values().filter(serves).count()
    }

    fn fork(&mut self, generation: u32, id: ForkId) {
        self.forks += 1;
        let zygote = &self.zygotes[&generation];
        assert!(zygote.ready && !zygote.retired, "asked a zygote that does not fork");
        if !zygote.alive {
            return;
        }
        if self.chance(self.temper.fork_fails) {
            return self.plan(5, Event::ForkFailed { id, errno: 11 });
        }
        self.workers.insert(
            id,
            Worker { generation, born: false, ready: false, leaving: false, paused: false, shut: false },
        );
        if zygote_is_silent(self, generation) {
            return;
        }
        self.plan(5, Event::Forked { id, pid: i32::try_from(id).unwrap() });
        if self.chance(self.temper.dies_early) {
            if self.chance(300) {
                self.plan(500, Event::WorkerLoadFailed { id, message: "lazy".to_string() });
            }
            self.plan(500, Event::WorkerExited { id, ended: Ended::Exit(1) });
        } else {
            self.plan(500, Event::WorkerReady(id));
        }
    }

    fn leave(&mut self, id: ForkId, longest_ms: u64) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.leaving = true;
            self.plan(longest_ms, Event::WorkerExited { id, ended: Ended::Exit(0) });
        }
    }

    fn let_retired_go(&mut self) {
        let idle = |(number, zygote): (&u32, &Zygote)| {
            let busy = self.workers.values().any(|worker| worker.generation == *number);
            (zygote.alive && zygote.retired && !zygote.hung && !busy).then_some(*number)
        };
        let going: Vec<u32> = self.zygotes.iter().filter_map(idle).collect();
        for generation in going {
            self.zygotes.get_mut(&generation).unwrap().hung = true;
            self.plan(10, Event::ZygoteGone { generation, why: "exited".to_string() });
        }
    }

    /// Whether the world lets this happen at all; keeps its own books.
    fn happens(&mut self, event: &Event) -> bool {
        match event {
            Event::ZygoteReady(generation) => {
                let zygote = self.zygotes.get_mut(generation).unwrap();
                zygote.ready = zygote.alive;
                zygote.alive
            }
            Event::LoadFailed { generation, .. } => {
                let alive = self.zygotes[generation].alive;
                if alive {
                    self.plan(10, Event::ZygoteGone { generation: *generation, why: "exited".to_string() });
                }
                alive
            }
            Event::ZygoteGone { generation, .. } => {
                let zygote = self.zygotes.get_mut(generation).unwrap();
                zygote.alive = false;
                !core::mem::replace(&mut zygote.reaped, true)
            }
            Event::Forked { id, .. } => {
                let generation = self.workers.get(id).map(|worker| worker.generation);
                let reported = generation.is_some_and(|generation| self.zygotes[&generation].alive);
                if let Some(worker) = self.workers.get_mut(id).filter(|_| reported) {
                    worker.born = true;
                }
                reported
            }
            Event::WorkerReady(id) => {
                let Some(worker) = self.workers.get_mut(id) else { return false };
                worker.ready = true;
                true
            }
            Event::WorkerExited { id, .. } => self.workers.remove(id).is_some(),
            _ => true,
        }
    }

    /// The master was stopped for a while: what happened meanwhile is read before any time is looked at.
    fn jump(&mut self, time: Duration) {
        self.now += time;
        while let Some(first) = self.plans.first_entry().filter(|first| first.key().0 <= self.now) {
            let event = first.remove();
            if self.happens(&event) {
                self.tell(event);
            }
        }
        self.let_retired_go();
        self.tell(Event::Timeout);
    }

    fn reload(&mut self) {
        let manner = if self.chance(200) { Manner::Brutal } else { Manner::Graceful };
        let event = match self.below(3) {
            0 => Event::Reload(self.policy(), manner),
            1 => Event::ReloadWorkers(manner),
            _ => Event::ChainReload,
        };
        // Some people press the button until something happens.
        let times = if self.chance(50) { 1 + self.below(20) } else { 1 };
        for _ in 0..times {
            self.tell(event.clone());
        }
    }

    fn order(&mut self) {
        match self.below(6) {
            0 => self.tell(Event::Resize(1)),
            1 => {
                self.floor = 0;
                self.tell(Event::Resize(-1));
            }
            2 => {
                self.floor = 0;
                self.tell(Event::Sleep);
            }
            3 => self.tell(Event::Pause(true)),
            _ => self.tell(Event::Pause(false)),
        }
    }

    /// A look at the load, of whatever kind.
    fn load(&mut self) {
        self.requests += self.below(3);
        let busy = self.below(1000);
        let serving: Vec<ForkId> =
            self.workers.iter().filter(|(_, one)| one.ready && !one.leaving).map(|(id, _)| *id).collect();
        let workers = serving.into_iter().map(|id| {
            let full = self.chance(busy);
            let time = MILLISECOND * u32::try_from(self.below(1_000_000)).unwrap();
            WorkerLoad { id, idle: !full, full, time, threads: 1 }
        });
        let workers = workers.collect();
        let waiting = if self.chance(busy / 2) { self.below(50) } else { 0 };
        let wait = Some(MILLISECOND * u32::try_from(self.below(50)).unwrap());
        self.tell(Event::Load(Load { workers, waiting, wait, resident: None, requests: self.requests }));
    }

    /// One of the things that operators and fate do.
    fn disturb(&mut self) {
        if self.chance(self.temper.reloads) {
            self.reload();
        }
        if self.chance(self.temper.orders) {
            self.order();
        }
        if self.chance(self.temper.jumps) {
            self.jump(Duration::from_secs(3600));
        }
        if self.chance(300) {
            self.load();
        }
        if self.awaiting && self.chance(200) {
            self.tell(Event::Connection);
        }
        let born: Vec<ForkId> = self.workers.iter().filter(|(_, one)| one.born).map(|(id, _)| *id).collect();
        if self.chance(self.temper.limits) && !born.is_empty() {
            let id = born[usize::try_from(self.below(born.len() as u64)).unwrap()];
            let late = self.temper.killings > 0 && self.chance(200);
            let overdue = late.then_some(Duration::from_secs(1));
            self.tell(Event::Sample(id, Sample { requests: 1000, overdue, ..Sample::default() }));
            if self.chance(100) {
                self.tell(Event::RecycleAsked(id, Reason::Exception));
            }
        }
        if self.chance(self.temper.killings) && !born.is_empty() {
            let id = born[usize::try_from(self.below(born.len() as u64)).unwrap()];
            self.workers.remove(&id);
            self.tell(Event::WorkerExited { id, ended: Ended::Signal(9) });
        }
        if self.chance(self.temper.killings / 4) {
            let alive: Vec<u32> =
                self.zygotes.iter().filter(|(_, zygote)| zygote.alive).map(|(number, _)| *number).collect();
            if let Some(generation) = alive.last().copied() {
                let zygote = self.zygotes.get_mut(&generation).unwrap();
                (zygote.alive, zygote.reaped) = (false, true);
                self.tell(Event::ZygoteGone { generation, why: "was killed".to_string() });
            }
        }
    }

    /// Goes to the next thing that happens.
    fn step(&mut self) {
        let planned = self.plans.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.supervisor.poll_timeout();
        match (planned, timeout) {
            (Some(planned), timeout) if timeout.is_none_or(|timeout| planned <= timeout) => {
                self.now = self.now.max(planned);
                let (_, event) = self.plans.pop_first().unwrap();
                if self.happens(&event) {
                    self.tell(event);
                }
            }
            (_, Some(timeout)) => {
                self.now = self.now.max(timeout);
                self.tell(Event::Timeout);
            }
            (_, None) => self.now += Duration::from_secs(1),
        }
        self.let_retired_go();
    }

    /// Only orders, and load that does not need them, make workers fewer.
    fn check_promise(&mut self) {
        if self.supervisor.live().is_none() || self.stopping || self.exit.is_some() {
            return;
        }
        let wanted = usize::from(self.supervisor.wanted());
        let serving = self.workers.values().filter(|worker| worker.ready && !worker.leaving).count();
        let promised = self.floor.min(wanted);
        assert!(serving >= promised, "{serving} workers serve, {promised} are promised");
        let own = self.supervisor.live().map_or(0, |live| self.serving(live));
        self.floor = self.floor.max(own).min(wanted);
    }

    /// When nobody disturbs it any more, everything that was begun ends, and every worker that is wanted serves.
    fn come_to_rest(&mut self) {
        let kind =
            Temper { load_fails: 0, hangs: 0, fork_fails: 0, dies_early: 0, killings: 0, ..self.temper };
        self.temper = kind;
        let begun = self.now;
        while self.now < begun + Duration::from_secs(400) && self.exit.is_none() {
            self.step();
        }
        if self.exit.is_none() && self.supervisor.live().is_some() {
            assert!(!self.supervisor.is_reloading(), "a reload does not end: {:?}", self.supervisor);
            let live = self.supervisor.live().unwrap();
            let (serving, wanted) = (self.serving(live), usize::from(self.supervisor.wanted()));
            assert_eq!(serving, wanted, "not whole again: {:?}", self.supervisor);
        }
    }
}

fn zygote_is_silent(world: &mut World, generation: u32) -> bool {
    let silent = world.zygotes[&generation].hung || world.chance(world.temper.hangs / 10);
    if silent {
        world.zygotes.get_mut(&generation).unwrap().hung = true;
    }
    silent
}

fn live_a_life(seed: u64, temper: Temper) {
    let mut world = World::new(seed, temper);
    let policy = world.policy();
    world.tell(Event::Start(policy));
    let steps = 100 + world.below(400);
    for _ in 0..steps {
        world.step();
        if world.exit.is_some() {
            return;
        }
        world.disturb();
        if world.calm {
            world.check_promise();
        }
    }
    if world.chance(200) {
        world.come_to_rest();
    }
    let end = if world.chance(500) { Event::Stop } else { Event::Halt };
    let halted = end == Event::Halt;
    let begun = world.now;
    world.tell(end);
    while world.exit.is_none() {
        world.step();
        let graceful = Duration::from_secs(20 + DRAIN_DELAY);
        let longest = if halted { STOP_GRACE } else { graceful } + ZYGOTE_GRACE * 3;
        assert!(world.now <= begun + longest, "the stop does not end: {:?}", world.supervisor);
    }
}

/// `SUPERVISOR_LIVES=n` lives more of them.
fn lives() -> u64 {
    std::env::var("SUPERVISOR_LIVES").ok().and_then(|text| text.parse().ok()).unwrap_or(250)
}

fn many_lives(temper: Temper, lives: u64) {
    if let Some(seed) = std::env::var("SUPERVISOR_SEED").ok().and_then(|text| text.parse().ok()) {
        return live_a_life(seed, temper);
    }
    for seed in 1..=lives {
        if let Err(cause) = std::panic::catch_unwind(|| live_a_life(seed, temper)) {
            let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("SUPERVISOR_SEED={seed}: {text}");
        }
    }
}

#[test]
fn in_a_calm_world_no_reload_and_no_recycling_ever_leaves_fewer_workers_than_promised() {
    many_lives(CALM, lives());
}

#[test]
fn in_a_chaotic_world_nobody_is_forgotten_every_stop_ends_and_nothing_spins() {
    many_lives(CHAOS, lives());
}

#[test]
fn workers_that_die_at_once_are_replaced_ever_more_slowly() {
    let quiet = Temper {
        load_fails: 0,
        hangs: 0,
        fork_fails: 0,
        dies_early: 0,
        stubborn: 0,
        killings: 0,
        reloads: 0,
        limits: 0,
        orders: 0,
        jumps: 0,
    };
    let mut world = World::new(7, quiet);
    world.tell(Event::Start(Policy { workers: 2, ..Policy::default() }));
    while world.workers.values().filter(|worker| worker.ready).count() < 2 {
        world.step();
    }
    world.temper.dies_early = 1000;
    let ready: Vec<ForkId> = world.workers.keys().copied().collect();
    for id in ready {
        world.workers.remove(&id);
        world.tell(Event::WorkerExited { id, ended: Ended::Signal(11) });
    }
    let (begun, before) = (world.now, world.forks);
    while world.now < begun + Duration::from_secs(600) {
        world.step();
    }
    let forks = world.forks - before;
    assert!((40..=60).contains(&forks), "{forks} forks in ten minutes");
}
