//! Who and where this process is, how the others are, reload and stop.

use super::current;
use super::instance::{self, Instance};
use crate::ffi::gil::interpreter_address;
use margrave_stats::scoreboard::{Counter, Slot, ThreadWord, WorkerState};
use margrave_sys::clock::monotonic;
use margrave_sys::process::{Signal, memory_of, try_kill};
use margrave_sys::title::Title;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(worker_id, module)?)?;
    module.add_function(wrap_pyfunction!(mule_id, module)?)?;
    module.add_function(wrap_pyfunction!(i_am_the_spooler, module)?)?;
    module.add_function(wrap_pyfunction!(masterpid, module)?)?;
    module.add_function(wrap_pyfunction!(mypid, module)?)?;
    module.add_function(wrap_pyfunction!(ready, module)?)?;
    module.add_function(wrap_pyfunction!(workers, module)?)?;
    module.add_function(wrap_pyfunction!(total_requests, module)?)?;
    module.add_function(wrap_pyfunction!(mem, module)?)?;
    module.add_function(wrap_pyfunction!(micros, module)?)?;
    module.add_function(wrap_pyfunction!(reload, module)?)?;
    module.add_function(wrap_pyfunction!(stop, module)?)?;
    module.add_function(wrap_pyfunction!(setprocname, module)?)?;
    module.add_function(wrap_pyfunction!(set_user_harakiri, module)?)
}

fn here() -> PyResult<&'static Instance> {
    instance::get().ok_or_else(|| PyRuntimeError::new_err("this process belongs to no instance"))
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn worker_id(_ignored: &Bound<'_, PyTuple>) -> PyResult<u16> {
    Ok(here()?.worker())
}

/// No mules yet: 0 everywhere, as uWSGI says outside of mules.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn mule_id(_ignored: &Bound<'_, PyTuple>) -> u16 {
    0
}

/// `None` is uWSGI's "no".
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn i_am_the_spooler(_ignored: &Bound<'_, PyTuple>) {}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn masterpid(_ignored: &Bound<'_, PyTuple>) -> PyResult<i32> {
    Ok(here()?.master_pid)
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn mypid(_ignored: &Bound<'_, PyTuple>) -> u32 {
    std::process::id()
}

/// `True` in a worker, else `None`.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn ready(_ignored: &Bound<'_, PyTuple>) -> PyResult<Option<bool>> {
    Ok((here()?.worker() > 0).then_some(true))
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn total_requests(_ignored: &Bound<'_, PyTuple>) -> PyResult<u64> {
    Ok(here()?.row_of(0).map_or(0, |row| row.counter(Counter::Requests).load(Relaxed)))
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn mem(_ignored: &Bound<'_, PyTuple>) -> PyResult<(u64, u64)> {
    let own = margrave_sys::process::id();
    memory_of(own).ok_or_else(|| PyRuntimeError::new_err("/proc does not tell the memory of this process"))
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn micros(_ignored: &Bound<'_, PyTuple>) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Reloads the instance: a new generation takes over when it has loaded.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn reload(_ignored: &Bound<'_, PyTuple>) -> PyResult<Option<bool>> {
    Ok(try_kill(here()?.master_pid, Signal::HUP).is_ok().then_some(true))
}

/// Stops the instance at once.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn stop(_ignored: &Bound<'_, PyTuple>) -> PyResult<Option<bool>> {
    Ok(try_kill(here()?.master_pid, Signal::QUIT).is_ok().then_some(true))
}

/// The name that `ps` shows.
#[pyfunction]
#[pyo3(signature = (name, /))]
fn setprocname(name: &str) {
    if let Some(title) = Title::find() {
        title.set(name);
    }
}

/// A deadline for the request of this thread, in seconds from now; 0 takes it away.
#[pyfunction]
#[pyo3(signature = (seconds, /))]
fn set_user_harakiri(seconds: u64) -> PyResult<()> {
    let thread = current::exchange("set_user_harakiri", |exchange| exchange.thread())?;
    if let Some(row) = here()?.row() {
        let deadline = monotonic() + Duration::from_secs(seconds);
        let micros = if seconds == 0 { 0 } else { u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX) };
        row.thread(thread, ThreadWord::UserDeadline).store(micros, Relaxed);
    }
    Ok(())
}

/// One dictionary per configured worker.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn workers<'py>(py: Python<'py>, _ignored: &Bound<'_, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let instance = here()?;
    let numbers = 1..=instance.settings.process.workers;
    let dicts = numbers.map(|number| describe(py, instance, number)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, dicts)
}

/// The row that worker `number` writes to: the youngest, because a reload has two generations.
fn row_of_worker(instance: &Instance, number: u16) -> Option<(u16, Slot<'static>)> {
    let slots = u16::try_from(instance.layout.slots).unwrap_or(u16::MAX);
    let value = |row: &Slot<'static>, counter| row.counter(counter).load(Relaxed);
    (1..slots)
        .filter_map(|slot| Some((slot, instance.row_of(slot)?)))
        .filter(|(_, row)| value(row, Counter::Worker) == u64::from(number) && value(row, Counter::Pid) != 0)
        .max_by_key(|(_, row)| {
            (value(row, Counter::State) != WorkerState::Empty as u64, value(row, Counter::SpawnedAt))
        })
}

fn describe<'py>(py: Python<'py>, instance: &Instance, number: u16) -> PyResult<Bound<'py, PyDict>> {
    let found = row_of_worker(instance, number);
    let row = found.map(|(_, row)| row);
    let value = |counter| row.map_or(0, |row| row.counter(counter).load(Relaxed));
    let busy = row.is_some_and(|row| {
        (0..row.threads()).any(|t| row.thread(t, ThreadWord::BusySince).load(Relaxed) != 0)
    });
    let alive = value(Counter::State) != WorkerState::Empty as u64;
    let status: &[u8] = match (alive, busy) {
        (false, _) => b"cheap",
        (true, true) => b"busy",
        (true, false) => b"idle",
    };
    let requests = value(Counter::Requests);
    let dict = PyDict::new(py);
    dict.set_item("id", number)?;
    dict.set_item("pid", if alive { value(Counter::Pid) } else { 0 })?;
    dict.set_item("requests", requests)?;
    dict.set_item("delta_requests", requests)?;
    dict.set_item("signals", 0)?;
    dict.set_item("exceptions", value(Counter::Exceptions))?;
    dict.set_item("status", PyBytes::new(py, status))?;
    dict.set_item("rss", value(Counter::Rss))?;
    dict.set_item("vsz", value(Counter::Vsz))?;
    dict.set_item("running_time", value(Counter::RunningMicros))?;
    dict.set_item("last_spawn", value(Counter::SpawnedAt))?;
    dict.set_item("respawn_count", value(Counter::Respawns))?;
    dict.set_item("tx", value(Counter::TxBytes))?;
    dict.set_item("avg_rt", value(Counter::RunningMicros) / requests.max(1))?;
    dict.set_item("apps", PyTuple::new(py, apps(py, instance, found.map(|(slot, _)| slot))?)?)?;
    Ok(dict)
}

/// The applications as the worker in `slot` has run them.
fn apps<'py>(py: Python<'py>, instance: &Instance, slot: Option<u16>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let apps = instance.apps.facts().iter().enumerate();
    apps.map(|(number, app)| {
        let tally = slot.and_then(|slot| instance.apps.tally(slot, number));
        let dict = PyDict::new(py);
        dict.set_item("id", number)?;
        dict.set_item("modifier1", 0)?;
        dict.set_item("mountpoint", PyBytes::new(py, app.mountpoint.as_bytes()))?;
        dict.set_item("startup_time", app.startup_seconds)?;
        dict.set_item("interpreter", interpreter_address(py))?;
        dict.set_item("callable", app.callable)?;
        dict.set_item("requests", tally.map_or(0, |tally| tally.requests.load(Relaxed)))?;
        dict.set_item("exceptions", tally.map_or(0, |tally| tally.exceptions.load(Relaxed)))?;
        dict.set_item("chdir", PyBytes::new(py, b""))?;
        Ok(dict)
    })
    .collect()
}
