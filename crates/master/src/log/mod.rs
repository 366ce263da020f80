//! Where lines go: the master's own, and with `logger`, `req-logger`, `log-maxsize` or `log-master` those of all processes.
//!
//! Whole lines, one write each, so that lines of several processes do not mix. Without those options every process
//! writes to standard error itself and nothing passes through here but the master's own lines.

mod collector;
mod target;

pub use collector::Collector;

use crate::error::StartError;
use margrave_config::settings::{LogSettings, LogTarget};
use margrave_lifecycle::supervisor::Level;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use target::Target;

/// The lines of an instance.
#[derive(Debug)]
pub struct Log {
    date: Option<String>,
    /// `None`: standard error.
    targets: Option<RefCell<Targets>>,
}

/// Where collected lines go.
#[derive(Debug)]
struct Targets {
    ordinary: Vec<Target>,
    requests: Vec<Target>,
}

impl Log {
    /// Writes to standard error; `date` is a strftime pattern put before each line of the master.
    #[must_use]
    pub fn new(date: Option<String>) -> Self {
        Self { date, targets: None }
    }

    /// Writes where the configuration says. `file` is what standard error has been redirected to, if anything.
    ///
    /// # Errors
    /// When a target cannot be opened.
    pub fn open(settings: &LogSettings, file: Option<PathBuf>) -> Result<Self, StartError> {
        if !is_collected(settings) {
            return Ok(Self::new(settings.date.clone()));
        }
        let open = |list: &[LogTarget]| -> Result<Vec<Target>, StartError> {
            list.iter().map(|target| Target::open(target, settings)).collect()
        };
        let mut ordinary = open(&settings.loggers)?;
        if ordinary.is_empty() {
            ordinary.push(match file {
                Some(path) => Target::main_file(path, settings)?,
                None => Target::open(&LogTarget::Stdio, settings)?,
            });
        }
        let requests = open(&settings.request_loggers)?;
        let troubles: Vec<String> = ordinary
            .iter()
            .chain(&requests)
            .filter_map(|target| match target {
                Target::Syslog(syslog) => syslog.trouble(),
                _ => None,
            })
            .collect();
        let targets = Some(RefCell::new(Targets { ordinary, requests }));
        let log = Self { date: settings.date.clone(), targets };
        troubles.iter().for_each(|trouble| log.say(Level::Warning, trouble));
        Ok(log)
    }

    /// Whether a person watches on a terminal that shows colours.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.targets.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    /// A sentence about what happened.
    pub fn say(&self, level: Level, text: &str) {
        let mark = match level {
            Level::Info => "",
            Level::Warning => "warning: ",
            Level::Error => "error: ",
        };
        for line in text.lines() {
            self.write(&format!("margrave: {mark}{line}"));
        }
    }

    /// A line of the master as it is.
    pub fn write(&self, line: &str) {
        let date = self
            .date
            .as_deref()
            .map(|pattern| margrave_sys::clock::format_local(pattern, margrave_sys::clock::wall().as_secs()));
        let line = match date {
            Some(date) => format!("{date} - {line}"),
            None => line.to_owned(),
        };
        match &self.targets {
            // A log that cannot be written has nowhere to complain.
            None => drop(io::stderr().write_all(format!("{line}\n").as_bytes())),
            Some(targets) => {
                targets.borrow_mut().ordinary.iter_mut().for_each(|one| one.write(line.as_bytes()))
            }
        }
    }

    /// A line of another process, without its newline.
    fn pass_on(&self, line: &[u8], is_request: bool) {
        let Some(targets) = &self.targets else { return };
        let targets = &mut *targets.borrow_mut();
        let list = if is_request && !targets.requests.is_empty() {
            &mut targets.requests
        } else {
            &mut targets.ordinary
        };
        list.iter_mut().for_each(|target| target.write(line));
    }
}

/// Whether the lines of all processes pass through the master.
fn is_collected(settings: &LogSettings) -> bool {
    settings.through_master
        || settings.max_size.is_some()
        || !settings.loggers.is_empty()
        || !settings.request_loggers.is_empty()
}
