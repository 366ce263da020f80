//! The regular look at files, workers and deadlines.

use super::{CLOSE_LOOK, Instance, LOOK, REPORT_GRACE};
use crate::stats::{Report, View};
use margrave_lifecycle::message::ForkId;
use margrave_lifecycle::order::{Manner, Order};
use margrave_lifecycle::supervisor::{self, Ended};
use margrave_sys::clock::monotonic;
use margrave_sys::process;
use std::time::Duration;

impl Instance {
    pub(super) fn tick(&mut self) {
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
            self.obey_unheard(Order::Reload(Manner::Graceful), &format!("a touch of {}", path.display()));
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

    pub(super) fn answer_stats(&mut self) {
        // Before anything serves, clients wait in the backlog.
        let live = self.supervisor.live().and_then(|number| Some((number, self.generations.get(&number)?)));
        if let (Some(stats), Some((number, generation))) = (&mut self.parts.stats, live) {
            let view = View { generation, number, workers: &self.workers };
            stats.accept(&self.poller, &Report::new(&view), monotonic());
        }
    }

    pub(super) fn look_at_workers(&mut self, now: Duration) {
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
}
