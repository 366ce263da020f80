//! Attributes: version, names and numbers of the instance, options, constants.

use super::instance::Instance;
use margrave_config::settings::OptValue;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

/// The uWSGI whose module this one is compatible with.
pub const COMPATIBLE: &str = "2.0.31";

pub(super) fn add(module: &Bound<'_, PyModule>, instance: &Instance) -> PyResult<()> {
    let py = module.py();
    let settings = &instance.settings;
    module.add("version", PyBytes::new(py, COMPATIBLE.as_bytes()))?;
    module.add("version_info", version_info(py)?)?;
    module.add("margrave_version", env!("CARGO_PKG_VERSION"))?;
    module.add("hostname", PyBytes::new(py, instance.host_name.as_bytes()))?;
    module.add("numproc", settings.process.workers)?;
    module.add("cores", settings.process.threads)?;
    module.add("threads", settings.process.threads)?;
    module.add("has_threads", 1)?;
    module.add("loop", py.None())?;
    module.add("unbit", py.None())?;
    module.add("buffer_size", settings.http.buffer_size)?;
    module.add("started_on", instance.started_on)?;
    module.add("is_a_reload", instance.generation > 1)?;
    module.add("sockets", instance.sockets.clone())?;
    module.add("applications", py.None())?;
    module.add("opt", options(py, &settings.opt)?)?;
    module.add("magic_table", magic_table(py, &settings.magic)?)?;
    if let Some(pidfile) = &settings.host.pidfile {
        module
            .add("pidfile", PyBytes::new(py, std::os::unix::ffi::OsStrExt::as_bytes(pidfile.as_os_str())))?;
    }
    if let Some((_, OptValue::Text(mode))) = settings.opt.iter().rev().find(|(name, _)| name == "mode") {
        module.add("mode", PyBytes::new(py, mode.as_bytes()))?;
    }
    // Spooler functions are not here yet; code that only compares with these must still load.
    for (name, value) in [("SPOOL_OK", -2), ("SPOOL_RETRY", -1), ("SPOOL_IGNORE", 0)] {
        module.add(name, value)?;
    }
    Ok(())
}

fn version_info(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let mut numbers = COMPATIBLE.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next(), 0, PyBytes::new(py, b"")).into_pyobject(py)
}

/// Names as text, values as bytes, `True` for an option that stood alone; the last of several values, as uWSGI.
fn options<'py>(py: Python<'py>, opt: &[(String, OptValue)]) -> PyResult<Bound<'py, PyDict>> {
    let table = PyDict::new(py);
    for (name, value) in opt {
        match value {
            OptValue::Flag => table.set_item(name, true)?,
            OptValue::Text(text) => table.set_item(name, PyBytes::new(py, text.as_bytes()))?,
        }
    }
    Ok(table)
}

fn magic_table<'py>(py: Python<'py>, magic: &[(char, String)]) -> PyResult<Bound<'py, PyDict>> {
    let table = PyDict::new(py);
    for (letter, text) in magic {
        let mut buffer = [0; 4];
        let key = PyBytes::new(py, letter.encode_utf8(&mut buffer).as_bytes());
        table.set_item(key, PyBytes::new(py, text.as_bytes()))?;
    }
    Ok(table)
}
