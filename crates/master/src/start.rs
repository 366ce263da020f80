//! From settings to a running instance, in the order that leaves nothing behind when a step fails.

use crate::Startup;
use crate::control::{self, ControlServer};
use crate::daemon::{Detached, Promise, detach};
use crate::error::StartError;
use crate::hold::Held;
use crate::hooks::Hooks;
use crate::instance::{Instance, Parts};
use crate::interpreter::Interpreter;
use crate::listeners::{Bound, Listeners};
use crate::log::{Collector, Log};
use crate::pidfile::Pidfile;
use crate::stats::StatsServer;
use crate::upgrade::{self, Predecessor};
use margrave_config::Settings;
use margrave_config::settings::{Address, HeldFile, HostSettings, LogSettings, Phase, ProcessSettings};
use margrave_control::registry::Kind;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::action::Scene;
use margrave_sys::notify::Notifier;
use margrave_sys::privileges::Identity;
use margrave_sys::process::{self, Traits};
use margrave_sys::signal::Signals;
use margrave_sys::title::Title;
use std::path::Path;
use std::rc::Rc;

/// Runs an instance to its end; the process exit code.
#[must_use]
pub fn run(startup: Startup) -> i32 {
    let (promise, hooks, held) = match begin(&startup.settings, true) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    say_all(&startup);
    match prepare(startup, promise, hooks, held) {
        Ok(instance) => instance.run(),
        Err((error, promise)) => fail(&error, promise),
    }
}

/// Runs `body` as a program of the host: with the instance's umask, daemon, log files, pidfiles, user and title, but
/// without sockets and interpreter. `name` is its title with `auto-procname`; `body` gets the scene to which the
/// hooks of the start have led, and its exit code is that of the program.
#[must_use]
pub fn run_in_place(startup: Startup, name: &str, body: impl FnOnce(&Signals, Scene) -> i32) -> i32 {
    let (mut promise, mut hooks, _held) = match begin(&startup.settings, false) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    say_all(&startup);
    let (settings, version) = (&startup.settings, startup.version);
    // Before privileges are dropped. Without it all works, but `margrave ctl list` does not know of it.
    let _registration = control::register(settings, version, &control::name(settings), Kind::Emperor, None);
    let begun = Signals::block().map_err(StartError::system("block signals")).and_then(|signals| {
        let (pidfiles, ()) = settle_in(settings, name, &mut hooks, |_| Ok(()))?;
        Ok((signals, pidfiles))
    });
    match begun {
        Ok((signals, _pidfiles)) => {
            promise.kept();
            let code = body(&signals, hooks.scene.clone());
            // Its failures are in the log, and the end is the end.
            let _ = hooks.run(Phase::AsUserAtExit, &settings.hooks, &Log::new(settings.log.date.clone()));
            code
        }
        Err(error) => fail(&error, promise),
    }
}

/// Files that one instance holds at a time, the very first hooks, and the way into the background. An exit code for `Err`.
fn begin(settings: &Settings, needs_python: bool) -> Result<(Promise, Hooks, Held), i32> {
    let log = Log::new(settings.log.date.clone());
    let (mut hooks, mut held) = (Hooks::new(&settings.hooks), Held::default());
    // The master that this one replaces holds them until it lets go of all that has a name.
    let files: &[HeldFile] = if upgrade::is_asked_for() { &[] } else { &settings.host.held_files };
    let early = held.take(files, false, &log).and_then(|()| hooks.run(Phase::Asap, &settings.hooks, &log));
    early.map_err(|error| fail(&error, Promise::to_nobody()))?;
    let promise = detach_if_asked(settings, needs_python)?;
    match held.take(files, true, &log) {
        Ok(()) => Ok((promise, hooks, held)),
        Err(error) => Err(fail(&error, promise)),
    }
}

/// Becomes a daemon where the configuration wants one. The command that waited ends with the code of `Err`.
fn detach_if_asked(settings: &Settings, needs_python: bool) -> Result<Promise, i32> {
    let (host, log) = (&settings.host, Log::new(settings.log.date.clone()));
    if let Some(mask) = host.umask {
        process::set_umask(mask);
    }
    let wanted = host.daemonize.as_ref().or(host.daemonize2.as_ref());
    // The master that this one replaces is a daemon already.
    let Some(path) = wanted.filter(|_| !upgrade::is_asked_for()) else {
        return Ok(Promise::to_nobody());
    };
    // What can be found out while the operator still watches.
    let checked = match needs_python {
        true => Interpreter::find(&settings.python, host).map(drop),
        false => Ok(()),
    };
    let detached = checked
        .and_then(|()| open_log("daemonize", path, &settings.log))
        .and_then(|file| Ok((file, detach()?)));
    match detached {
        Ok((_, Detached::Command(Ok(())))) => Err(0),
        Ok((_, Detached::Command(Err(broken)))) => {
            log.say(Level::Error, &broken.reason);
            Err(broken.code)
        }
        Ok((file, Detached::Daemon(mut promise))) => {
            if let Err(error) = process::redirect_output(&file) {
                promise.broken(1, &format!("cannot redirect the output: {error}"));
                return Err(1);
            }
            Ok(promise)
        }
        Err(error) => {
            log.say(Level::Error, &error.to_string());
            Err(error.exit_code())
        }
    }
}

fn say_all(startup: &Startup) {
    let log = Log::new(startup.settings.log.date.clone());
    startup.notes.iter().for_each(|note| log.write(note));
}

fn fail(error: &StartError, mut promise: Promise) -> i32 {
    let level = if matches!(error, StartError::Asked(_)) { Level::Info } else { Level::Error };
    Log::new(None).say(level, &error.to_string());
    promise.broken(error.exit_code(), &error.to_string());
    error.exit_code()
}

/// Binds, writes pidfiles, drops privileges. What was made before a failing step is undone by its owner's end.
fn prepare(
    startup: Startup,
    promise: Promise,
    mut hooks: Hooks,
    held: Held,
) -> Result<Instance, (StartError, Promise)> {
    match take_place(&startup.settings, startup.version, &mut hooks) {
        Ok(place) => {
            let parts = Parts {
                settings: Rc::new(startup.settings),
                reload: startup.reload,
                log: place.log,
                collector: place.collector,
                stats: place.stats,
                control: place.control,
                signals: place.signals,
                listeners: place.listeners,
                bound: place.bound,
                pidfiles: place.pidfiles,
                held,
                predecessor: place.predecessor,
                promise,
                hooks,
                notifier: Notifier::from_environment(),
                version: startup.version,
            };
            Instance::new(parts).map_err(|error| (error, Promise::to_nobody()))
        }
        Err(error) => Err((error, promise)),
    }
}

/// What an instance holds on to.
struct Place {
    log: Log,
    collector: Option<Collector>,
    stats: Option<StatsServer>,
    control: ControlServer,
    signals: Signals,
    listeners: Listeners,
    bound: Vec<Rc<Bound>>,
    pidfiles: Vec<Pidfile>,
    predecessor: Option<Predecessor>,
}

fn take_place(settings: &Settings, version: &str, hooks: &mut Hooks) -> Result<Place, StartError> {
    let host = &settings.host;
    let interpreter = Interpreter::find(&settings.python, host)?;
    let real = interpreter.path.canonicalize().unwrap_or_else(|_| interpreter.path.clone());
    let signals = Signals::block().map_err(StartError::system("block signals"))?;
    process::use_all_descriptors().map_err(StartError::system("raise the limit of descriptors"))?;
    let mut listeners = Listeners::activated();
    let predecessor = Predecessor::find(&mut listeners)?;
    let (pidfiles, (bound, stats, (control, warnings))) =
        settle_in(settings, "uWSGI master", hooks, |settings| {
            let bound = listeners.resolve(&settings.listen, host.vacuum)?;
            if predecessor.is_some() {
                // These have names, which are still the running master's.
                return Ok((bound, None, (ControlServer::closed(settings), Vec::new())));
            }
            let stats = StatsServer::bind(&settings.stats, host.vacuum)?;
            Ok((bound, stats, ControlServer::open(settings, version)))
        })?;
    // Else another one would be found silently, or none with a sentence that misleads.
    interpreter.check_reachable(&real)?;
    let files = [&settings.log.logto2, &settings.log.logto, &host.daemonize, &host.daemonize2];
    let file = files.into_iter().flatten().next().cloned();
    let log = Log::open(&settings.log, file)?;
    let collector = Collector::new(&settings.log)?;
    warn_of_backlog(settings, &log);
    for address in listeners.unused() {
        let text = format!(
            "the service manager listens on {address}, which no option names: write it as `http-socket = {address}`, or as another kind of socket"
        );
        log.say(Level::Warning, &text);
    }
    warnings.iter().for_each(|warning| log.say(Level::Warning, warning));
    Ok(Place { log, collector, stats, control, signals, listeners, bound, pidfiles, predecessor })
}

/// Log files, pidfiles, hooks and the root directory before and after privileges are given up, and the title. `bind`
/// opens what needs them.
fn settle_in<T>(
    settings: &Settings,
    name: &str,
    hooks: &mut Hooks,
    mut bind: impl FnMut(&Settings) -> Result<T, StartError>,
) -> Result<(Vec<Pidfile>, T), StartError> {
    let (host, log) = (&settings.host, &settings.log);
    let identity = identity(host)?;
    if let Some(path) = &log.logto {
        redirect("logto", path, log)?;
    }
    if let Some(niceness) = host.niceness {
        process::set_niceness(niceness).map_err(StartError::system("set the priority that `prio` wants"))?;
    }
    let mut pidfiles = Vec::new();
    // Beside a master that serves, its names and its root are there already.
    let is_alone = !upgrade::is_asked_for();
    if let Some(path) = host.pidfile.as_ref().filter(|_| is_alone) {
        pidfiles.push(Pidfile::write("pidfile", path, host.vacuum)?);
    }
    if log.file_chown {
        let files = [&log.logto, &host.daemonize, &host.daemonize2];
        for path in files.into_iter().flatten() {
            let given = identity.give(path);
            given.map_err(|error| StartError::Unwritable {
                option: "logfile-chown",
                path: path.clone(),
                error,
            })?;
        }
    }
    let teller = Log::new(log.date.clone());
    hooks.wait(&settings.hooks, &teller)?;
    hooks.run(Phase::PreJail, &settings.hooks, &teller)?;
    if let Some(root) = host.chroot.as_ref().filter(|_| is_alone) {
        let entered = margrave_sys::privileges::change_root(root);
        entered.map_err(|error| StartError::Root { root: root.clone(), error })?;
    }
    hooks.run(Phase::InJail, &settings.hooks, &teller)?;
    if host.jailed {
        hooks.run(Phase::PostJail, &settings.hooks, &teller)?;
    }
    hooks.run(Phase::AsRoot, &settings.hooks, &teller)?;
    // A directory that a hook of the user is still to make is no failure yet.
    let bound = match bind(settings) {
        Err(StartError::Bind(error))
            if error.is_missing_directory() && settings.hooks.of(Phase::AsUser).next().is_some() =>
        {
            None
        }
        bound => Some(bound?),
    };
    if !host.master_as_root {
        give_sockets(settings, &identity)?;
        identity.assume()?;
    }
    hooks.run(Phase::AsUser, &settings.hooks, &teller)?;
    let bound = bound.map_or_else(|| bind(settings), Ok)?;
    if let Some(path) = &log.logto2 {
        redirect("logto2", path, log)?;
    }
    if let Some(path) = host.pidfile2.as_ref().filter(|_| is_alone) {
        pidfiles.push(Pidfile::write("pidfile2", path, host.vacuum)?);
    }
    hooks.settle(host.chdir.as_deref());
    show_title(&settings.process, name);
    Ok((pidfiles, bound))
}

fn open_log(option: &'static str, path: &Path, log: &LogSettings) -> Result<std::fs::File, StartError> {
    let opened = process::open_log(path, log.file_mode);
    let truncated = opened.and_then(|file| {
        // Pipes and devices have no length to lose.
        if log.truncate && file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    });
    truncated.map_err(|error| StartError::Unwritable { option, path: path.to_path_buf(), error })
}

fn redirect(option: &'static str, path: &Path, log: &LogSettings) -> Result<(), StartError> {
    let file = open_log(option, path, log)?;
    process::redirect_output(file).map_err(StartError::system("redirect the output"))
}

fn warn_of_backlog(settings: &Settings, log: &Log) {
    let most = margrave_sys::net::somaxconn();
    if let Some(backlog) = settings.listen.backlog.filter(|backlog| *backlog > most) {
        let text = format!(
            "listen = {backlog} is more than this machine allows; it is {most} now (raise net.core.somaxconn for more)"
        );
        log.say(Level::Warning, &text);
    }
}

/// With `auto-procname` the names are uWSGI's, which people's scripts look for.
fn show_title(process: &ProcessSettings, name: &str) {
    let named = process.procname_master.as_deref().or(process.procname.as_deref());
    let Some(name) = named.or(process.auto_procname.then_some(name)) else { return };
    if let Some(title) = Title::find() {
        title.set(&format!("{}{name}{}", process.procname_prefix, process.procname_append));
    }
}

/// What is different about the application's processes from the master.
///
/// # Errors
/// When a name is not known.
pub(crate) fn traits(host: &HostSettings) -> Result<Traits, StartError> {
    Ok(Traits {
        identity: if host.master_as_root { Some(identity(host)?) } else { None },
        address_space: host.limit_address_space,
        processes: host.limit_processes,
        ..Traits::default()
    })
}

/// Whom the instance becomes.
fn identity(host: &HostSettings) -> Result<Identity, StartError> {
    let identity = Identity::resolve(host.uid.as_deref(), host.gid.as_deref())?
        .with_groups(&host.add_gid, !host.no_initgroups)?
        .with_capabilities(&host.capabilities)?;
    Ok(identity)
}

/// uWSGI binds as the user whom it becomes, and the proxy in front counts on the owner of the socket file. Here ports
/// and directories of root can be used as well, so the files are given away.
fn give_sockets(settings: &Settings, identity: &Identity) -> Result<(), StartError> {
    let sockets = settings.listen.listeners.iter().filter(|_| settings.listen.chown.is_none());
    let files = sockets.map(|listener| &listener.address);
    for address in files.chain(&settings.stats.address) {
        if let Address::Unix(path) = address
            && process::is_root()
            && path.exists()
        {
            identity.give(path).map_err(StartError::system("give the sockets to the user"))?;
        }
    }
    Ok(())
}
