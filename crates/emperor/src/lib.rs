//! The emperor: one process that starts an instance for each configuration file in its directories, tells it to
//! reload when the file changes, and stops it when the file goes.
//!
//! Performs what [`margrave_lifecycle::vassals`] decides. A vassal is an ordinary master started by exec, so nothing
//! of one vassal can hurt another or the emperor.

mod errands;
mod hooks;
mod sources;

use errands::{Cause, Errand, Errands};
use margrave_config::settings::{EmperorSettings, HookSettings, Phase};
use margrave_lifecycle::vassals::{Command, Exit, Vassals};
use margrave_sys::action::Scene;
use margrave_sys::clock;
use margrave_sys::poller::{Events, Poller};
use margrave_sys::process::{self, Ending, Program, Signal};
use margrave_sys::signal::{Received, Signals};
use sources::Sources;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two looks at the sources (uWSGI's `emperor-freq`).
const SCAN: Duration = Duration::from_secs(3);
/// At the end, longest wait for hooks of vassals that have ended.
const LAST_HOOKS: Duration = Duration::from_secs(60);
/// Variables that are about the emperor itself and not about its vassals.
const OWN_VARIABLES: [&str; 2] = ["UWSGI_RELOADS", "NOTIFY_SOCKET"];

/// Why the emperor cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmperorError {
    /// The operator's: the directory cannot be read.
    #[error("emperor: cannot read {}: {error}; give a directory of vassal files, or a pattern such as /etc/vassals/*.ini", path.display())]
    Source {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A hook of the start failed.
    #[error("{0}")]
    Hook(String),
    /// A hook of the start wants the emperor to end with this code.
    #[error("hook-emperor-start: ends the emperor with code {0}")]
    Asked(u8),
    /// The system's.
    #[error("emperor: {0}")]
    System(#[from] io::Error),
}

impl EmperorError {
    /// The exit code of the emperor.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Asked(code) => (*code).into(),
            _ => 1,
        }
    }
}

/// Runs until it is told to stop and every vassal has ended. `executable` is what vassals are started with,
/// `hooks` what is done besides, in `scene`, `signals` what this process is told.
///
/// # Errors
/// When a source cannot be read or a hook fails at the start, or the system has no descriptors left.
pub fn run(
    settings: &EmperorSettings,
    hooks: &HookSettings,
    mut scene: Scene,
    executable: &Path,
    signals: &Signals,
) -> Result<(), EmperorError> {
    let sources = Sources::new(&settings.sources)?;
    let poller = Poller::new()?;
    poller.add_readable(signals, 0)?;
    say(format_args!("emperor: governs {sources} (pid {})", process::id()));
    scene.directory = sources.home();
    hooks::at_start(hooks, &mut scene)?;
    Emperor {
        settings,
        hooks,
        scene,
        executable,
        sources,
        vassals: Vassals::default(),
        places: BTreeMap::new(),
        next_scan: Duration::ZERO,
        errands: Errands::default(),
        ending: false,
        give_up: None,
    }
    .rule(signals, &poller)
}

struct Emperor<'a> {
    settings: &'a EmperorSettings,
    hooks: &'a HookSettings,
    scene: Scene,
    executable: &'a Path,
    sources: Sources,
    vassals: Vassals,
    /// Where vassals have started.
    places: BTreeMap<String, Option<PathBuf>>,
    next_scan: Duration,
    errands: Errands,
    ending: bool,
    /// All vassals have ended; what is still done for them is not waited for any longer then.
    give_up: Option<Duration>,
}

impl Emperor<'_> {
    fn rule(mut self, signals: &Signals, poller: &Poller) -> Result<(), EmperorError> {
        let mut events = Events::with_capacity(4);
        loop {
            self.handle_time();
            if self.has_ended() {
                say(format_args!("emperor: all vassals have ended"));
                return Ok(());
            }
            poller.wait(&mut events, Some(self.timeout()))?;
            while let Some(signal) = signals.next() {
                self.handle_signal(signal);
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        if !self.ending || !self.vassals.is_empty() {
            return false;
        }
        let now = clock::monotonic();
        let give_up = *self.give_up.get_or_insert(now + LAST_HOOKS);
        self.errands.is_empty() || give_up <= now
    }

    fn timeout(&self) -> Duration {
        let vassals = self.vassals.poll_timeout();
        let scan = (!self.ending).then_some(self.next_scan);
        let next = vassals.into_iter().chain(scan).chain(self.give_up).min();
        next.map_or(SCAN, |next| next.saturating_sub(clock::monotonic()))
    }

    fn handle_time(&mut self) {
        let now = clock::monotonic();
        let commands = self.vassals.handle_time(now);
        self.perform(commands);
        if !self.ending && self.next_scan <= now {
            self.next_scan = now + SCAN;
            let found = self.sources.scan();
            let commands = self.vassals.handle_scan(now, &found);
            self.perform(commands);
        }
    }

    fn handle_signal(&mut self, signal: Received) {
        match signal {
            Received::Child => self.reap(),
            Received::Hangup | Received::EmperorReload => {
                say(format_args!("emperor: SIGHUP: all vassals reload"));
                let commands = self.vassals.reload_all();
                self.perform(commands);
            }
            Received::Terminate
            | Received::Interrupt
            | Received::Quit
            | Received::Stop
            | Received::EmperorStop => {
                if !self.ending {
                    say(format_args!("emperor: stops, and all vassals with it"));
                }
                self.ending = true;
                let commands = self.vassals.stop_all(clock::monotonic());
                self.perform(commands);
            }
            Received::User1 | Received::User2 | Received::Pause => {}
        }
    }

    fn reap(&mut self) {
        while let Some((pid, ending)) = process::reap() {
            if let Some(name) = self.errands.ended(pid) {
                if ending != Ending::Exited(0) {
                    say(format_args!("emperor: the process of hooks for vassal {name} {}", how(ending)));
                }
                self.proceed();
                continue;
            }
            let exit = match ending {
                Ending::Exited(code) => Exit::Code(code),
                Ending::Signaled(_) => Exit::Signal,
            };
            let Some((name, wait)) = self.vassals.handle_exit(clock::monotonic(), pid, exit) else {
                continue;
            };
            let how = how(ending);
            match wait {
                Some(wait) => say(format_args!(
                    "emperor: vassal {name} (pid {pid}) {how}; starting it again in {:.0} s",
                    wait.as_secs_f64()
                )),
                None => say(format_args!("emperor: vassal {name} (pid {pid}) {how}")),
            }
            let directory = self.places.remove(&name).flatten();
            if self.settings.vassals_stop_hook.is_some() {
                self.errands.add(Errand { name, directory, cause: Cause::Ended });
                self.proceed();
            }
        }
    }

    fn perform(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(name) => self.start(&name),
                Command::Reload(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) reloads"));
                    process::command_vassal(pid, Signal::HUP);
                }
                Command::Stop(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) is stopped"));
                    process::command_vassal(pid, Signal::TERM);
                }
                Command::Kill(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) does not stop and is killed"));
                    process::kill(pid, Signal::KILL);
                }
            }
        }
    }

    fn start(&mut self, name: &str) {
        let directory = self.sources.directory_of(name);
        let scene = self.scene_in(directory.as_ref());
        let variables = scene.variables.iter().map(|(name, value)| (name.into(), value.into()));
        let program = Program {
            path: self.executable,
            arguments: arguments(self.settings, name),
            environment: process::environment_with(
                &OWN_VARIABLES.map(str::to_owned),
                &variables.collect::<Vec<_>>(),
            ),
            directory: directory.clone(),
            inherited: Vec::new(),
            output: None,
            traits: process::Traits::default(),
        };
        let (hooks, start_hook) = (self.hooks, self.settings.vassals_start_hook.as_deref());
        let spawned = match start_hook.is_some() || hooks.of(Phase::AsVassal).next().is_some() {
            true => process::spawn_copy(|| hooks::become_vassal(program, name, start_hook, hooks, scene)),
            false => process::spawn(&program),
        };
        let pid = match spawned {
            Ok(pid) => {
                say(format_args!("emperor: vassal {name} starts (pid {pid})"));
                Some(pid)
            }
            Err(error) => {
                say(format_args!("emperor: vassal {name} cannot be started: {error}; trying again later"));
                None
            }
        };
        if let Some(pid) = pid.filter(|_| hooks.of(Phase::AsEmperor).next().is_some()) {
            let (name, directory) = (name.to_owned(), directory.clone());
            self.errands.add(Errand { name, directory, cause: Cause::Started(pid) });
            self.proceed();
        }
        self.places.insert(name.to_owned(), directory);
        let commands = self.vassals.handle_started(clock::monotonic(), name, pid);
        self.perform(commands);
    }

    /// Begins what can be begun beside the emperor.
    fn proceed(&mut self) {
        while let Some(errand) = self.errands.next() {
            let begun = process::spawn_copy(|| self.run_errand(&errand));
            match begun {
                Ok(pid) => self.errands.begun(pid, &errand),
                Err(error) => {
                    let name = &errand.name;
                    say(format_args!("emperor: the hooks for vassal {name} cannot be run: {error}"));
                }
            }
        }
    }

    /// In a process of its own.
    fn run_errand(&self, errand: &Errand) -> i32 {
        let mut scene = self.scene_in(errand.directory.as_ref());
        let name = &errand.name;
        match errand.cause {
            Cause::Started(pid) => {
                let (uid, gid) = process::user_and_group();
                let told = [
                    ("UWSGI_VASSAL_PID", pid.to_string()),
                    ("UWSGI_VASSAL_UID", uid.to_string()),
                    ("UWSGI_VASSAL_GID", gid.to_string()),
                ];
                scene.variables.extend(told.map(|(name, value)| (name.to_owned(), value)));
                hooks::beside_emperor(name, self.hooks, scene)
            }
            Cause::Ended => {
                if let Some(program) = &self.settings.vassals_stop_hook {
                    hooks::run_program("vassals-stop-hook", program, name, &scene);
                }
                0
            }
        }
    }

    /// Where a vassal and the hooks for it run, and with which variables.
    fn scene_in(&self, directory: Option<&PathBuf>) -> Scene {
        let mut scene = self.scene.clone();
        scene.directory = directory.cloned();
        if let Some(directory) = directory.and_then(|directory| directory.to_str()) {
            scene.variables.push(("UWSGI_VASSALS_DIR".into(), directory.into()));
        }
        scene
    }
}

fn how(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("ended with code {code}"),
        Ending::Signaled(_) => ending.to_string(),
    }
}

/// What uWSGI's Emperor gives a vassal: what comes before it and `--set`, its own file, then what it inherits and includes.
fn arguments(settings: &EmperorSettings, name: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut push = |option: &str, value: &std::ffi::OsStr| {
        arguments.push(option.into());
        arguments.push(value.into());
    };
    settings.vassals_include_before.iter().for_each(|file| push("--include", file.as_os_str()));
    settings.vassals_inherit_before.iter().for_each(|file| push("--inherit", file.as_os_str()));
    settings.vassal_set.iter().for_each(|pair| push("--set", pair.as_ref()));
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let option = match extension {
        Some("xml") => "--xml",
        Some("yaml" | "yml") => "--yaml",
        Some("json" | "js") => "--json",
        _ => "--ini",
    };
    push(option, name.as_ref());
    settings.vassals_inherit.iter().for_each(|file| push("--inherit", file.as_os_str()));
    settings.vassals_include.iter().for_each(|file| push("--include", file.as_os_str()));
    arguments
}

fn say(what: Arguments<'_>) {
    // A log that cannot be written must not stop the emperor.
    let _ = io::stderr().write_all(format!("[margrave] {what}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vassal_is_started_with_the_options_of_uwsgi_in_its_order() {
        let settings = EmperorSettings {
            vassal_set: vec!["a=b".into()],
            vassals_include: vec!["/i.ini".into()],
            vassals_inherit: vec!["/h.ini".into()],
            vassals_include_before: vec!["/ib.ini".into()],
            vassals_inherit_before: vec!["/hb.ini".into()],
            ..EmperorSettings::default()
        };
        assert_eq!(
            arguments(&settings, "x.ini"),
            [
                ["--include", "/ib.ini"],
                ["--inherit", "/hb.ini"],
                ["--set", "a=b"],
                ["--ini", "x.ini"],
                ["--inherit", "/h.ini"],
                ["--include", "/i.ini"],
            ]
            .concat()
        );
        assert_eq!(arguments(&EmperorSettings::default(), "/v/x.yml"), ["--yaml", "/v/x.yml"]);
    }
}
