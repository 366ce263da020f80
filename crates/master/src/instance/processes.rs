//! What zygotes and workers say, and how they end.

use super::Instance;
use crate::event::Source;
use crate::generation::{Loaded, Worker};
use margrave_lifecycle::message::{ForkId, FromWorker, FromZygote, LoadFailure};
use margrave_lifecycle::supervisor::{self, Ended, Level, Reason};
use margrave_sys::process::{self, Ending};
use std::os::fd::OwnedFd;

impl Instance {
    pub(super) fn zygote(&mut self, generation: u32, message: FromZygote, descriptors: Vec<OwnedFd>) {
        match message {
            FromZygote::Ready { python, prefix, apps, warnings } => {
                for warning in warnings {
                    self.parts.log.say(Level::Warning, &warning);
                }
                if let Some(known) = self.generations.get_mut(&generation) {
                    known.loaded = Some(Loaded { python, prefix, apps });
                }
                self.introduce(generation);
                self.start_beside();
                self.tell(supervisor::Event::ZygoteReady(generation));
            }
            FromZygote::LoadFailed(LoadFailure { message, hook: Some(code) }) => {
                // It ends by itself now, and this is why.
                if let Some(known) = self.generations.get_mut(&generation) {
                    known.failed_hook = Some((code, message));
                }
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

    pub(super) fn worker(&mut self, id: ForkId, message: FromWorker, descriptors: Vec<OwnedFd>) {
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
                if let Some(code) = failure.hook {
                    self.hook_failed_in_worker(id, code, &failure.message);
                }
                self.tell(supervisor::Event::WorkerLoadFailed { id, message: failure.message });
            }
            FromWorker::Recycle => self.tell(supervisor::Event::RecycleAsked(id, Reason::Exception)),
            FromWorker::Stacks { ticket } => self.handle_stacks(id, ticket, descriptors.into_iter().next()),
        }
    }

    pub(super) fn worker_gone(&mut self, id: ForkId, ended: Ended) {
        // Its last words may still wait in its channel.
        self.read_worker(id);
        if let Some(worker) = self.workers.remove(&id) {
            self.count_gone(&worker);
        }
        self.forget_in_inquiries(id);
        self.conclude_inquiries();
        self.tell(supervisor::Event::WorkerExited { id, ended });
    }

    /// Moves the counters of a process that has gone to its worker number.
    pub(super) fn count_gone(&mut self, worker: &Worker) {
        use margrave_stats::scoreboard::Counter;
        use std::sync::atomic::Ordering::Relaxed;
        let Some(generation) = self.generations.get_mut(&worker.generation) else { return };
        let Some(row) = generation.scoreboard.slot(worker.slot) else { return };
        let tally = generation.tallies.entry(worker.worker).or_default();
        self.ledger.absorb(&row, generation.listeners.iter().map(|bound| bound.address.as_str()));
        let count = |counter| row.counter(counter).load(Relaxed);
        tally.requests += count(Counter::Requests);
        tally.exceptions += count(Counter::Exceptions);
        tally.harakiri += u32::try_from(count(Counter::Overdue)).unwrap_or(u32::MAX);
        tally.tx += count(Counter::TxBytes);
        tally.running += count(Counter::RunningMicros);
        row.clear();
    }

    pub(super) fn reaped(&mut self, pid: i32, ending: Ending) {
        let zygote = self.generations.iter().find(|(_, known)| known.zygote_pid == Some(pid));
        if let Some(generation) = zygote.map(|(number, _)| *number) {
            self.zygote_reaped(generation, ending);
            return;
        }
        if self.reaped_beside(pid, ending) {
            return;
        }
        if self.successor_reaped(pid, ending) {
            return;
        }
        // A worker whose zygote has gone before it; anything else is a descendant that its parent left behind.
        let worker = self.workers.iter().find(|(_, worker)| worker.pid == Some(pid));
        if let Some(id) = worker.map(|(id, _)| *id) {
            self.worker_gone(id, ended(ending));
        }
    }

    pub(super) fn zygote_reaped(&mut self, generation: u32, ending: Ending) {
        // Everything it said before it ended counts.
        self.read_zygote(generation);
        let Some(known) = self.generations.get_mut(&generation) else { return };
        known.zygote_pid = None;
        let _ = self.poller.delete(&known.zygote);
        let how = ending.to_string();
        let failed_hook = known.failed_hook.take();
        let why = match (ending, known.booted) {
            _ if failed_hook.is_some() => String::new(),
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
        let why = failed_hook.map_or(why, |(code, why)| {
            self.want_exit_code(code, &why);
            why
        });
        // Whom it forked without a word cannot be told apart from a stranger; its closed channel tells it to go.
        self.workers.retain(|_, worker| worker.generation != generation || worker.pid.is_some());
        self.tell(supervisor::Event::ZygoteGone { generation, why });
    }
}

fn ended(ending: Ending) -> Ended {
    match ending {
        Ending::Exited(code) => Ended::Exit(code),
        Ending::Signaled(number) => Ended::Signal(number),
    }
}
