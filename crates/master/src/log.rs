//! What the master writes: whole lines, one write each, so that lines of several processes do not mix.

use margrave_lifecycle::supervisor::Level;
use std::io::{self, IsTerminal, Write};

/// The master's own lines.
#[derive(Debug)]
pub struct Log {
    date: Option<String>,
}

impl Log {
    /// Writes to standard error; `date` is a strftime pattern put before each line.
    #[must_use]
    pub fn new(date: Option<String>) -> Self {
        Self { date }
    }

    /// Whether a person watches on a terminal that shows colours.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
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

    /// A line as it is.
    pub fn write(&self, line: &str) {
        let date = self
            .date
            .as_deref()
            .map(|pattern| margrave_sys::clock::format_local(pattern, margrave_sys::clock::wall().as_secs()));
        let text = match date {
            Some(date) => format!("{date} - {line}\n"),
            None => format!("{line}\n"),
        };
        // A log that cannot be written has nowhere to complain.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
