//! What a worker writes to the log: one line a request, and what goes wrong on the wire.
//!
//! Lines are formed by the thread that ran the request, gathered in the reactor, and written in batches. Standard
//! error is the log: the master has made it so.

use crate::site::Site;
use margrave_config::settings::LogSettings;
use margrave_wire::Request;
use margrave_wire::{ResponseEncoder, WireError};
use std::fmt::Arguments;
use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Refused requests logged within a second; the rest is only counted.
const REFUSALS_A_SECOND: u64 = 5;

/// Decides which requests are logged, and how.
pub(crate) struct RequestLog {
    settings: LogSettings,
    worker: u16,
    /// The second, shifted left by 16, and the refusals logged in it.
    refusals: AtomicU64,
}

/// What is known of a finished request.
pub(crate) struct Line<'a> {
    pub(crate) request: &'a Request,
    pub(crate) encoder: &'a ResponseEncoder,
    pub(crate) variables: &'a [(Vec<u8>, Vec<u8>)],
    pub(crate) micros: u64,
    /// Number of the application; `None` when none was asked.
    pub(crate) app: Option<u16>,
    pub(crate) core: usize,
    pub(crate) via_file: bool,
}

impl RequestLog {
    pub(crate) fn new(settings: &LogSettings, worker: u16) -> Self {
        Self { settings: settings.clone(), worker, refusals: AtomicU64::new(0) }
    }

    /// Writes gathered lines.
    pub(crate) fn write(&self, lines: &[u8]) {
        if !lines.is_empty() {
            // A log that cannot be written must not stop a worker.
            let _ = std::io::stderr().write_all(lines);
        }
    }

    /// Writes a line of our own.
    pub(crate) fn say(&self, what: Arguments<'_>) {
        self.write(format!("[margrave] {what}\n").as_bytes());
    }

    /// A request that was refused before any application saw it.
    pub(crate) fn refusal(&self, now: Duration, client: &str, error: &WireError) {
        let second = now.as_secs();
        let before = self.refusals.load(Relaxed);
        let count = if before >> 16 == second { before & 0xffff } else { 0 };
        self.refusals.store(second << 16 | (count + 1).min(0xffff), Relaxed);
        if count < REFUSALS_A_SECOND {
            let client = if client.is_empty() { "a local client" } else { client };
            self.say(format_args!("request of {client} refused with {}: {error}", error.status()));
        }
    }

    pub(crate) fn record(&self, _site: &Site, _line: &Line<'_>, _always: bool, _out: &mut Vec<u8>) {}
}
