//! Programs and commands at times beside the workers: performs what `lifecycle::daemons` and `lifecycle::cron` decide.

use crate::log::Log;
use crate::stats::{CronReport, DaemonReport};
use crate::touch::Touch;
use margrave_config::Settings;
use margrave_config::settings::{BesideSettings, CronSettings, DaemonSettings};
use margrave_lifecycle::cron::{self, Crontab, Minute, Schedule, Task};
use margrave_lifecycle::daemons::{self, Daemons, Rules};
use margrave_lifecycle::supervisor::Level;
use margrave_sys::action::Scene;
use margrave_sys::clock::{local_minute, monotonic, wall};
use margrave_sys::privileges::Identity;
use margrave_sys::process::{self, Ending, Program, Traits};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

const KILL: i32 = 9;
const TERMINATE: i32 = 15;

/// What runs beside the workers.
#[derive(Debug, Default)]
pub struct Beside {
    settings: BesideSettings,
    daemons: Daemons,
    crontab: Crontab,
    touch: Touch<usize>,
    started: bool,
    /// Somebody has asked for an end at once.
    pub hurried: bool,
}

/// Where programs run and what they get.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Shells and directory.
    pub scene: &'a Scene,
    /// The configuration, for `env` and `unenv`.
    pub settings: &'a Settings,
    /// Where they write; `None` = where we write.
    pub output: Option<BorrowedFd<'a>>,
    /// Where we write.
    pub log: &'a Log,
}

impl Beside {
    /// Begins, once.
    pub fn start(&mut self, settings: &BesideSettings) {
        if self.started {
            return;
        }
        self.started = true;
        self.settings = settings.clone();
        self.touch = watch(settings);
        self.daemons.start(settings.daemons.iter().map(rules), monotonic());
        self.crontab.set(settings.crons.iter().map(task));
    }

    /// Takes a new configuration.
    pub fn reload(&mut self, around: &Surroundings<'_>) {
        let next = &around.settings.beside;
        let place = |wanted: &DaemonSettings| {
            self.settings
                .daemons
                .iter()
                .position(|known| (&known.command, &known.pidfile) == (&wanted.command, &wanted.pidfile))
        };
        let list: Vec<(Rules, Option<usize>)> =
            next.daemons.iter().map(|daemon| (rules(daemon), place(daemon))).collect();
        let commands = self.daemons.reload(list, monotonic());
        self.settings = next.clone();
        self.touch = watch(next);
        self.crontab.set(next.crons.iter().map(task));
        self.perform(commands, around);
    }

    /// When there is something to do next. Tasks are looked for once a second, with everything else.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.daemons.poll_timeout()
    }

    /// Does what is due; `true` when the instance is to end.
    pub fn proceed(&mut self, around: &Surroundings<'_>) -> bool {
        if !self.started {
            return false;
        }
        let due = self.daemons.poll(monotonic());
        let ends = self.perform(due, around);
        for command in self.crontab.poll(monotonic(), &this_minute()) {
            self.perform_task(command, around);
        }
        ends
    }

    /// Starts programs again whose files were touched.
    pub fn look(&mut self, around: &Surroundings<'_>) {
        for (_, number) in self.touch.changed() {
            let command = self.daemons.restart(number, monotonic());
            self.perform(command.into_iter().collect(), around);
        }
    }

    /// The instance ends: no task begins any more, and programs are asked to end.
    pub fn stop(&mut self, around: &Surroundings<'_>) {
        self.started = false;
        let commands = self.daemons.stop(monotonic());
        self.perform(commands, around);
        for run in self.crontab.runs() {
            // It may have ended by itself.
            let _ = process::signal_group(run.pid, TERMINATE);
        }
    }

    /// Looks for those who are on their way out, at the end of the instance.
    pub fn wait(&mut self, around: &Surroundings<'_>) {
        let due = self.daemons.poll(monotonic());
        self.perform(due, around);
    }

    /// Whether somebody who was asked to end has not ended yet.
    pub fn is_ending(&self) -> bool {
        self.daemons.is_ending() || !self.crontab.runs().is_empty()
    }

    /// No more patience.
    pub fn kill(&mut self, around: &Surroundings<'_>) {
        let commands = self.daemons.kill_ending();
        self.perform(commands, around);
        for run in self.crontab.runs() {
            let _ = process::signal_group(run.pid, KILL);
        }
    }

    /// A child has ended: `Some` when it was of ours, with whether the instance is to end.
    pub fn handle_reaped(&mut self, pid: i32, ending: Ending, around: &Surroundings<'_>) -> Option<bool> {
        if let Some(run) = self.crontab.handle_ended(pid) {
            let took = monotonic().saturating_sub(run.since).as_secs();
            let command = self.settings.crons.get(run.task).map_or("", |cron| cron.command.as_str());
            let text = format!("cron: `{command}` (pid {pid}) {ending} after {took} s");
            let level = if ending == Ending::Exited(0) { Level::Info } else { Level::Warning };
            around.log.say(level, &text);
            return Some(false);
        }
        let (number, commands) = self.daemons.handle_exited(pid, monotonic())?;
        if let Some(daemon) = self.settings.daemons.get(number)
            && !(daemon.daemonizes && ending == Ending::Exited(0))
        {
            let text = format!("daemon: `{}` (pid {pid}) {ending}", daemon.command);
            around.log.say(if self.started { Level::Warning } else { Level::Info }, &text);
        }
        let ends = self.perform(commands, around);
        Some(self.proceed(around) || ends)
    }

    /// For the statistics: the programs with their processes and restarts.
    pub fn daemons(&self) -> Vec<DaemonReport> {
        let report = |(number, daemon): (usize, &DaemonSettings)| {
            let (pid, restarts) = self.daemons.status(number).unwrap_or((0, 0));
            DaemonReport { cmd: daemon.command.clone(), pid, respawns: restarts.into() }
        };
        self.settings.daemons.iter().enumerate().map(report).collect()
    }

    /// For the statistics: the tasks, with the process of the last run and when it began.
    pub fn crons(&self) -> Vec<CronReport> {
        let report = |(number, cron): (usize, &CronSettings)| {
            let run = self.crontab.runs().iter().rfind(|run| run.task == number);
            let age = |since| monotonic().saturating_sub(since);
            CronReport {
                minute: cron.minute,
                hour: cron.hour,
                day: cron.day,
                month: cron.month,
                week: cron.week,
                command: cron.command.clone(),
                unique: cron.unique.into(),
                legion: String::new(),
                pid: run.map_or(-1, |run| run.pid),
                started_at: run.map_or(0, |run| wall().saturating_sub(age(run.since)).as_secs()),
            }
        };
        self.settings.crons.iter().enumerate().map(report).collect()
    }

    fn perform(&mut self, commands: Vec<daemons::Command>, around: &Surroundings<'_>) -> bool {
        let mut ends = false;
        let mut queue: std::collections::VecDeque<_> = commands.into();
        while let Some(command) = queue.pop_front() {
            match command {
                daemons::Command::Start(number) => self.start_daemon(number, around),
                daemons::Command::Look(number) => {
                    let pidfile =
                        self.settings.daemons.get(number).and_then(|known| known.pidfile.as_deref());
                    let pid = pidfile.and_then(|path| running(&at(around.scene, path)));
                    queue.extend(self.daemons.handle_pidfile(number, pid, monotonic()));
                }
                daemons::Command::Stop { daemon, pid } => {
                    let number =
                        self.settings.daemons.get(daemon).map_or(TERMINATE, |known| known.stop_signal);
                    around.log.say(Level::Info, &format!("daemon: asks pid {pid} to end"));
                    // One that has ended already is reaped in a moment.
                    let _ = process::signal_group(pid, number);
                }
                daemons::Command::Reload { daemon, pid } => {
                    let number = self.settings.daemons.get(daemon).and_then(|known| known.reload_signal);
                    if let Some(number) = number
                        && process::signal_group(pid, number).is_err()
                    {
                        // One that was found by its pidfile leads no group that we have made.
                        let _ = process::signal_process(pid, number);
                    }
                }
                daemons::Command::Terminate(pid) => {
                    let _ = process::signal_group(pid, TERMINATE);
                }
                daemons::Command::Kill(pid) => {
                    let _ = process::signal_group(pid, KILL);
                }
                daemons::Command::Settle { daemon, group } => {
                    if process::signal_group(group, 0).is_err() {
                        self.daemons.handle_group_gone(daemon, monotonic());
                    }
                }
                daemons::Command::EndInstance(number) => {
                    let command =
                        self.settings.daemons.get(number).map_or("", |known| known.command.as_str());
                    let text = format!("attach-control-daemon: `{command}` has ended, so the instance ends");
                    around.log.say(Level::Warning, &text);
                    ends = true;
                }
            }
        }
        ends
    }

    fn start_daemon(&mut self, number: usize, around: &Surroundings<'_>) {
        let Some(daemon) = self.settings.daemons.get(number) else { return };
        match start_program(daemon, around) {
            Ok(pid) => {
                around.log.say(Level::Info, &format!("daemon: runs `{}` (pid {pid})", daemon.command));
                if let Some(path) = daemon.pidfile.as_deref().filter(|_| !daemon.daemonizes)
                    && let Err(error) = fs::write(at(around.scene, path), format!("{pid}\n"))
                {
                    let text = format!("daemon: cannot write the pidfile {}: {error}", path.display());
                    around.log.say(Level::Warning, &text);
                }
                self.daemons.handle_started(number, pid, monotonic());
            }
            Err(error) => {
                let command = daemon.command.clone();
                let pause = self.daemons.handle_start_failed(number, monotonic());
                let text = format!(
                    "daemon: cannot run `{command}`: {error}; it is tried again in {} s",
                    pause.as_secs()
                );
                around.log.say(Level::Error, &text);
            }
        }
    }

    fn perform_task(&mut self, command: cron::Command, around: &Surroundings<'_>) {
        match command {
            cron::Command::Run(number) => {
                let Some(cron) = self.settings.crons.get(number) else { return };
                let traits = Traits { leads: true, ..Traits::default() };
                match start_shell(&cron.command, None, traits, around) {
                    Ok(pid) => {
                        around.log.say(Level::Info, &format!("cron: runs `{}` (pid {pid})", cron.command));
                        self.crontab.handle_started(number, pid, monotonic());
                    }
                    Err(error) => {
                        around
                            .log
                            .say(Level::Error, &format!("cron: cannot run `{}`: {error}", cron.command));
                    }
                }
            }
            cron::Command::Skip(number) => {
                let command = self.settings.crons.get(number).map_or("", |cron| cron.command.as_str());
                let text = format!("cron: `{command}` still runs and is left out this time");
                around.log.say(Level::Warning, &text);
            }
            cron::Command::Kill { task, pid } => {
                let cron = self.settings.crons.get(task);
                let (command, limit) = cron.map_or(("", Duration::ZERO), |cron| {
                    (cron.command.as_str(), cron.harakiri.unwrap_or_default())
                });
                let text = format!("cron: `{command}` (pid {pid}) is killed after {} s", limit.as_secs());
                around.log.say(Level::Warning, &text);
                let _ = process::signal_group(pid, KILL);
            }
        }
    }
}

/// The files whose touch starts a program again.
fn watch(settings: &BesideSettings) -> Touch<usize> {
    let files = settings.daemons.iter().enumerate();
    Touch::new(files.flat_map(|(number, daemon)| daemon.touch.iter().map(move |path| (path.clone(), number))))
}

fn rules(daemon: &DaemonSettings) -> Rules {
    Rules {
        smart: daemon.pidfile.is_some(),
        daemonizes: daemon.daemonizes,
        control: daemon.control,
        frequency: daemon.frequency,
        max_throttle: daemon.max_throttle,
        reload_signal: daemon.reload_signal.is_some(),
    }
}

fn task(cron: &CronSettings) -> Task {
    let CronSettings { minute, hour, day, month, week, .. } = *cron;
    let schedule = Schedule { minute, hour, day, month, week };
    Task { schedule, unique: cron.unique, harakiri: cron.harakiri }
}

fn this_minute() -> Minute {
    let seconds = i64::try_from(wall().as_secs()).unwrap_or(i64::MAX);
    let [minute, hour, day, month, week] = local_minute(seconds);
    Minute { number: seconds / 60, minute, hour, day, month, week }
}

fn start_program(daemon: &DaemonSettings, around: &Surroundings<'_>) -> io::Result<i32> {
    let identity = match (&daemon.uid, &daemon.gid) {
        (None, None) => None,
        (uid, gid) => {
            let resolved = Identity::resolve(uid.as_deref(), gid.as_deref());
            Some(resolved.map_err(io::Error::other)?)
        }
    };
    let traits = Traits { leads: true, keeps_stdin: daemon.keeps_stdin, identity, ..Traits::default() };
    start_shell(&daemon.command, daemon.chdir.as_deref(), traits, around)
}

fn start_shell(
    command: &str,
    directory: Option<&Path>,
    traits: Traits,
    around: &Surroundings<'_>,
) -> io::Result<i32> {
    let scene = around.scene;
    let place = directory.map(|path| at(scene, path)).or_else(|| scene.directory.clone());
    process::spawn(&Program {
        path: scene.shell_path(),
        arguments: vec!["-c".into(), command.into()],
        environment: environment(around),
        directory: place,
        inherited: Vec::new(),
        output: around.output,
        traits,
    })
}

fn environment(around: &Surroundings<'_>) -> Vec<(OsString, OsString)> {
    let host = &around.settings.host;
    let mut removed = host.unenv.clone();
    // The service manager listens to us alone.
    removed.push(margrave_sys::notify::VARIABLE.into());
    removed.extend(
        margrave_sys::notify::OTHERS.into_iter().chain(margrave_sys::activation::VARIABLES).map(Into::into),
    );
    let set = host.env.iter().chain(&around.scene.variables);
    let added: Vec<(OsString, OsString)> = set.map(|(name, value)| (name.into(), value.into())).collect();
    process::environment_with(&removed, &added)
}

fn at(scene: &Scene, path: &Path) -> std::path::PathBuf {
    scene.directory.as_deref().map_or_else(|| path.to_owned(), |directory| directory.join(path))
}

/// The process that a pidfile names, if it runs.
fn running(pidfile: &Path) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pidfile).ok()?.trim().parse().ok()?;
    // One that is not ours to signal runs as well.
    let runs = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    (pid > 1 && process::signal_process(pid, 0).map_or_else(runs, |()| true)).then_some(pid)
}
