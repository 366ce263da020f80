//! `log`: a raw line in the log.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::io::Write;

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(log, module)?)
}

#[pyfunction]
#[pyo3(signature = (line, /))]
fn log(py: Python<'_>, line: &str) -> PyResult<bool> {
    if line.contains('\0') {
        return Err(PyValueError::new_err("embedded null character"));
    }
    // In one write, so that lines of several processes do not mix.
    let line = format!("{line}\n");
    // Without the GIL, since whoever reads may be slow.
    py.detach(|| std::io::stderr().write_all(line.as_bytes()))?;
    Ok(true)
}
