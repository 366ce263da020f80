//! From settings to a running instance, in the order that leaves nothing behind when a step fails.

use crate::Startup;
use crate::daemon::{Detached, Promise, detach};
use crate::error::StartError;
use crate::instance::{Instance, Parts};
use crate::interpreter::Interpreter;
use crate::listeners::{Bound, Listeners};
use crate::log::{Collector, Log};
use crate::pidfile::Pidfile;
use crate::stats::StatsServer;
use margrave_config::Settings;
use margrave_config::settings::{LogSettings, ProcessSettings};
use margrave_lifecycle::supervisor::Level;
use margrave_sys::privileges::Identity;
use margrave_sys::process;
use margrave_sys::signal::Signals;
use margrave_sys::title::Title;
use std::path::Path;
use std::rc::Rc;

/// Runs an instance to its end; the process exit code.
#[must_use]
pub fn run(startup: Startup) -> i32 {
    let log = Log::new(startup.settings.log.date.clone());
    let host = &startup.settings.host;
    if let Some(mask) = host.umask {
        process::set_umask(mask);
    }
    let mut promise = Promise::to_nobody();
    if let Some(path) = host.daemonize.as_ref().or(host.daemonize2.as_ref()) {
        // Found out while the operator still watches.
        let checked = Interpreter::find(&startup.settings.python, host)
            .and_then(|_| open_log("daemonize", path, &startup.settings.log));
        match checked.and_then(|file| Ok((file, detach()?))) {
            Ok((_, Detached::Command(Ok(())))) => return 0,
            Ok((_, Detached::Command(Err(broken)))) => {
                log.say(Level::Error, &broken.reason);
                return broken.code;
            }
            Ok((file, Detached::Daemon(owed))) => {
                promise = owed;
                if let Err(error) = process::redirect_output(&file) {
                    promise.broken(1, &format!("cannot redirect the output: {error}"));
                    return 1;
                }
            }
            Err(error) => {
                log.say(Level::Error, &error.to_string());
                return error.exit_code();
            }
        }
    }
    for note in &startup.notes {
        log.write(note);
    }
    match prepare(startup, promise) {
        Ok(instance) => instance.run(),
        Err((error, mut promise)) => {
            let log = Log::new(None);
            log.say(Level::Error, &error.to_string());
            promise.broken(error.exit_code(), &error.to_string());
            error.exit_code()
        }
    }
}

/// Binds, writes pidfiles, drops privileges. What was made before a failing step is undone by its owner's end.
fn prepare(startup: Startup, promise: Promise) -> Result<Instance, (StartError, Promise)> {
    match take_place(&startup) {
        Ok(place) => {
            let parts = Parts {
                settings: Rc::new(startup.settings),
                reload: startup.reload,
                log: place.log,
                collector: place.collector,
                stats: place.stats,
                signals: place.signals,
                listeners: place.listeners,
                bound: place.bound,
                pidfiles: place.pidfiles,
                promise,
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
    signals: Signals,
    listeners: Listeners,
    bound: Vec<Rc<Bound>>,
    pidfiles: Vec<Pidfile>,
}

fn take_place(startup: &Startup) -> Result<Place, StartError> {
    let mut listeners = Listeners::default();
    let settings = &startup.settings;
    let (host, log_settings) = (&settings.host, &settings.log);
    let identity = Identity::resolve(host.uid.as_deref(), host.gid.as_deref())?;
    Interpreter::find(&settings.python, host)?;
    let signals = Signals::block().map_err(StartError::system("block signals"))?;
    let bound = listeners.resolve(&settings.listen, host.vacuum)?;
    let stats = StatsServer::bind(&settings.stats, host.vacuum)?;
    if let Some(path) = &log_settings.logto {
        redirect("logto", path, log_settings)?;
    }
    let mut pidfiles = Vec::new();
    if let Some(path) = &host.pidfile {
        pidfiles.push(Pidfile::write("pidfile", path, host.vacuum)?);
    }
    identity.assume()?;
    if let Some(path) = &log_settings.logto2 {
        redirect("logto2", path, log_settings)?;
    }
    if let Some(path) = &host.pidfile2 {
        pidfiles.push(Pidfile::write("pidfile2", path, host.vacuum)?);
    }
    let files = [&log_settings.logto2, &log_settings.logto, &host.daemonize, &host.daemonize2];
    let file = files.into_iter().flatten().next().cloned();
    let log = Log::open(log_settings, file)?;
    let collector = Collector::new(log_settings)?;
    warn_of_backlog(settings, &log);
    show_title(&settings.process);
    Ok(Place { log, collector, stats, signals, listeners, bound, pidfiles })
}

fn open_log(option: &'static str, path: &Path, log: &LogSettings) -> Result<std::fs::File, StartError> {
    process::open_log(path, log.file_mode).map_err(|error| StartError::Unwritable {
        option,
        path: path.to_path_buf(),
        error,
    })
}

fn redirect(option: &'static str, path: &Path, log: &LogSettings) -> Result<(), StartError> {
    let file = open_log(option, path, log)?;
    process::redirect_output(file).map_err(StartError::system("redirect the output"))
}

fn warn_of_backlog(settings: &Settings, log: &Log) {
    let most = margrave_sys::net::somaxconn();
    if let Some(backlog) = settings.listen.backlog.filter(|backlog| *backlog > most) {
        log.say(
            Level::Warning,
            &format!("listen = {backlog} is more than this machine allows; it is {most} now (raise net.core.somaxconn for more)"),
        );
    }
}

fn show_title(process: &ProcessSettings) {
    let named = process.procname_master.as_ref().or(process.procname.as_ref());
    let name = match named {
        Some(name) => name.clone(),
        None if process.auto_procname => "margrave master".to_owned(),
        None => return,
    };
    if let Some(title) = Title::find() {
        title.set(&format!("{}{name}{}", process.procname_prefix, process.procname_append));
    }
}
