//! Hooks of the master: those of the start, which are waited for, and errands of the running master, which are not.
//!
//! Hooks of the zygote and of workers run in those processes (`python::hooks`). A reload runs the hooks of the start
//! again in the new generation's zygote, since this process has given up its privileges and never waits.

use crate::error::StartError;
use crate::log::Log;
use margrave_config::settings::{Action, Await, Hook, HookSettings, Phase, SignalOrder};
use margrave_lifecycle::order::Order;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::action::{ActionError, Effect, Scene, wait_for_interface, wait_for_path, wait_for_socket};
use margrave_sys::process::Ending;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// Most errands that wait for their turn: touches of a file that come faster than its command ends are as good as one.
const MOST_ERRANDS: usize = 1000;

/// What hooks have made of the master so far.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Where the next one runs.
    pub scene: Scene,
    /// Where hooks of the start have led to; `None` = where the master was started.
    pub start: Option<PathBuf>,
    /// What signals mean instead.
    pub signals: BTreeMap<i32, SignalOrder>,
    /// What the emperor wants, once no errand is left.
    pub postponed: Option<Order>,
    waiting: VecDeque<(Hook, Weight)>,
    running: Option<(i32, Hook, Weight)>,
}

/// What the failure of an errand means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The instance ends.
    Fatal,
    /// It is in the log.
    Light,
}

/// What came of an errand.
#[derive(Debug, PartialEq, Eq)]
pub enum Errand {
    /// It is done, or goes on without us.
    Fine,
    /// It failed, and the instance is to end for this reason.
    Fatal(String),
    /// It asks for the end of the instance.
    Exit(u8),
}

impl Hooks {
    /// At the start.
    #[must_use]
    pub fn new(settings: &HookSettings) -> Self {
        let scene = Scene {
            shells: settings.shells.clone(),
            path_patience: settings.path_patience,
            socket_patience: settings.socket_patience,
            ..Scene::default()
        };
        Self { scene, ..Self::default() }
    }

    /// The start is over: from here on hooks run where the application does. The master itself never moves, so that a
    /// reload reads the same files again.
    pub fn settle(&mut self, chdir: Option<&Path>) {
        self.start = self.scene.directory.take();
        self.follow(chdir);
    }

    /// The configuration was read again.
    pub fn follow(&mut self, chdir: Option<&Path>) {
        let start = self.start.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        self.scene.directory = Some(chdir.map_or_else(|| start.clone(), |chdir| start.join(chdir)));
    }

    /// Runs the hooks of a phase of the start, one after the other.
    ///
    /// # Errors
    /// The first that fails, or that asks for the end.
    pub fn run(&mut self, phase: Phase, settings: &HookSettings, log: &Log) -> Result<(), StartError> {
        for hook in settings.of(phase) {
            announce(hook, log);
            match self.scene.perform(&hook.action) {
                Ok(effect) => self.take(effect, log).map_err(StartError::Asked)?,
                Err(error) if phase.is_fatal() => return Err(StartError::Hook(failure(hook, &error))),
                Err(error) => log.say(Level::Warning, &failure(hook, &error)),
            }
        }
        Ok(())
    }

    /// Waits for what must be there before hooks of root run.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait(&self, settings: &HookSettings, log: &Log) -> Result<(), StartError> {
        for awaited in &settings.awaited {
            let (option, came) = match awaited {
                Await::Interface(name) => {
                    log.say(Level::Info, &format!("waits for the network interface {name}"));
                    ("wait-for-interface", wait_for_interface(name, settings.interface_patience))
                }
                Await::Path(path, kind) => {
                    log.say(Level::Info, &format!("waits for {}", path.display()));
                    ("wait-for-fs", wait_for_path(path, *kind, settings.path_patience))
                }
                Await::Socket(address) => {
                    log.say(Level::Info, "waits for a socket");
                    ("wait-for-socket", wait_for_socket(address, settings.socket_patience))
                }
            };
            came.map_err(|error| {
                StartError::Hook(format!(
                    "{option}: {error}; start it first, or raise `{option}-timeout` if it is only slow"
                ))
            })?;
        }
        Ok(())
    }

    /// Puts the hooks of a phase among the errands of the running master.
    pub fn enqueue_phase(&mut self, phase: Phase, settings: &HookSettings) {
        let weight = if phase.is_fatal() { Weight::Fatal } else { Weight::Light };
        settings.of(phase).for_each(|hook| self.enqueue(hook.clone(), weight));
    }

    /// Puts one hook among the errands.
    pub fn enqueue(&mut self, hook: Hook, weight: Weight) {
        let is_known = self.waiting.iter().any(|(known, _)| *known == hook);
        if !is_known && self.waiting.len() < MOST_ERRANDS {
            self.waiting.push_back((hook, weight));
        }
    }

    /// Begins errands until one has to be waited for.
    pub fn proceed(&mut self, log: &Log) -> Errand {
        while self.running.is_none() {
            let Some((hook, weight)) = self.waiting.pop_front() else { return Errand::Fine };
            announce(&hook, log);
            let begun = match &hook.action {
                Action::Execute(command) | Action::ExecuteSafely(command) => self
                    .scene
                    .start(command)
                    .map(Some)
                    .map_err(|error| format!("{}: cannot run `{command}`: {error}", hook.place())),
                action => match self.scene.perform(action) {
                    Ok(effect) => match self.take(effect, log) {
                        Ok(()) => Ok(None),
                        Err(code) => return Errand::Exit(code),
                    },
                    Err(error) => Err(failure(&hook, &error)),
                },
            };
            match begun {
                Ok(Some(pid)) => self.running = Some((pid, hook, weight)),
                Ok(None) => {}
                Err(text) => {
                    if let failed @ Errand::Fatal(_) = weigh(weight, text, log) {
                        return failed;
                    }
                }
            }
        }
        Errand::Fine
    }

    /// What was put off until the errands are done, when they are.
    pub fn take_postponed(&mut self) -> Option<Order> {
        let is_idle = self.running.is_none() && self.waiting.is_empty();
        self.postponed.take_if(|_| is_idle)
    }

    /// A child has ended: what that means when it is ours; `None` when it is not.
    pub fn handle_reaped(&mut self, pid: i32, ending: Ending, log: &Log) -> Option<Errand> {
        let (_, hook, weight) = self.running.take_if(|(running, ..)| *running == pid)?;
        if ending != Ending::Exited(0) && !matches!(hook.action, Action::ExecuteSafely(_)) {
            let text = format!("{}: the command {ending}", hook.place());
            if let failed @ Errand::Fatal(_) = weigh(weight, text, log) {
                return Some(failed);
            }
        }
        Some(self.proceed(log))
    }

    fn take(&mut self, effect: Effect, log: &Log) -> Result<(), u8> {
        match effect {
            Effect::None => {}
            Effect::Print(text) => log.write(&text),
            Effect::Exit(code) => return Err(code),
            Effect::BindSignal(number, order) => {
                self.signals.insert(number, order);
            }
        }
        Ok(())
    }
}

fn weigh(weight: Weight, text: String, log: &Log) -> Errand {
    match weight {
        Weight::Fatal => Errand::Fatal(text),
        Weight::Light => {
            log.say(Level::Warning, &text);
            Errand::Fine
        }
    }
}

fn announce(hook: &Hook, log: &Log) {
    log.say(Level::Info, &format!("{}: runs `{}`", hook.option, hook.text));
}

fn failure(hook: &Hook, error: &ActionError) -> String {
    format!("{} failed: {error}", hook.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(action: Action) -> Hook {
        let option = "hook-touch".to_owned();
        Hook { phase: Phase::MasterStart, action, text: "exec:x".into(), option, origin: "a.ini:3".into() }
    }

    #[test]
    fn errands_run_one_after_the_other_and_equal_ones_once() {
        let log = Log::new(None);
        let mut hooks = Hooks::default();
        let (slow, bound) =
            (hook(Action::Execute("exit 3".into())), hook(Action::BindSignal(15, SignalOrder::Halt)));
        hooks.enqueue(slow.clone(), Weight::Light);
        hooks.enqueue(slow, Weight::Light);
        hooks.enqueue(bound, Weight::Light);
        assert_eq!(hooks.proceed(&log), Errand::Fine);
        assert!(hooks.signals.is_empty(), "the second waits for the first");
        let pid = hooks.running.as_ref().unwrap().0;
        assert_eq!(hooks.handle_reaped(pid + 1, Ending::Exited(0), &log), None);
        assert_eq!(hooks.handle_reaped(pid, Ending::Exited(3), &log), Some(Errand::Fine));
        assert_eq!(hooks.signals.get(&15), Some(&SignalOrder::Halt));
        assert!(hooks.waiting.is_empty() && hooks.running.is_none());
    }

    #[test]
    fn a_failing_errand_of_weight_ends_the_instance() {
        let log = Log::new(None);
        let mut hooks = Hooks::default();
        hooks.enqueue(hook(Action::Execute("false".into())), Weight::Fatal);
        hooks.proceed(&log);
        let pid = hooks.running.as_ref().unwrap().0;
        let text = "a.ini:3: hook-touch: `exec:x`: the command exited with code 1".to_owned();
        assert_eq!(hooks.handle_reaped(pid, Ending::Exited(1), &log), Some(Errand::Fatal(text)));
        hooks.enqueue(hook(Action::Exit(4)), Weight::Light);
        assert_eq!(hooks.proceed(&log), Errand::Exit(4));
    }
}
