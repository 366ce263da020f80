//! The system's side of one generation: its zygote, sockets and shared memory; and of one worker.

use crate::error::{StartError, plain};
use crate::hooks::Hooks;
use crate::interpreter::{BOOTSTRAP, Interpreter};
use crate::listeners::Bound;
use crate::scoreboard::{Scoreboard, Scoreboards};
use margrave_config::Settings;
use margrave_config::settings::{CheaperAlgorithm, ProcessSettings};
use margrave_lifecycle::cheaper::{Algorithm, Busyness, Scaling};
use margrave_lifecycle::message::{AppReport, ListenerInfo, ToZygote, encode};
use margrave_lifecycle::supervisor::Policy;
use margrave_stats::scoreboard::Layout;
use margrave_sys::action::Scene;
use margrave_sys::channel::Channel;
use margrave_sys::process::{self, Program, Traits};
use margrave_sys::shm::memfd_with;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// A request past its deadline is first interrupted by its own worker; this much later the worker is replaced.
const OVERDUE_GRACE: Duration = Duration::from_secs(3);

/// Time for a worker whose only thread is stuck to hand on the connections it has.
const LONE_MERCY: Duration = Duration::from_secs(1);

/// Longest time a new generation has to become ready.
const RELOAD_DEADLINE: Duration = Duration::from_secs(300);

/// Deaths of a worker after which the command that waits for a daemon is told that it will not serve.
const START_ATTEMPTS: u32 = 5;

/// The rules that follow from settings.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let (process, host, reload) = (&settings.process, &settings.host, &settings.reload);
    Policy {
        workers: process.workers.max(1),
        max_requests: process.max_requests,
        max_requests_delta: process.max_requests_delta,
        max_lifetime: process.max_worker_lifetime,
        min_lifetime: process.min_worker_lifetime,
        max_resident: process.reload_on_rss,
        max_address_space: process.reload_on_as,
        worker_mercy: process.worker_mercy,
        mercy: stop_mercy(process),
        reload_deadline: RELOAD_DEADLINE,
        overdue_grace: Some(if process.harakiri_kill {
            Duration::ZERO
        } else {
            process.harakiri_grace.unwrap_or(OVERDUE_GRACE)
        }),
        overdue_mercy: (!process.harakiri_kill).then(|| overdue_mercy(process)),
        exit_on_reload: process.exit_on_reload,
        lazy: process.lazy_apps,
        max_lifetime_delta: reload.max_lifetime_delta,
        max_unique: reload.on_unique,
        max_proportional: reload.on_proportional,
        evil_resident: reload.evil_on_resident,
        evil_address_space: reload.evil_on_address_space,
        scaling: scaling(settings),
        cheap: settings.cheaper.cheap,
        idle: settings.cheaper.idle,
        die_on_idle: settings.cheaper.die_on_idle,
        drain_delay: reload.drain_delay,
        beside: false,
        check: reload.check.is_some(),
        start_attempts: (host.daemonize.is_some() || host.daemonize2.is_some()).then_some(START_ATTEMPTS),
    }
}

/// How the number of workers follows the load, where it does.
fn scaling(settings: &Settings) -> Option<Scaling> {
    let (cheaper, workers) = (&settings.cheaper, settings.process.workers.max(1));
    let least = cheaper.least?.clamp(1, workers);
    let rules = cheaper.busyness;
    let algorithm = match cheaper.algorithm {
        CheaperAlgorithm::Spare => Algorithm::Spare,
        CheaperAlgorithm::Spare2 => Algorithm::Spare2,
        CheaperAlgorithm::Backlog => Algorithm::Backlog,
        CheaperAlgorithm::Latency => Algorithm::Latency(cheaper.latency),
        CheaperAlgorithm::Manual => Algorithm::Manual,
        CheaperAlgorithm::Busyness => Algorithm::Busyness(Busyness {
            max: rules.max,
            min: rules.min,
            multiplier: rules.multiplier,
            penalty: rules.penalty,
            verbose: rules.verbose,
            backlog_alert: rules.backlog_alert,
            backlog_step: rules.backlog_step,
            backlog_multiplier: rules.backlog_multiplier,
            backlog_nonzero: rules.backlog_nonzero,
        }),
    };
    Some(Scaling {
        least,
        most: workers,
        initial: cheaper.initial.unwrap_or(least),
        step: cheaper.step,
        overload: cheaper.overload,
        idle: cheaper.idle_looks,
        soft_limit: cheaper.soft_limit,
        hard_limit: cheaper.hard_limit,
        algorithm,
    })
}

/// `reload-mercy` and `worker-reload-mercy` both bound a stop; one that was left at its default gives way to the other.
fn stop_mercy(process: &ProcessSettings) -> Duration {
    let default = ProcessSettings::default();
    match (process.mercy, process.worker_mercy) {
        (mercy, worker) if mercy == default.mercy => worker,
        (mercy, worker) if worker == default.worker_mercy => mercy,
        (mercy, worker) => mercy.min(worker),
    }
}

/// Time for the other requests of a worker with a stuck one: until their own deadline. With one thread there are none.
fn overdue_mercy(process: &ProcessSettings) -> Duration {
    let longest = if process.threads > 1 { process.harakiri } else { None };
    longest.unwrap_or(LONE_MERCY).min(process.worker_mercy)
}

/// What a zygote said when it was ready.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// `3.11.7`
    pub python: String,
    /// `sys.prefix`
    pub prefix: String,
    /// Applications, in the zygote or (with `lazy-apps`) in the first worker.
    pub apps: Vec<AppReport>,
}

/// What the workers that have had one number did, for the stats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Processes so far.
    pub spawned: u32,
    /// Wall-clock time of the last spawn.
    pub last_spawn: Duration,
    /// Requests of the processes that have gone.
    pub requests: u64,
    /// Exceptions of the processes that have gone.
    pub exceptions: u64,
    /// Response bytes of the processes that have gone.
    pub tx: u64,
    /// Time in requests of the processes that have gone, microseconds.
    pub running: u64,
    /// Workers killed for an overdue request.
    pub harakiri: u32,
}

/// A generation that has at least one process.
#[derive(Debug)]
pub struct Generation {
    /// Its settings.
    pub settings: Rc<Settings>,
    /// Its sockets, by listener number.
    pub listeners: Vec<Rc<Bound>>,
    /// The conversation with its zygote.
    pub zygote: Channel,
    /// Process id of its zygote; `None` once it was reaped.
    pub zygote_pid: Option<i32>,
    /// Its interpreter.
    pub interpreter: Interpreter,
    /// Its counters.
    pub scoreboard: Scoreboard,
    /// Send end of the socket on which its workers adopt connections.
    pub adoption: Channel,
    /// Set when the zygote closes the conversation: whether it had taken its orders, after which what it does is the
    /// application's doing. The kernel says so: a socket closed with something unread resets its peer.
    pub booted: Option<bool>,
    /// Set when a hook in the zygote has failed: the exit code that it wants, and why.
    pub failed_hook: Option<(u8, String)>,
    /// Set when the zygote is ready.
    pub loaded: Option<Loaded>,
    /// By worker number.
    pub tallies: BTreeMap<u16, Tally>,
}

/// What a generation is started from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Its number.
    pub number: u32,
    /// Its settings.
    pub settings: Rc<Settings>,
    /// Its sockets.
    pub listeners: Vec<Rc<Bound>>,
    /// Read end of the liveness pipe.
    pub liveness: BorrowedFd<'a>,
    /// Locks of the application, which outlive generations.
    pub locks: BorrowedFd<'a>,
    /// Where its processes write; `None` = where we write.
    pub output: Option<BorrowedFd<'a>>,
    /// Reloads so far.
    pub reloads: u32,
    /// What is different about its processes from the master.
    pub traits: Traits,
    /// What hooks of the master have made of it.
    pub hooks: &'a Hooks,
    /// The configuration was read again for it, so that the hooks of the start are due again.
    pub renewed: bool,
}

impl Generation {
    /// Starts the zygote of a new generation and tells it what it needs.
    ///
    /// # Errors
    /// One sentence; no process is left.
    pub fn start(plan: Plan<'_>, boards: &mut Scoreboards) -> Result<Self, StartError> {
        let settings = plan.settings;
        let interpreter = Interpreter::find(&settings.python, &settings.host)?;
        let directory = working_directory(plan.hooks.start.as_deref(), settings.host.chdir.as_deref())?;
        let start = plan.hooks.start.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        let slots = policy(&settings).slots();
        let layout = Layout {
            slots: slots.into(),
            threads: settings.process.threads.max(1).into(),
            listeners: plan.listeners.len(),
        };
        let (zygote, theirs) = Channel::pair().map_err(StartError::system("make a socket pair"))?;
        let (adoption, adopt) = Channel::pair().map_err(StartError::system("make a socket pair"))?;
        zygote.set_nonblocking().map_err(StartError::system("set up a socket pair"))?;
        let scoreboard = boards.take(layout).map_err(StartError::system("make shared memory"))?;
        let json = serde_json::to_vec(&*settings)
            .map_err(|error| StartError::system("write the settings")(error.into()))?;
        let memfd = memfd_with(&json).map_err(StartError::system("make shared memory"))?;
        let boot = ToZygote::Boot {
            generation: plan.number,
            listeners: (0..)
                .zip(&plan.listeners)
                .map(|(index, bound)| ListenerInfo { index, address: bound.address.clone() })
                .collect(),
            master_pid: process::id(),
            slots,
            renewed_in: plan.renewed.then(|| start.to_string_lossy().into_owned()),
        };
        let mut descriptors =
            vec![memfd.as_fd(), scoreboard.as_fd(), plan.liveness, adopt.as_fd(), plan.locks];
        descriptors.extend(plan.listeners.iter().map(|bound| bound.fd.as_fd()));
        let packet = encode(&boot)
            .map_err(|error| StartError::system("describe the listeners")(io::Error::other(error)))?;
        zygote.send(&packet, &descriptors).map_err(StartError::system("talk to the zygote"))?;
        let program = Program {
            path: &interpreter.path,
            arguments: arguments(&settings),
            environment: environment(
                &settings,
                &interpreter,
                theirs.as_fd(),
                plan.reloads,
                &plan.hooks.scene,
            ),
            directory,
            inherited: vec![theirs.as_fd()],
            output: plan.output,
            traits: plan.traits,
        };
        let pid = process::spawn(&program).map_err(|error| {
            StartError::Interpreter(format!(
                "cannot run the interpreter {}: {}; name a working one with `python` or `home`",
                interpreter.path.display(),
                plain(&error)
            ))
        })?;
        Ok(Self {
            settings,
            listeners: plan.listeners,
            zygote,
            zygote_pid: Some(pid),
            interpreter,
            scoreboard,
            adoption,
            booted: None,
            failed_hook: None,
            loaded: None,
            tallies: BTreeMap::new(),
        })
    }
}

/// Where `chdir` leads, each entry relative to the one before; checked here, because a failed exec cannot say why.
fn working_directory(start: Option<&Path>, chdir: Option<&Path>) -> Result<Option<PathBuf>, StartError> {
    let Some(chdir) = chdir else { return Ok(start.map(Path::to_path_buf)) };
    let directory = start.unwrap_or(Path::new("")).join(chdir);
    let entered = std::fs::metadata(&directory)
        .and_then(|found| if found.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
    entered.map_err(|error| StartError::Directory { directory: directory.clone(), error })?;
    Ok(Some(directory))
}

fn arguments(settings: &Settings) -> Vec<OsString> {
    let optimize = match settings.python.optimize {
        0 => None,
        1 => Some("-O"),
        _ => Some("-OO"),
    };
    let site = settings.python.no_site.then_some("-S");
    site.into_iter().chain(optimize).chain(["-c", BOOTSTRAP]).map(OsString::from).collect()
}

fn environment(
    settings: &Settings,
    interpreter: &Interpreter,
    control: BorrowedFd<'_>,
    reloads: u32,
    scene: &Scene,
) -> Vec<(OsString, OsString)> {
    let host = &settings.host;
    let mut added: Vec<(OsString, OsString)> =
        host.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let mut removed = host.unenv.clone();
    // What an outer margrave left must not be taken for ours.
    removed.push("MARGRAVE_PACKAGE".into());
    // The service manager listens to us, not to the application.
    removed.push(margrave_sys::notify::VARIABLE.into());
    removed.extend(
        margrave_sys::notify::OTHERS.into_iter().chain(margrave_sys::activation::VARIABLES).map(Into::into),
    );
    removed.push(crate::upgrade::VARIABLE.into());
    if let Some(package) = interpreter.fallback_package() {
        added.push(("MARGRAVE_PACKAGE".into(), package.into()));
    }
    if reloads > 0 {
        added.push(("UWSGI_RELOADS".into(), reloads.to_string().into()));
    }
    added.extend(scene.variables.iter().map(|(name, value)| (name.into(), value.into())));
    added.push(("MARGRAVE_CONTROL".into(), control.as_raw_fd().to_string().into()));
    process::environment_with(&removed, &added)
}

/// A worker process, from the fork command until it has gone.
#[derive(Debug)]
pub struct Worker {
    /// Its generation.
    pub generation: u32,
    /// Its number.
    pub worker: u16,
    /// Its row.
    pub slot: u16,
    /// The conversation with it; `None` once it closed its end.
    pub channel: Option<Channel>,
    /// Its process id, once the zygote has said it.
    pub pid: Option<i32>,
    /// Its pidfd.
    pub pidfd: Option<OwnedFd>,
    /// When its pidfd said that it has ended.
    pub ended: Option<Duration>,
    /// It said that it accepts requests.
    pub ready: bool,
    /// It was asked to finish.
    pub leaving: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mercy_that_was_set_bounds_a_stop() {
        let second = Duration::from_secs;
        for (mercy, worker_mercy, expected) in
            [(60, 60, 60), (2, 60, 2), (60, 2, 2), (60, 120, 120), (5, 9, 5)]
        {
            let (mercy, worker_mercy) = (second(mercy), second(worker_mercy));
            let process = ProcessSettings { mercy, worker_mercy, ..ProcessSettings::default() };
            assert_eq!(stop_mercy(&process), second(expected));
        }
    }

    #[test]
    fn chdir_is_relative_to_where_the_start_was() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        let found = working_directory(Some(root.path()), Some(Path::new("a"))).unwrap();
        assert_eq!(found, Some(root.path().join("a")));
        assert_eq!(working_directory(None, None).unwrap(), None);
        let error = working_directory(Some(root.path()), Some(Path::new("b"))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("chdir: cannot enter {}/b: ", root.path().display())), "{error}");
    }
}
