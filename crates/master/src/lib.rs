//! The native master: performs what `lifecycle` decides.
//!
//! One thread, one loop, one closed list of events. It owns the listening sockets, the pidfiles and the shared
//! counters, starts zygotes and speaks with them. It never runs Python and never waits for a child.

mod beside;
mod check;
mod control;
mod daemon;
mod error;
mod event;
mod generation;
mod hold;
mod hooks;
mod inlets;
mod instance;
mod interpreter;
mod listeners;
mod load;
mod locks;
mod log;
pub mod pidfile;
mod restart;
mod scoreboard;
mod start;
mod stats;
mod summary;
mod touch;
mod tracebacker;
mod upgrade;

pub use error::StartError;
pub use start::{run, run_in_place};

use margrave_config::Settings;
use std::fmt;

/// What the executable hands over.
#[derive(Debug)]
pub struct Startup {
    /// The configuration.
    pub settings: Settings,
    /// What it had to say, for the log: warnings, and the text of `show-config`.
    pub notes: Vec<String>,
    /// Reads it again, for a reload.
    pub reload: Reload,
    /// The version to show.
    pub version: &'static str,
}

/// A configuration that was read again.
#[derive(Debug)]
pub struct Reloaded {
    /// The new settings.
    pub settings: Settings,
    /// Lines for the log.
    pub warnings: Vec<String>,
}

/// Reads the configuration again; an error is lines for the log.
pub struct Reload(Box<dyn FnMut() -> Result<Reloaded, String>>);

impl Reload {
    /// Wraps a way to read the configuration.
    pub fn new(read: impl FnMut() -> Result<Reloaded, String> + 'static) -> Self {
        Self(Box::new(read))
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(&mut self) -> Result<Reloaded, String> {
        (self.0)()
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}
