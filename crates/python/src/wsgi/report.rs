//! What goes wrong with an application, in the log exactly once.
//!
//! Exceptions are formatted by `margrave.report` (Python's own formatting, or the application's `sys.excepthook`) and
//! written in one piece, so that workers do not mix their lines.

use pyo3::prelude::*;
use std::io::Write;

/// Writes one line to the log.
pub fn line(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // One event is one line, whatever an application puts into its names and values.
        line.push(if character.is_control() && character != '\t' { ' ' } else { character });
    }
    line.push('\n');
    // Nobody is left to tell when the log itself cannot be written.
    let _ = std::io::stderr().write_all(line.as_bytes());
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
