//! A process that the application forked, and that comes back from it.
//!
//! It has the worker's sockets and none of its native threads: what it sent would be a second answer to one request. So
//! it ends where it would begin to answer. Processes that end by `os._exit`, as those of `multiprocessing` do, or that
//! become another program, never come here.

use super::report;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// This process was forked from a worker: true of the whole process, whoever asks.
static STRAY: AtomicBool = AtomicBool::new(false);

#[pyfunction]
fn go_astray() {
    STRAY.store(true, Relaxed);
}

/// From here on, processes forked from this one are strays.
///
/// # Errors
/// When Python does not take the hook.
pub fn watch(py: Python<'_>) -> PyResult<()> {
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(go_astray, py)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hooks)).map(drop)
}

/// Ends the process if it is a stray, with the status that its `sys.exit` gave, or 0.
pub fn end_if_stray(py: Python<'_>, raised: Option<&PyErr>) {
    if STRAY.load(Relaxed) {
        end(py, raised);
    }
}

#[cold]
fn end(py: Python<'_>, raised: Option<&PyErr>) {
    report::line(
        "margrave: a process that the application forked came back from it: it ends, and its parent answers; \
         it should end by os._exit",
    );
    let exit = raised.filter(|error| error.is_instance_of::<PySystemExit>(py));
    let code = exit.and_then(|error| error.value(py).getattr("code").ok()?.extract::<i32>().ok());
    let status = code.unwrap_or(if raised.is_some() && exit.is_none() { 1 } else { 0 });
    let _ = py.import("os").and_then(|os| os.call_method1("_exit", (status,)));
    std::process::abort();
}
