//! Performs what the supervisor decides.

use super::{Instance, REST};
use crate::check::Check;
use crate::error::StartError;
use crate::event::Source;
use crate::generation::{Generation, Plan, Worker};
use crate::log::Collector;
use margrave_lifecycle::message::{ForkId, ToWorker, ToZygote, encode};
use margrave_lifecycle::supervisor::{self, Command, Level, Notice, Reason};
use margrave_sys::channel::Channel;
use margrave_sys::clock::{monotonic, wall};
use margrave_sys::process::{self, Signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

impl Instance {
    pub(super) fn perform(&mut self, command: Command) {
        self.rests_at = Some(monotonic() + REST);
        match command {
            Command::SpawnZygote { generation, like } => self.spawn_zygote(generation, like),
            Command::Fork { generation, id, worker, slot, respawn } => {
                if let Err(error) = self.fork(generation, id, worker, slot, respawn) {
                    self.workers.remove(&id);
                    let errno = error.raw_os_error().unwrap_or(0);
                    self.queue.push_back(supervisor::Event::ForkFailed { id, errno });
                }
            }
            Command::Drain { id, heir, mercy } => self.drain(id, heir, mercy),
            Command::Pause(id, pause) => self.send_to(id, &ToWorker::Pause(pause)),
            Command::Shut(id) => self.send_to(id, &ToWorker::Shut),
            Command::Open(id) => self.send_to(id, &ToWorker::Open),
            Command::Unready(id) => self.send_to(id, &ToWorker::Unready),
            Command::Check(generation) => self.start_check(generation),
            Command::AwaitConnection(awaits) => self.await_connection(awaits),
            Command::StopWorker(id) => {
                self.send_to(id, &ToWorker::Stop);
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
            Command::Exit { code, reason } => {
                self.exit = Some(self.broken.take().unwrap_or((code, reason)));
            }
        }
    }

    pub(super) fn send_to(&self, id: ForkId, message: &ToWorker) {
        if let Some(worker) = self.workers.get(&id) {
            send(worker, message, &[]);
        }
    }

    fn drain(&mut self, id: ForkId, heir: Option<u32>, mercy: Duration) {
        let mercy_ms = u64::try_from(mercy.as_millis()).unwrap_or(u64::MAX);
        let of_heir = heir.and_then(|heir| self.generations.get(&heir)).map(|heir| &heir.adoption);
        let adoption =
            of_heir.or_else(|| self.successor.as_ref().and_then(|successor| successor.adoption.as_ref()));
        let message = ToWorker::Drain { mercy_ms, adopt: adoption.is_some() };
        let descriptors: Vec<BorrowedFd<'_>> = adoption.into_iter().map(Channel::as_fd).collect();
        if let Some(worker) = self.workers.get(&id) {
            // When a whole generation leaves, or the last of it, a connection passed to it by an even older one would be
            // lost. One that only sleeps will have workers again.
            let sleeps = heir.is_none() && self.supervisor.is_asleep();
            let stays = self.supervisor.live() == Some(worker.generation) && !self.supervisor.is_stopping();
            let reads = |(other, found): (&ForkId, &Worker)| {
                *other != id && found.generation == worker.generation && found.ready && !found.leaving
            };
            if let Some(own) = self.generations.get(&worker.generation)
                && heir != Some(worker.generation)
                && !sleeps
                && !(stays && self.workers.iter().any(reads))
            {
                own.adoption.end_sending();
                if adoption.is_some() {
                    // Those that have left before it, and are not done, pass their connections to who comes after it.
                    let before = |(other, found): &(&ForkId, &Worker)| **other != id && found.leaving;
                    self.workers
                        .iter()
                        .filter(before)
                        .for_each(|(_, found)| send(found, &message, &descriptors));
                }
            }
            send(worker, &message, &descriptors);
        }
        self.mark_leaving(id);
    }

    pub(super) fn note(&mut self, notice: &Notice) {
        let overdue = match notice {
            Notice::Overdue { worker, .. } | Notice::Recycling { worker, reason: Reason::Overdue(_), .. } => {
                Some(worker)
            }
            _ => None,
        };
        // Without `harakiri-kill` the worker itself has ended the request at its deadline, and counted it then.
        if let Some(worker) = overdue.filter(|_| self.parts.settings.process.harakiri_kill)
            && let Some(live) = self.supervisor.live().and_then(|live| self.generations.get_mut(&live))
        {
            live.tallies.entry(*worker).or_default().harakiri += 1;
            self.ledger.killed += 1;
        }
        let text = notice.to_string();
        match notice {
            Notice::ReloadStarted { .. } => {
                let now = monotonic().as_micros();
                self.parts.notifier.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS={text}"));
            }
            Notice::ReloadDone { .. } | Notice::RolledBack { .. } => {
                if matches!(notice, Notice::ReloadDone { .. }) {
                    self.reloaded();
                }
                self.parts.notifier.tell(&format!("READY=1\nSTATUS={text}"));
            }
            Notice::Stopping { .. } => self.parts.notifier.tell(&format!("STOPPING=1\nSTATUS={text}")),
            _ => {}
        }
        self.parts.log.say(notice.level(), &text);
    }

    fn start_check(&mut self, number: u32) {
        let (Some(generation), now) = (self.generations.get(&number), monotonic()) else { return };
        let Some(path) = &generation.settings.reload.check else {
            let checked = supervisor::Event::Checked { generation: number, verdict: Ok(()) };
            return self.queue.push_back(checked);
        };
        let started = Check::start(number, generation, path, now).and_then(|check| {
            let watched = self.poller.add_readable(&check, Source::Check.token());
            watched.map_err(|error| format!("reload-check: cannot wait for the answer: {error}"))?;
            Ok(check)
        });
        match started {
            Ok(check) => self.check = Some(check),
            Err(why) => {
                let checked = supervisor::Event::Checked { generation: number, verdict: Err(why) };
                self.queue.push_back(checked);
            }
        }
    }

    /// Watches the listeners of the generation that serves while it has no worker.
    fn await_connection(&mut self, awaits: bool) {
        for bound in std::mem::take(&mut self.awaited) {
            let _ = self.poller.delete(&bound.fd);
        }
        let live = self.supervisor.live().and_then(|live| self.generations.get(&live));
        for (number, bound) in (0..).zip(live.filter(|_| awaits).map_or(&[][..], |live| &live.listeners)) {
            match self.poller.add_readable(&bound.fd, Source::Listener(number).token()) {
                Ok(()) => self.awaited.push(Rc::clone(bound)),
                Err(error) => {
                    let text = format!("cannot wait for a connection on {}: {error}", bound.address);
                    self.parts.log.say(Level::Error, &text);
                }
            }
        }
    }

    pub(super) fn mark_leaving(&mut self, id: ForkId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.leaving = true;
        }
    }

    pub(super) fn spawn_zygote(&mut self, number: u32, like: Option<u32>) {
        let settings = like
            .and_then(|like| self.generations.get(&like))
            .map_or_else(|| Rc::clone(&self.parts.settings), |known| Rc::clone(&known.settings));
        let started =
            self.parts.listeners.resolve(&settings.listen, settings.host.vacuum).and_then(|listeners| {
                let locks = self.locks.at_least(usize::from(settings.process.locks) + 1);
                let plan = Plan {
                    number,
                    listeners,
                    liveness: self.liveness.0.as_fd(),
                    locks: locks.map_err(StartError::system("make shared memory"))?,
                    output: self.parts.collector.as_ref().map(Collector::write_end),
                    reloads: self.reloads,
                    traits: crate::start::traits(&settings.host)?,
                    settings,
                    hooks: &self.parts.hooks,
                    renewed: like.is_none() && self.reloads > 0,
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

    pub(super) fn fork(
        &mut self,
        generation: u32,
        id: ForkId,
        worker: u16,
        slot: u16,
        respawn: u32,
    ) -> io::Result<()> {
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
}

fn send(worker: &Worker, message: &ToWorker, descriptors: &[BorrowedFd<'_>]) {
    if let (Some(channel), Ok(packet)) = (&worker.channel, encode(message)) {
        // One that cannot be told has ended, or is killed at its deadline.
        let _ = channel.send(&packet, descriptors);
    }
}
