//! Where lines go: the master's own, and those of all processes where the master has to sort, change or rotate them.
//!
//! Whole lines, one write each, so that lines of several processes do not mix. A thread writes them, so that a slow disk
//! or a reader that has stopped never holds the master up; what does not fit its bounded queue is counted.

mod collector;
mod dispatch;
mod encode;
mod file;
mod syslog;
mod target;
mod writer;

pub use collector::Collector;

use crate::error::StartError;
use dispatch::Dispatcher;
use margrave_config::settings::LogSettings;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::poller::Waker;
use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;
use writer::{Item, Writer};

/// How long the end of the instance waits for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The lines of an instance.
#[derive(Debug)]
pub struct Log {
    date: Option<String>,
    is_collected: bool,
    sink: RefCell<Sink>,
}

#[derive(Debug)]
enum Sink {
    /// Lines are written where they are said.
    Direct(Box<Dispatcher>),
    /// A thread writes them.
    Thread(Writer),
}

impl Log {
    /// Writes to standard error; `date` is a strftime pattern put before each line of the master.
    #[must_use]
    pub fn new(date: Option<String>) -> Self {
        Self { date, is_collected: false, sink: RefCell::new(Sink::Direct(Box::new(Dispatcher::plain()))) }
    }

    /// Writes where the configuration says. `file` is what standard error has been redirected to, if anything.
    ///
    /// # Errors
    /// When a target cannot be opened.
    pub fn open(settings: &LogSettings, file: Option<PathBuf>) -> Result<Self, StartError> {
        let dispatcher = Dispatcher::open(settings, file)?;
        let troubles = dispatcher.troubles();
        let (date, is_collected) = (settings.date.clone(), settings.is_collected());
        let log = Self { date, is_collected, sink: RefCell::new(Sink::Direct(Box::new(dispatcher))) };
        troubles.iter().for_each(|trouble| log.say(Level::Warning, trouble));
        Ok(log)
    }

    /// From now on a thread writes. It wakes `moved` when standard error has become another file. To be called when
    /// the process has its final user and group, which the thread takes over.
    ///
    /// # Errors
    /// When threads are exhausted.
    pub fn start(&self, moved: Waker) -> io::Result<()> {
        let sink = &mut *self.sink.borrow_mut();
        if let Sink::Direct(dispatcher) = sink {
            let dispatcher = std::mem::replace(&mut **dispatcher, Dispatcher::plain());
            *sink = Sink::Thread(Writer::start(dispatcher, moved)?);
        }
        Ok(())
    }

    /// Whether a person watches on a terminal that shows colours.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !self.is_collected && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
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
        self.pass_on(format!("{line}\n").as_bytes(), false);
    }

    /// Renames the log files and goes on with new ones.
    pub fn rotate(&self) {
        match &mut *self.sink.borrow_mut() {
            Sink::Direct(dispatcher) => drop(dispatcher.rotate()),
            Sink::Thread(writer) => writer.push(Item::Rotate),
        }
    }

    /// Opens the log files anew.
    pub fn reopen(&self) {
        match &mut *self.sink.borrow_mut() {
            Sink::Direct(dispatcher) => drop(dispatcher.reopen()),
            Sink::Thread(writer) => writer.push(Item::Reopen),
        }
    }

    /// Lines that could not be written so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        match &*self.sink.borrow() {
            Sink::Direct(dispatcher) => dispatcher.lost(),
            Sink::Thread(writer) => writer.lost(),
        }
    }

    /// Waits for everything to be written, within bounds.
    pub fn finish(&self) {
        if let Sink::Thread(writer) = &*self.sink.borrow() {
            writer.finish(LAST_WORDS);
        }
    }

    /// Lines of one kind, each with its end.
    fn pass_on(&self, lines: &[u8], is_request: bool) {
        match &mut *self.sink.borrow_mut() {
            Sink::Direct(dispatcher) => drop(dispatcher.pass_on(lines, is_request)),
            Sink::Thread(writer) => writer.push_lines(lines, is_request),
        }
    }
}
