//! The commands: `margrave ctl`, and `margrave stop --all`. Gives text to print and an exit code; prints nothing itself.

use crate::error::ControlError;
use crate::protocol::{Reply, Request};
use crate::registry::{self, Entry, Kind};
use crate::status;
use margrave_lifecycle::order::{Manner, Order};
use margrave_sys::process::{self, Signal};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for an answer: stacks are gathered by the workers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer at most.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Longest time that `stop --all` waits unless it is told otherwise.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// How often it looks whether a process has ended.
const STOP_LOOK: Duration = Duration::from_millis(20);

/// Words that begin an order of several words.
const BEGINNINGS: [&str; 3] = ["workers", "log", "reload"];

/// What to write about `margrave ctl`.
pub const USAGE: &str = "\
margrave ctl [--socket S | --pidfile P | NAME] [--json] ORDER
margrave ctl list [--json]
  status, stacks, statistics        what the instance does
  reload [brutal|workers|chain]     new workers, then the old ones finish
  stop, halt                        finish what is in flight, or do not
  pause, resume, sleep              take no requests, take them again, end idle workers
  workers +N, workers -N            more workers, or fewer
  log reopen, log rotate            after log files were moved, or to move them
NAME is what `margrave ctl list` shows, or a pid; without it the only instance is meant.";

/// What a command has to say.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// For the shell.
    pub exit_code: i32,
}

/// Where an order goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `--socket`
    pub socket: Option<PathBuf>,
    /// `--pidfile`
    pub pidfile: Option<PathBuf>,
    /// A name or a pid.
    pub name: Option<String>,
}

/// `margrave ctl`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Ctl {
    /// `list`
    List {
        /// As a document.
        json: bool,
    },
    /// An order to an instance.
    Order {
        /// Which instance.
        target: Target,
        /// What it is to do.
        order: Order,
        /// As a document.
        json: bool,
    },
}

impl Ctl {
    /// Takes the words behind `margrave ctl` apart.
    ///
    /// # Errors
    /// When they make no sense; then with the usage.
    pub fn parse(words: &[String]) -> Result<Self, ControlError> {
        let (target, json, rest) = options(words)?;
        let words: Vec<&str> = rest.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Err(ControlError::Usage(format!("`margrave ctl` needs an order\n{USAGE}"))),
            ["list"] => Ok(Self::List { json }),
            [first, more @ ..] => match Order::parse(&words) {
                Ok(order) => Ok(Self::Order { target, order, json }),
                // No order as a whole, so the first word is a name, unless an order begins so.
                Err(problem)
                    if more.is_empty() || BEGINNINGS.contains(first) && Order::parse(more).is_err() =>
                {
                    Err(ControlError::Usage(problem))
                }
                Err(_) => {
                    let order = Order::parse(more).map_err(ControlError::Usage)?;
                    Ok(Self::Order {
                        target: Target { name: Some((*first).to_owned()), ..target },
                        order,
                        json,
                    })
                }
            },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When there is no such instance, or it cannot be reached.
    pub fn run(self) -> Result<Said, ControlError> {
        match self {
            Self::List { json } => Ok(list(json)),
            Self::Order { target, order, json } => give(&target, order, json),
        }
    }
}

/// Options of a target, `--json`, and the words that are left.
///
/// # Errors
/// When an option is unknown or lacks its value.
pub fn options(words: &[String]) -> Result<(Target, bool, Vec<String>), ControlError> {
    let (mut target, mut json, mut rest) = (Target::default(), false, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| words.next().cloned());
            value.ok_or_else(|| ControlError::Usage(format!("`{name}` needs a value\n{USAGE}")))
        };
        match name {
            "--socket" => target.socket = Some(value()?.into()),
            "--pidfile" => target.pidfile = Some(value()?.into()),
            "--json" => json = true,
            _ if name.starts_with("--") => {
                return Err(ControlError::Usage(format!("`{name}` is no option of `margrave ctl`\n{USAGE}")));
            }
            _ => rest.push(word.clone()),
        }
    }
    Ok((target, json, rest))
}

/// An instance that was found: how it can be reached.
#[derive(Debug)]
pub struct Found {
    /// Its control socket.
    socket: Option<PathBuf>,
    /// Its name.
    name: String,
    /// Its master; 0 when only its socket is known.
    pid: i32,
}

impl Target {
    /// Finds the instance.
    ///
    /// # Errors
    /// When there is none, or more than one could be meant.
    pub fn find(&self) -> Result<Found, ControlError> {
        if let Some(socket) = &self.socket {
            let name = socket.display().to_string();
            return Ok(Found { socket: Some(socket.clone()), name, pid: 0 });
        }
        let running = registry::list();
        if let Some(pidfile) = &self.pidfile {
            let pid = pid_of(pidfile)?;
            let entry = running.into_iter().find(|entry| entry.pid == pid);
            let socket = entry
                .and_then(|entry| entry.socket)
                .or_else(|| Some(beside(pidfile)).filter(|path| path.exists()));
            return Ok(Found { socket, name: pidfile.display().to_string(), pid });
        }
        choose(running, self.name.as_deref()).map(Found::from)
    }
}

impl From<Entry> for Found {
    fn from(entry: Entry) -> Self {
        Self { socket: entry.socket, name: entry.name, pid: entry.pid }
    }
}

/// The control socket beside a pidfile.
#[must_use]
pub fn beside(pidfile: &Path) -> PathBuf {
    let mut name = pidfile.as_os_str().to_owned();
    name.push(".control");
    PathBuf::from(name)
}

fn choose(running: Vec<Entry>, wanted: Option<&str>) -> Result<Entry, ControlError> {
    let known = running
        .iter()
        .map(|entry| format!("{} (pid {})", entry.name, entry.pid))
        .collect::<Vec<_>>()
        .join(", ");
    let is_meant =
        |entry: &Entry| wanted.is_none_or(|name| entry.name == name || entry.pid.to_string() == name);
    let mut meant: Vec<Entry> = running.into_iter().filter(is_meant).collect();
    match (meant.len(), wanted) {
        (0, None) => Err(ControlError::NoInstance),
        (0, Some(_)) if known.is_empty() => Err(ControlError::NoInstance),
        (0, Some(wanted)) => {
            Err(ControlError::Unknown { wanted: wanted.to_owned(), known: format!("these run: {known}") })
        }
        (1, _) => Ok(meant.swap_remove(0)),
        _ => Err(ControlError::Ambiguous(known)),
    }
}

fn pid_of(pidfile: &Path) -> Result<i32, ControlError> {
    let shown = pidfile.display();
    let text = fs::read_to_string(pidfile).map_err(|error| {
        ControlError::Pidfile(format!("cannot read {shown}: {error}; is the instance running?"))
    })?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 1);
    pid.ok_or_else(|| {
        ControlError::Pidfile(format!(
            "{shown} does not hold a process id; give the file that `pidfile` names"
        ))
    })
}

/// A conversation with an instance.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to a control socket.
    ///
    /// # Errors
    /// When nobody listens there, or somebody who is not trusted.
    pub fn connect(socket: &Path) -> Result<Self, ControlError> {
        let unreachable = |error| ControlError::Unreachable { socket: socket.into(), error };
        let owner = fs::symlink_metadata(socket).map_err(unreachable)?.uid();
        let user = process::effective_user();
        if owner != user && owner != 0 && user != 0 {
            return Err(ControlError::Foreign(socket.into()));
        }
        let stream = UnixStream::connect(socket).map_err(unreachable)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(unreachable)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When it does not come, or is none.
    pub fn ask(&mut self, order: Order) -> Result<Reply, ControlError> {
        let garbled = |problem: &dyn std::fmt::Display| ControlError::Garbled(problem.to_string());
        let mut line =
            serde_json::to_vec(&Request { order: order.to_string() }).map_err(|error| garbled(&error))?;
        line.push(b'\n');
        // Whoever may not ask is told so before it does.
        let written = self.stream.get_mut().write_all(&line);
        let mut answer = Vec::new();
        (&mut self.stream)
            .take(LONGEST_ANSWER)
            .read_until(b'\n', &mut answer)
            .map_err(|error| garbled(&error))?;
        if answer.is_empty() {
            written.map_err(|error| garbled(&error))?;
            return Err(garbled(&"it closed the connection"));
        }
        serde_json::from_slice(&answer).map_err(|error| garbled(&error))
    }
}

impl Found {
    /// Connects to it.
    ///
    /// # Errors
    /// When it has no socket, or does not answer there.
    pub fn connect(&self, order: Order) -> Result<Client, ControlError> {
        let missing =
            || ControlError::NoSocket { name: self.name.clone(), pid: self.pid, order: order.to_string() };
        Client::connect(self.socket.as_deref().ok_or_else(missing)?)
    }
}

fn give(target: &Target, order: Order, json: bool) -> Result<Said, ControlError> {
    let found = target.find()?;
    let reply = match found.connect(order) {
        Ok(mut client) => client.ask(order)?,
        Err(problem) => signal(&found, order).ok_or(problem)?,
    };
    let exit_code = i32::from(!reply.done);
    let text = match (json, reply.status.is_null()) {
        (true, _) => serde_json::to_string_pretty(&reply).unwrap_or_default(),
        (false, false) => status::text(&reply.status),
        (false, true) => format!("{}: {}", found.name, reply.text),
    };
    Ok(Said { text, exit_code })
}

/// Orders that a signal can carry, for an instance that cannot be talked to.
fn signal(found: &Found, order: Order) -> Option<Reply> {
    if found.pid <= 1 {
        return None;
    }
    let sent = match order {
        Order::Stop => process::ask_to_stop(found.pid),
        Order::Halt => process::try_kill(found.pid, Signal::INT),
        Order::Reload(Manner::Graceful) => process::try_kill(found.pid, Signal::HUP),
        Order::TogglePause => process::try_kill(found.pid, Signal::TSTP),
        Order::Stacks => process::try_kill(found.pid, Signal::USR1),
        _ => return None,
    };
    sent.ok().map(|()| Reply::done(format!("asked by a signal to {order}; its log says what came of it")))
}

fn list(json: bool) -> Said {
    let running = registry::list();
    let text =
        if json { serde_json::to_string_pretty(&running).unwrap_or_default() } else { table(&running) };
    Said { text, exit_code: 0 }
}

fn table(running: &[Entry]) -> String {
    if running.is_empty() {
        return "no instance of this user runs on this machine".to_owned();
    }
    let head = ["name", "pid", "version", "directory", "control socket"].map(str::to_owned);
    let rows = running.iter().map(|entry| {
        let socket = entry.socket.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let name = match entry.kind {
            Kind::Instance => entry.name.clone(),
            Kind::Emperor => format!("{} (emperor)", entry.name),
        };
        [name, entry.pid.to_string(), entry.version.clone(), entry.directory.display().to_string(), socket]
    });
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).map(Vec::from).collect();
    status::columns(&rows)
}

/// `margrave stop --all`: ends every instance of this user, and waits for the ends. Emperors go first, since they start
/// their vassals again. `left` gets a line for each.
///
/// # Errors
/// When the words make no sense.
pub fn stop_all(words: &[String], say: &mut dyn FnMut(String)) -> Result<i32, ControlError> {
    let patience = match words {
        [all] if all == "--all" => STOP_PATIENCE,
        [all, name, seconds] if all == "--all" && name == "--timeout" => {
            let seconds = seconds.parse().map_err(|_| {
                ControlError::Usage(format!("`{seconds}` is no number of seconds; write --timeout 60"))
            })?;
            Duration::from_secs(seconds)
        }
        _ => {
            let usage =
                "write `margrave stop --all [--timeout SECONDS]`, or `margrave --stop PIDFILE` for one";
            return Err(ControlError::Usage(usage.to_owned()));
        }
    };
    let deadline = Instant::now() + patience;
    let (emperors, others): (Vec<Entry>, Vec<Entry>) =
        registry::list().into_iter().partition(|entry| entry.kind == Kind::Emperor);
    if emperors.is_empty() && others.is_empty() {
        say("no instance of this user runs on this machine".to_owned());
        return Ok(0);
    }
    let mut left = 0;
    for group in [emperors, others] {
        let asked: Vec<Entry> =
            group.into_iter().filter(|entry| entry.is_alive() && ask_to_stop(entry, say)).collect();
        left += await_ends(asked, deadline, say);
    }
    Ok(i32::from(left > 0))
}

fn ask_to_stop(entry: &Entry, say: &mut dyn FnMut(String)) -> bool {
    match process::ask_to_stop(entry.pid) {
        Ok(()) => true,
        Err(error) => {
            say(format!("{} (pid {}) cannot be stopped: {error}", entry.name, entry.pid));
            // It has ended by itself, or it is counted as left.
            entry.is_alive()
        }
    }
}

fn await_ends(mut waiting: Vec<Entry>, deadline: Instant, say: &mut dyn FnMut(String)) -> usize {
    loop {
        waiting.retain(|entry| {
            let alive = entry.is_alive();
            if !alive {
                say(format!("{} (pid {}) has ended", entry.name, entry.pid));
            }
            alive
        });
        if waiting.is_empty() || Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(STOP_LOOK);
    }
    for entry in &waiting {
        say(format!("{} (pid {}) still runs; it may be finishing requests", entry.name, entry.pid));
    }
    waiting.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn orders_are_told_from_names() {
        let named = |name: &str| Target { name: Some(name.into()), ..Target::default() };
        let socket = Target { socket: Some("/s".into()), ..Target::default() };
        let graceful = Order::Reload(Manner::Graceful);
        for (text, target, order, json) in [
            ("status", Target::default(), Order::Status, false),
            ("log reopen --json", Target::default(), Order::ReopenLogs, true),
            ("site workers +2", named("site"), Order::Workers(2), false),
            ("reload reload", named("reload"), graceful, false),
            ("reload chain", Target::default(), Order::ChainReload, false),
            ("--socket=/s stop", socket.clone(), Order::Stop, false),
            ("--json --socket /s stop", socket, Order::Stop, true),
        ] {
            assert_eq!(Ctl::parse(&words(text)).unwrap(), Ctl::Order { target, order, json }, "{text}");
        }
        assert_eq!(Ctl::parse(&words("list")).unwrap(), Ctl::List { json: false });
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        for (text, expected) in [
            ("", "needs an order"),
            ("relaod", "`relaod` is no order"),
            ("site relaod", "`relaod` is no order"),
            ("workers 4", "write +1 or -1"),
            ("log rotation", "`log rotation` is no order"),
            ("--sokcet /s status", "`--sokcet` is no option"),
            ("status --socket", "`--socket` needs a value"),
        ] {
            let error = Ctl::parse(&words(text)).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn one_of_several_instances_must_be_named() {
        let entry = |name: &str, pid| Entry {
            name: name.into(),
            pid,
            started: 1,
            kind: Kind::Instance,
            socket: None,
            pidfile: None,
            directory: "/".into(),
            version: "0".into(),
        };
        let running = || vec![entry("a", 10), entry("b", 11), entry("b", 12)];
        let chosen = |name| choose(running(), name).map(|entry| entry.pid).map_err(|error| error.to_string());
        assert_eq!(chosen(Some("a")), Ok(10));
        assert_eq!(chosen(Some("12")), Ok(12));
        assert!(chosen(Some("b")).unwrap_err().starts_with("several instances run"));
        assert!(chosen(None).unwrap_err().contains("a (pid 10), b (pid 11)"));
        assert!(chosen(Some("c")).unwrap_err().contains("no instance is named `c`; these run: a (pid 10)"));
        assert!(matches!(choose(Vec::new(), Some("a")), Err(ControlError::NoInstance)));
    }
}
