//! Programs beside the workers (`attach-daemon` and its relatives): when each is started, asked to end, killed.
//!
//! Knows processes by their pids and a pidfile by what the caller read in it; performs nothing. A program with a
//! pidfile ("smart") is found again by it, and goes on over reloads and the end of the instance.

use crate::throttle::Throttle;
use alloc::vec::Vec;
use core::time::Duration;

/// A program that ran this long did work, and is started again at once when it ends.
const STEADY: Duration = Duration::from_secs(10);

/// How often a pidfile is looked at unless the configuration says otherwise.
pub const PIDFILE_FREQUENCY: Duration = Duration::from_secs(10);

/// Time for a program that was asked to end, before it is killed.
pub const MERCY: Duration = Duration::from_secs(10);

/// How often a group is looked at whose leader has ended.
const GROUP_LOOK: Duration = Duration::from_millis(50);

/// The rules of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// It has a pidfile, and is kept.
    pub smart: bool,
    /// It goes into the background itself: its first process ends soon and means nothing.
    pub daemonizes: bool,
    /// The instance ends with it.
    pub control: bool,
    /// How often its pidfile is looked at.
    pub frequency: Option<Duration>,
    /// Longest pause before it is started again.
    pub max_throttle: Option<Duration>,
    /// A reload sends it a signal of its own instead of ending it.
    pub reload_signal: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start the program.
    Start(usize),
    /// Read its pidfile and say who runs, with [`Daemons::handle_pidfile`].
    Look(usize),
    /// Ask this process group to end, in the way of the program.
    Stop {
        /// The program.
        daemon: usize,
        /// The leader of its group.
        pid: i32,
    },
    /// Send the signal of a reload.
    Reload {
        /// The program.
        daemon: usize,
        /// The process.
        pid: i32,
    },
    /// Ask this process group, of which no configuration says how, to end.
    Terminate(i32),
    /// Kill this process group.
    Kill(i32),
    /// Say with [`Daemons::handle_group_gone`] when nobody is left in this process group.
    Settle {
        /// The program.
        daemon: usize,
        /// The number of the group.
        group: i32,
    },
    /// The instance is to end.
    EndInstance(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be started, or first to be looked for, at this time.
    Due(Duration),
    /// A child of ours, since then.
    Child { pid: i32, since: Duration },
    /// Found by its pidfile; looked at again at this time.
    Found { pid: i32, next: Duration },
    /// Asked to end; killed at this time. Started again afterwards if `again`.
    Ending { pid: i32, deadline: Duration, again: bool },
    /// Its leader has ended as it was asked, and its group is given the rest of the time; looked at again then.
    Lingering { pid: i32, deadline: Duration, next: Duration, again: bool },
    /// Will not run again.
    Over,
}

#[derive(Clone, Debug)]
struct Daemon {
    rules: Rules,
    state: State,
    throttle: Throttle,
    starts: u32,
}

/// All programs of an instance.
#[derive(Clone, Debug, Default)]
pub struct Daemons {
    list: Vec<Daemon>,
    /// Of a configuration that is gone: leader and deadline.
    leaving: Vec<(i32, Duration)>,
    stopping: bool,
}

impl Daemons {
    /// The programs of the first configuration; all are due now.
    pub fn start(&mut self, rules: impl IntoIterator<Item = Rules>, now: Duration) {
        let fresh =
            |rules| Daemon { rules, state: State::Due(now), throttle: Throttle::default(), starts: 0 };
        self.list = rules.into_iter().map(fresh).collect();
    }

    /// The programs of a new configuration, each with the place it had in the old one, if it was there.
    pub fn reload(
        &mut self,
        rules: impl IntoIterator<Item = (Rules, Option<usize>)>,
        now: Duration,
    ) -> Vec<Command> {
        let mut old: Vec<Option<Daemon>> = core::mem::take(&mut self.list).into_iter().map(Some).collect();
        let mut commands = Vec::new();
        for (number, (rules, place)) in rules.into_iter().enumerate() {
            let known = place.and_then(|place| old.get_mut(place)?.take());
            let mut daemon = known.unwrap_or(Daemon {
                rules,
                state: State::Due(now),
                throttle: Throttle::default(),
                starts: 0,
            });
            daemon.rules = rules;
            match daemon.state {
                State::Child { pid, .. } | State::Found { pid, .. } if rules.smart => {
                    if rules.reload_signal {
                        commands.push(Command::Reload { daemon: number, pid });
                    }
                }
                State::Child { pid, .. } | State::Found { pid, .. } => {
                    let stop = match rules.reload_signal {
                        true => Command::Reload { daemon: number, pid },
                        false => Command::Stop { daemon: number, pid },
                    };
                    commands.push(stop);
                    daemon.state = State::Ending { pid, deadline: now + MERCY, again: true };
                }
                State::Over => daemon.state = State::Due(now),
                State::Due(_) | State::Ending { .. } | State::Lingering { .. } => {}
            }
            self.list.push(daemon);
        }
        // What no configuration names any more ends, also what had a pidfile.
        for gone in old.into_iter().flatten() {
            if let State::Child { pid, .. } | State::Found { pid, .. } | State::Ending { pid, .. } =
                gone.state
            {
                commands.push(Command::Terminate(pid));
                self.leaving.push((pid, now + MERCY));
            }
        }
        commands
    }

    /// Ends a program and starts it again.
    pub fn restart(&mut self, number: usize, now: Duration) -> Option<Command> {
        let daemon = self.list.get_mut(number)?;
        let (State::Child { pid, .. } | State::Found { pid, .. }) = daemon.state else { return None };
        daemon.state = State::Ending { pid, deadline: now + MERCY, again: true };
        Some(Command::Stop { daemon: number, pid })
    }

    /// The instance ends: asks everyone who is not kept.
    pub fn stop(&mut self, now: Duration) -> Vec<Command> {
        self.stopping = true;
        let mut commands = Vec::new();
        for (number, daemon) in self.list.iter_mut().enumerate() {
            match daemon.state {
                State::Child { pid, .. } if !daemon.rules.smart => {
                    commands.push(Command::Stop { daemon: number, pid });
                    daemon.state = State::Ending { pid, deadline: now + MERCY, again: false };
                }
                State::Ending { pid, deadline, .. } => {
                    daemon.state = State::Ending { pid, deadline, again: false };
                }
                State::Lingering { .. } => {}
                _ => daemon.state = State::Over,
            }
        }
        commands
    }

    /// Hastens the end of those that were asked.
    pub fn kill_ending(&mut self) -> Vec<Command> {
        let ending = self.list.iter().filter_map(|daemon| match daemon.state {
            State::Ending { pid, .. } | State::Lingering { pid, .. } => Some(Command::Kill(pid)),
            _ => None,
        });
        ending.collect()
    }

    /// Whether somebody who was asked to end has not ended yet.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        let is_ending = |state| matches!(state, State::Ending { .. } | State::Lingering { .. });
        self.list.iter().any(|daemon| is_ending(daemon.state))
    }

    /// What is due.
    pub fn poll(&mut self, now: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        for (number, daemon) in self.list.iter_mut().enumerate() {
            match daemon.state {
                State::Due(at) if now >= at && !self.stopping => commands.push(match daemon.rules.smart {
                    true => Command::Look(number),
                    false => Command::Start(number),
                }),
                State::Found { pid, next } if now >= next => {
                    let frequency = daemon.rules.frequency.unwrap_or(PIDFILE_FREQUENCY);
                    daemon.state = State::Found { pid, next: now + frequency };
                    commands.push(Command::Look(number));
                }
                State::Ending { pid, deadline, again } if now >= deadline => {
                    // Its end is seen like any other; one that cannot be killed is asked for again.
                    daemon.state = State::Ending { pid, deadline: now + MERCY, again };
                    commands.push(Command::Kill(pid));
                }
                State::Lingering { pid, deadline, again, .. } if now >= deadline => {
                    commands.push(Command::Kill(pid));
                    daemon.state = if again && !self.stopping { State::Due(now) } else { State::Over };
                }
                State::Lingering { pid, deadline, next, again } if now >= next => {
                    daemon.state = State::Lingering { pid, deadline, next: now + GROUP_LOOK, again };
                    commands.push(Command::Settle { daemon: number, group: pid });
                }
                _ => {}
            }
        }
        self.leaving.retain(|(pid, deadline)| {
            if now >= *deadline {
                commands.push(Command::Kill(*pid));
            }
            now < *deadline
        });
        commands
    }

    /// When [`Daemons::poll`] has something to do next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let times = self.list.iter().filter_map(|daemon| match daemon.state {
            State::Due(at) if !self.stopping => Some(at),
            State::Found { next, .. } => Some(next),
            State::Ending { deadline, .. } => Some(deadline),
            State::Lingering { next, deadline, .. } => Some(next.min(deadline)),
            _ => None,
        });
        times.chain(self.leaving.iter().map(|(_, deadline)| *deadline)).min()
    }

    /// The answer to [`Command::Look`]: the process of the pidfile, if it runs.
    pub fn handle_pidfile(&mut self, number: usize, pid: Option<i32>, now: Duration) -> Option<Command> {
        let daemon = self.list.get_mut(number)?;
        let next = now + daemon.rules.frequency.unwrap_or(PIDFILE_FREQUENCY);
        match (pid, daemon.state) {
            (Some(pid), State::Due(_) | State::Found { .. }) => {
                daemon.state = State::Found { pid, next };
                daemon.throttle.handle_success();
                None
            }
            (None, State::Found { .. }) => {
                daemon.state = State::Due(now + Self::pause(daemon));
                None
            }
            (None, State::Due(_)) => Some(Command::Start(number)),
            _ => None,
        }
    }

    /// Nobody is left in the group of a program that was asked to end.
    pub fn handle_group_gone(&mut self, number: usize, now: Duration) {
        if let Some(daemon) = self.list.get_mut(number)
            && let State::Lingering { again, .. } = daemon.state
        {
            daemon.state = if again && !self.stopping { State::Due(now) } else { State::Over };
        }
    }

    /// A program was started.
    pub fn handle_started(&mut self, number: usize, pid: i32, now: Duration) {
        if let Some(daemon) = self.list.get_mut(number) {
            daemon.state = State::Child { pid, since: now };
            daemon.starts += 1;
        }
    }

    /// A program could not be started; when it is tried again.
    pub fn handle_start_failed(&mut self, number: usize, now: Duration) -> Duration {
        let Some(daemon) = self.list.get_mut(number) else { return Duration::ZERO };
        let pause = Self::pause(daemon).max(Duration::from_secs(1));
        daemon.state = State::Due(now + pause);
        pause
    }

    /// A child has ended: which program it was, and what follows; `None` when it was none.
    pub fn handle_exited(&mut self, pid: i32, now: Duration) -> Option<(usize, Vec<Command>)> {
        let is_it = |daemon: &Daemon| matches!(daemon.state, State::Child { pid: own, .. } | State::Found { pid: own, .. } | State::Ending { pid: own, .. } if own == pid);
        let number = self.list.iter().position(is_it)?;
        let daemon = &mut self.list[number];
        let mut commands = Vec::new();
        // What it has left in its group ends with it, unless it has moved on to be a daemon.
        if !daemon.rules.daemonizes {
            commands.push(Command::Kill(pid));
        }
        match daemon.state {
            State::Ending { deadline, again, .. } => {
                // A shell ends before the program that it runs: what is left has the time that was promised.
                daemon.state = State::Lingering { pid, deadline, next: now + GROUP_LOOK, again };
                return Some((number, alloc::vec![Command::Settle { daemon: number, group: pid }]));
            }
            _ if self.stopping => daemon.state = State::Over,
            _ if daemon.rules.control => {
                daemon.state = State::Over;
                commands.push(Command::EndInstance(number));
            }
            State::Child { since, .. } => {
                if now.saturating_sub(since) >= STEADY {
                    daemon.throttle.handle_success();
                }
                daemon.state = State::Due(now + Self::pause(daemon));
            }
            _ => daemon.state = State::Due(now),
        }
        Some((number, commands))
    }

    /// The process of a program, and how often it was started again.
    #[must_use]
    pub fn status(&self, number: usize) -> Option<(i32, u32)> {
        let daemon = self.list.get(number)?;
        let pid = match daemon.state {
            State::Child { pid, .. } | State::Found { pid, .. } | State::Ending { pid, .. } => pid,
            State::Due(_) | State::Lingering { .. } | State::Over => 0,
        };
        Some((pid, daemon.starts.saturating_sub(1)))
    }

    fn pause(daemon: &mut Daemon) -> Duration {
        let pause = daemon.throttle.handle_failure();
        daemon.rules.max_throttle.map_or(pause, |most| pause.min(most))
    }
}

#[cfg(test)]
mod tests;
