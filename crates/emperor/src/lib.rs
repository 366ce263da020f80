//! The emperor: one process that starts an instance for each configuration file in its directories, tells it to
//! reload when the file changes, and stops it when the file goes.
//!
//! Performs what [`margrave_lifecycle::vassals`] decides. A vassal is an ordinary master started by exec, so nothing
//! of one vassal can hurt another or the emperor.

mod sources;

use margrave_config::settings::EmperorSettings;
use margrave_lifecycle::vassals::{Command, Exit, Vassals};
use margrave_sys::clock;
use margrave_sys::poller::{Events, Poller};
use margrave_sys::process::{self, Ending, Program, Signal};
use margrave_sys::signal::{Received, Signals};
use sources::Sources;
use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two looks at the sources (uWSGI's `emperor-freq`).
const SCAN: Duration = Duration::from_secs(3);
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
    /// The system's.
    #[error("emperor: {0}")]
    System(#[from] io::Error),
}

/// Runs until it is told to stop and every vassal has ended. `executable` is what vassals are started with,
/// `signals` what this process is told.
///
/// # Errors
/// When a source cannot be read at the start, or the system has no descriptors left.
pub fn run(settings: &EmperorSettings, executable: &Path, signals: &Signals) -> Result<(), EmperorError> {
    let sources = Sources::new(&settings.sources)?;
    let poller = Poller::new()?;
    poller.add_readable(signals, 0)?;
    say(format_args!("emperor: governs {sources} (pid {})", process::id()));
    Emperor {
        settings,
        executable,
        sources,
        vassals: Vassals::default(),
        next_scan: Duration::ZERO,
        ending: false,
    }
    .rule(signals, &poller)
}

struct Emperor<'a> {
    settings: &'a EmperorSettings,
    executable: &'a Path,
    sources: Sources,
    vassals: Vassals,
    next_scan: Duration,
    ending: bool,
}

impl Emperor<'_> {
    fn rule(mut self, signals: &Signals, poller: &Poller) -> Result<(), EmperorError> {
        let mut events = Events::with_capacity(4);
        loop {
            self.handle_time();
            if self.ending && self.vassals.is_empty() {
                say(format_args!("emperor: all vassals have ended"));
                return Ok(());
            }
            poller.wait(&mut events, Some(self.timeout()))?;
            while let Some(signal) = signals.next() {
                self.handle_signal(signal);
            }
        }
    }

    fn timeout(&self) -> Duration {
        let vassals = self.vassals.poll_timeout();
        let scan = (!self.ending).then_some(self.next_scan);
        let next = vassals.into_iter().chain(scan).min();
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
            Received::Hangup => {
                say(format_args!("emperor: SIGHUP: all vassals reload"));
                let commands = self.vassals.reload_all();
                self.perform(commands);
            }
            Received::Terminate | Received::Interrupt | Received::Quit | Received::Stop => {
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
            let exit = match ending {
                Ending::Exited(code) => Exit::Code(code),
                Ending::Signaled(_) => Exit::Signal,
            };
            let Some((name, wait)) = self.vassals.handle_exit(clock::monotonic(), pid, exit) else {
                continue;
            };
            let how = match ending {
                Ending::Exited(code) => format!("ended with code {code}"),
                Ending::Signaled(number) => format!("was ended by {}", margrave_sys::signal::name(number)),
            };
            match wait {
                Some(wait) => say(format_args!(
                    "emperor: vassal {name} (pid {pid}) {how}; starting it again in {:.0} s",
                    wait.as_secs_f64()
                )),
                None => say(format_args!("emperor: vassal {name} (pid {pid}) {how}")),
            }
        }
    }

    fn perform(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(name) => self.start(&name),
                Command::Reload(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) reloads"));
                    process::kill(pid, Signal::HUP);
                }
                Command::Stop(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) is stopped"));
                    process::kill(pid, Signal::TERM);
                }
                Command::Kill(name, pid) => {
                    say(format_args!("emperor: vassal {name} (pid {pid}) does not stop and is killed"));
                    process::kill(pid, Signal::KILL);
                }
            }
        }
    }

    fn start(&mut self, name: &str) {
        let program = Program {
            path: self.executable,
            arguments: arguments(self.settings, name),
            environment: process::environment_with(
                &OWN_VARIABLES.map(str::to_owned),
                &[("UWSGI_VASSAL".into(), name.into())],
            ),
            directory: self.sources.directory_of(name),
            inherited: Vec::new(),
            output: None,
            traits: process::Traits::default(),
        };
        let pid = match process::spawn(&program) {
            Ok(pid) => {
                say(format_args!("emperor: vassal {name} starts (pid {pid})"));
                Some(pid)
            }
            Err(error) => {
                say(format_args!("emperor: vassal {name} cannot be started: {error}; trying again later"));
                None
            }
        };
        let commands = self.vassals.handle_started(clock::monotonic(), name, pid);
        self.perform(commands);
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
