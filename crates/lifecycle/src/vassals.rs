//! The emperor's decisions: which vassals run, which are told to reload, which wait after a failure.
//!
//! A vassal is a configuration file and the instance started from it. What exists is told by scans, what ended by
//! exits; the answer is a list of commands. Follows uWSGI's Emperor, with one throttle in place of its two.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Exit code by which a vassal asks not to be started again until its file changes.
pub const NOT_AGAIN: i32 = 26;
/// A vassal that lived so long has proved itself: its next failure is the first one again.
const LOYAL: Duration = Duration::from_secs(10);
/// Wait after the first failure; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(180);
/// A vassal that was told to stop is killed after this.
const MERCY: Duration = Duration::from_secs(60);

/// What the emperor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start the instance of this file; [`Vassals::handle_started`] tells how that went.
    Start(String),
    /// Tell it to read its configuration again (SIGHUP).
    Reload(String, i32),
    /// Tell it to stop gracefully (SIGTERM).
    Stop(String, i32),
    /// End it (SIGKILL).
    Kill(String, i32),
}

/// How a vassal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By a signal.
    Signal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A start has been commanded.
    Starting,
    Running {
        pid: i32,
        since: Duration,
    },
    /// Told to stop, because its file has gone or the emperor ends.
    Stopping {
        pid: i32,
        kill_at: Duration,
    },
    /// Failed; started again then.
    Waiting {
        until: Duration,
    },
    /// Asked not to be started again.
    Retired,
}

#[derive(Clone, Debug)]
struct Vassal {
    stamp: u64,
    failures: u32,
    state: State,
    /// Its file is there.
    wanted: bool,
}

/// All vassals, by the name of their file.
#[derive(Clone, Debug, Default)]
pub struct Vassals {
    known: BTreeMap<String, Vassal>,
    ending: bool,
}

impl Vassals {
    /// What a look at the sources has found: file names and a number that changes whenever the file does.
    pub fn handle_scan(&mut self, now: Duration, found: &BTreeMap<String, u64>) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.ending {
            return commands;
        }
        for (name, &stamp) in found {
            match self.known.get_mut(name) {
                None => {
                    let vassal = Vassal { stamp, failures: 0, state: State::Starting, wanted: true };
                    self.known.insert(name.clone(), vassal);
                    commands.push(Command::Start(name.clone()));
                }
                Some(vassal) => {
                    vassal.wanted = true;
                    if vassal.stamp != stamp {
                        vassal.stamp = stamp;
                        commands.extend(vassal.handle_change(name));
                    }
                }
            }
        }
        for (name, vassal) in &mut self.known {
            if !found.contains_key(name) && vassal.wanted {
                commands.extend(vassal.stop(name, now));
            }
        }
        self.forget();
        commands
    }

    /// A start has been tried: the process it gave, or none.
    pub fn handle_started(&mut self, now: Duration, name: &str, pid: Option<i32>) -> Vec<Command> {
        let Some(vassal) = self.known.get_mut(name) else { return Vec::new() };
        match pid {
            Some(pid) => {
                vassal.state = State::Running { pid, since: now };
                if self.ending {
                    return vassal.stop(name, now).into_iter().collect();
                }
            }
            None => vassal.fail(now),
        }
        Vec::new()
    }

    /// A process has ended. Gives the vassal's name and how long it waits for its next start, if it was one.
    pub fn handle_exit(&mut self, now: Duration, pid: i32, exit: Exit) -> Option<(String, Option<Duration>)> {
        let (name, vassal) = self.known.iter_mut().find(|(_, vassal)| vassal.pid() == Some(pid))?;
        let name = name.clone();
        match vassal.state {
            State::Running { .. } if exit == Exit::Code(NOT_AGAIN) => vassal.state = State::Retired,
            State::Running { since, .. } => {
                if now.saturating_sub(since) >= LOYAL {
                    vassal.failures = 0;
                }
                vassal.fail(now);
            }
            // Its file may have come back in the meantime.
            _ => vassal.state = State::Waiting { until: now },
        }
        let wait = match vassal.state {
            State::Waiting { until } if vassal.wanted && !self.ending => Some(until.saturating_sub(now)),
            _ => None,
        };
        self.forget();
        Some((name, wait))
    }

    /// Time has passed: starts what has waited long enough, kills what does not stop.
    pub fn handle_time(&mut self, now: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        for (name, vassal) in &mut self.known {
            match vassal.state {
                State::Waiting { until } if until <= now && vassal.wanted && !self.ending => {
                    vassal.state = State::Starting;
                    commands.push(Command::Start(name.clone()));
                }
                State::Stopping { pid, kill_at } if kill_at <= now => {
                    vassal.state = State::Stopping { pid, kill_at: now + MERCY };
                    commands.push(Command::Kill(name.clone(), pid));
                }
                _ => {}
            }
        }
        commands
    }

    /// The emperor ends: everything stops, nothing is started any more.
    pub fn stop_all(&mut self, now: Duration) -> Vec<Command> {
        self.ending = true;
        let commands = self.known.iter_mut().filter_map(|(name, vassal)| vassal.stop(name, now)).collect();
        self.forget();
        commands
    }

    /// Tells every running vassal to reload.
    #[must_use]
    pub fn reload_all(&self) -> Vec<Command> {
        let running = self.known.iter().filter_map(|(name, vassal)| match vassal.state {
            State::Running { pid, .. } => Some(Command::Reload(name.clone(), pid)),
            _ => None,
        });
        running.collect()
    }

    /// Until when nothing has to be done; `None` = for ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let times = self.known.values().filter_map(|vassal| match vassal.state {
            State::Waiting { until } if vassal.wanted && !self.ending => Some(until),
            State::Stopping { kill_at, .. } => Some(kill_at),
            _ => None,
        });
        times.min()
    }

    /// Whether no process is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.values().all(|vassal| vassal.pid().is_none() && vassal.state != State::Starting)
    }

    fn forget(&mut self) {
        self.known
            .retain(|_, vassal| vassal.wanted || vassal.pid().is_some() || vassal.state == State::Starting);
    }
}

impl Vassal {
    fn pid(&self) -> Option<i32> {
        match self.state {
            State::Running { pid, .. } | State::Stopping { pid, .. } => Some(pid),
            State::Starting | State::Waiting { .. } | State::Retired => None,
        }
    }

    /// The file has changed: a running vassal reloads, one that waits or has retired gets a new chance.
    fn handle_change(&mut self, name: &str) -> Option<Command> {
        match self.state {
            State::Running { pid, .. } => Some(Command::Reload(name.into(), pid)),
            State::Waiting { .. } | State::Retired => {
                self.failures = 0;
                self.state = State::Starting;
                Some(Command::Start(name.into()))
            }
            State::Starting | State::Stopping { .. } => None,
        }
    }

    fn stop(&mut self, name: &str, now: Duration) -> Option<Command> {
        self.wanted = false;
        let State::Running { pid, .. } = self.state else { return None };
        self.state = State::Stopping { pid, kill_at: now + MERCY };
        Some(Command::Stop(name.into(), pid))
    }

    fn fail(&mut self, now: Duration) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
        self.failures += 1;
        self.state = State::Waiting { until: now + wait };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn files(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter().map(|&(name, stamp)| (name.into(), stamp)).collect()
    }

    fn running() -> Vassals {
        let mut vassals = Vassals::default();
        assert_eq!(vassals.handle_scan(at(0), &files(&[("a", 1)])), vec![Command::Start("a".into())]);
        assert!(vassals.handle_started(at(0), "a", Some(7)).is_empty());
        vassals
    }

    #[test]
    fn a_file_that_changes_reloads_its_vassal_and_one_that_goes_stops_it() {
        let mut vassals = running();
        assert!(vassals.handle_scan(at(1), &files(&[("a", 1)])).is_empty());
        assert_eq!(vassals.handle_scan(at(2), &files(&[("a", 2)])), vec![Command::Reload("a".into(), 7)]);
        assert_eq!(vassals.handle_scan(at(3), &files(&[])), vec![Command::Stop("a".into(), 7)]);
        assert_eq!(vassals.handle_time(at(64)), vec![Command::Kill("a".into(), 7)]);
        assert_eq!(vassals.handle_exit(at(65), 7, Exit::Signal), Some(("a".into(), None)));
        assert!(vassals.is_empty());
        assert_eq!(vassals.poll_timeout(), None);
    }

    #[test]
    fn a_vassal_that_fails_again_and_again_waits_longer_each_time() {
        let mut vassals = running();
        let mut now = at(1);
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 180, 180] {
            assert_eq!(vassals.handle_exit(now, 7, Exit::Code(1)), Some(("a".into(), Some(at(expected)))));
            now += at(expected);
            assert_eq!(vassals.handle_time(now), vec![Command::Start("a".into())]);
            vassals.handle_started(now, "a", Some(7));
        }
        assert_eq!(vassals.handle_exit(now + at(20), 7, Exit::Code(1)), Some(("a".into(), Some(at(1)))));
    }

    #[test]
    fn a_changed_file_ends_the_wait() {
        let mut vassals = running();
        vassals.handle_exit(at(1), 7, Exit::Code(NOT_AGAIN));
        assert!(vassals.handle_time(at(1000)).is_empty(), "retired");
        assert_eq!(vassals.handle_scan(at(1001), &files(&[("a", 9)])), vec![Command::Start("a".into())]);
    }

    #[test]
    fn a_file_that_comes_back_while_its_vassal_stops_is_started_again() {
        let mut vassals = running();
        vassals.handle_scan(at(1), &files(&[]));
        assert!(vassals.handle_scan(at(2), &files(&[("a", 1)])).is_empty());
        vassals.handle_exit(at(3), 7, Exit::Code(0));
        assert_eq!(vassals.handle_time(at(3)), vec![Command::Start("a".into())]);
    }

    #[test]
    fn the_end_stops_everything_even_what_is_just_starting() {
        let mut vassals = running();
        vassals.handle_scan(at(1), &files(&[("a", 1), ("b", 1)]));
        assert_eq!(vassals.stop_all(at(2)), vec![Command::Stop("a".into(), 7)]);
        assert_eq!(vassals.handle_started(at(2), "b", Some(8)), vec![Command::Stop("b".into(), 8)]);
        vassals.handle_exit(at(3), 7, Exit::Code(0));
        assert!(!vassals.is_empty());
        vassals.handle_exit(at(3), 8, Exit::Code(0));
        assert!(vassals.is_empty());
    }
}
