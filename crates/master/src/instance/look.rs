//! The regular look at files, workers and deadlines.

use super::{CLOSE_LOOK, Instance, LOOK, REPORT_GRACE};
use crate::load::{Serving, backlog};
use margrave_config::Settings;
use margrave_config::settings::CheaperAlgorithm;
use margrave_lifecycle::message::ForkId;
use margrave_lifecycle::supervisor::{self, Ended};
use margrave_sys::clock::monotonic;
use margrave_sys::{memory, process};
use std::time::Duration;

impl Instance {
    pub(super) fn tick(&mut self) {
        let now = monotonic();
        if let Some((order, path)) = self.watch.due(now) {
            self.obey_unheard(order, &format!("a change of {}", path.display()));
        }
        if self.check.as_ref().is_some_and(|check| now >= check.deadline) {
            let why = self.check.as_ref().map_or_else(String::new, crate::check::Check::too_late);
            self.end_check(Err(why));
        }
        self.conclude_inquiries();
        if self.beside.poll_timeout().is_some_and(|at| now >= at) {
            self.proceed_beside();
        }
        self.beat(now);
        if self.rests_at.is_some_and(|at| now >= at) {
            self.rests_at = None;
            memory::release_files();
        }
        if now >= self.next_look {
            self.look(now);
        }
        self.tell(supervisor::Event::Timeout);
    }

    /// Tells the service manager that all is well, while a worker serves or none is needed: else it is to start the
    /// instance again.
    fn beat(&mut self, now: Duration) {
        let Some(interval) = self.parts.notifier.heartbeat() else { return };
        if self.next_heartbeat.is_some_and(|next| now < next) {
            return;
        }
        self.next_heartbeat = Some(now + interval);
        let serves = self.workers.values().any(|worker| worker.ready) || !self.awaited.is_empty();
        if self.supervisor.live().is_some() && serves {
            self.parts.notifier.tell("WATCHDOG=1");
        }
    }

    fn look(&mut self, now: Duration) {
        self.next_look = now + look_interval(&self.parts.settings);
        self.look_at_files();
        self.look_beside();
        let lost: Vec<ForkId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.ended.is_some_and(|since| now - since >= REPORT_GRACE))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.worker_gone(id, Ended::Unknown);
        }
        self.look_at_figures(now);
        self.look_at_workers(now);
        self.look_at_load(now);
    }

    /// Obeys what touched files order; of several files for one order the first counts.
    fn look_at_files(&mut self) {
        let changed = self.touch.changed();
        if self.supervisor.is_stopping() {
            return;
        }
        let mut given = Vec::new();
        for (path, order) in changed {
            if !given.contains(&order) {
                given.push(order);
                self.obey_unheard(order, &format!("a touch of {}", path.display()));
            }
        }
    }

    fn look_at_workers(&mut self, now: Duration) {
        let looks_at_memory = now >= self.next_memory;
        if looks_at_memory {
            self.next_memory = now + self.parts.settings.reload.memory_interval;
        }
        let mut samples = Vec::new();
        for (id, worker) in self.workers.iter().filter(|(_, worker)| worker.ready) {
            let Some(generation) = self.generations.get(&worker.generation) else { continue };
            let settings = &generation.settings;
            // Where stuck requests may go on while nobody waits, the worker decides first.
            let patient = settings.process.harakiri_queue.is_some_and(|least| {
                let queued = generation.scoreboard.slot(worker.slot).map_or(0, |row| row.queued());
                queued + u64::from(backlog(generation)) < u64::from(least)
            });
            let harakiri = settings.process.harakiri.filter(|_| !patient);
            let mut sample = generation.scoreboard.sample(worker.slot, harakiri, now);
            if let Some(pid) = worker.pid.filter(|_| looks_at_memory) {
                add_memory(&mut sample, settings, pid);
            }
            samples.push((*id, sample));
        }
        for (id, sample) in samples {
            self.tell(supervisor::Event::Sample(id, sample));
        }
    }

    fn look_at_load(&mut self, now: Duration) {
        let Some(live) = self.supervisor.live() else { return };
        let Some(generation) = self.generations.get(&live) else { return };
        let serving: Serving<'_> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.generation == live && worker.ready && !worker.leaving)
            .collect();
        let cheaper = &generation.settings.cheaper;
        if cheaper.least.is_none() && cheaper.idle.is_none() {
            return;
        }
        self.meter.glance(generation, &serving);
        if now < self.next_load {
            return;
        }
        self.next_load = now + LOOK;
        let mut load = self.meter.look(now, generation, &serving);
        if cheaper.soft_limit.or(cheaper.hard_limit).is_some() {
            let resident = |pid| process::memory_of(pid).map_or(0, |(resident, _)| resident);
            load.resident = Some(serving.values().filter_map(|worker| worker.pid).map(resident).sum());
        }
        self.tell(supervisor::Event::Load(load));
    }
}

/// Some limits are looked at more closely than others.
fn look_interval(settings: &Settings) -> Duration {
    let cheaper = &settings.cheaper;
    let waits = cheaper.least.is_some() && cheaper.algorithm == CheaperAlgorithm::Latency;
    if settings.process.max_requests.is_some() || waits { CLOSE_LOOK } else { LOOK }
}

fn add_memory(sample: &mut supervisor::Sample, settings: &Settings, pid: i32) {
    let (process, reload) = (&settings.process, &settings.reload);
    let sizes =
        [process.reload_on_rss, process.reload_on_as, reload.evil_on_resident, reload.evil_on_address_space];
    if sizes.iter().any(Option::is_some) {
        let memory = process::memory_of(pid);
        sample.resident = memory.map(|(resident, _)| resident);
        sample.address_space = memory.map(|(_, space)| space);
    }
    // Dear: the kernel walks over all of it.
    if reload.on_unique.or(reload.on_proportional).is_some() {
        let shares = process::shares_of(pid);
        sample.unique = shares.map(|(unique, _)| unique);
        sample.proportional = shares.map(|(_, proportional)| proportional);
    }
}
