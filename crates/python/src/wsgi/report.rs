//! What goes wrong with an application, in the log exactly once.
//!
//! Exceptions are formatted by `margrave.report` (Python's own formatting, or the application's `sys.excepthook`) and
//! written in one piece, so that workers do not mix their lines.

use margrave_server::Log;
use pyo3::prelude::*;
use std::io::Write;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};

/// The log of the worker, and whose it is: a child that the application forks has no thread that writes.
static LOG: OnceLock<(u32, Log)> = OnceLock::new();
/// The worker's threads serve, and must not wait for whoever reads the log.
static SERVES: AtomicBool = AtomicBool::new(false);

/// From now on nothing that is written here waits for the log.
pub fn begin(log: Log) {
    let _ = LOG.set((process::id(), log));
    SERVES.store(true, Release);
}

/// What is written from now on is written at once: the process may end right after it.
pub fn end() {
    if SERVES.swap(false, Release)
        && let Some((_, log)) = LOG.get()
    {
        log.flush();
    }
}

/// Writes whole lines to the log, in one piece.
#[pyfunction]
pub fn write_log(lines: &[u8]) {
    match LOG.get() {
        Some((owner, log)) if SERVES.load(Acquire) && *owner == process::id() => log.write(lines),
        // Nobody is left to tell when the log itself cannot be written.
        _ => _ = std::io::stderr().write_all(lines),
    }
}

/// Writes one line to the log.
pub fn line(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // One event is one line, whatever an application puts into its names and values.
        line.push(if character.is_control() && character != '\t' { ' ' } else { character });
    }
    line.push('\n');
    write_log(line.as_bytes());
}

/// Writes the traceback of `error`, with what caused it.
pub fn exception(py: Python<'_>, error: PyErr) {
    let value = error.into_value(py);
    let written = py.import("margrave.report").and_then(|report| report.call_method1("exception", (&value,)));
    if written.is_err() {
        PyErr::from_value(value.into_bound(py).into_any()).display(py);
    }
}

/// The traceback of `error` as text, for `catch-exceptions`.
#[must_use]
pub fn traceback(py: Python<'_>, error: &PyErr) -> String {
    py.import("margrave.report")
        .and_then(|report| report.call_method1("traceback", (error.value(py),)))
        .and_then(|text| text.extract())
        .unwrap_or_else(|_| error.to_string())
}
