//! `lock`, `unlock`, `is_locked`: locks between workers that a killed holder does not block.
//!
//! Number 0 is always there, `locks = N` adds 1 to N. Waiting releases the interpreter. Not re-entrant. Workers of
//! both generations share them during a reload, unless that raises `locks`.

use super::instance::{self, Instance};
use crate::ffi::gil;
use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use std::ffi::CString;
use std::io::ErrorKind;

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(lock, module)?)?;
    module.add_function(wrap_pyfunction!(unlock, module)?)?;
    module.add_function(wrap_pyfunction!(is_locked, module)?)
}

fn find(number: i64) -> PyResult<(&'static Instance, usize)> {
    let instance = instance::get().ok_or_else(|| PyRuntimeError::new_err("no instance"))?;
    match usize::try_from(number) {
        Ok(number) if number < instance.locks.len() => Ok((instance, number)),
        _ => Err(PyValueError::new_err(format!(
            "lock {number} does not exist: there are 0 to {}; `locks = {number}` makes more",
            instance.locks.len() - 1
        ))),
    }
}

#[pyfunction]
#[pyo3(signature = (number=0, /))]
fn lock(py: Python<'_>, number: i64) -> PyResult<()> {
    let (instance, number) = find(number)?;
    if instance.locks.try_lock(number)? {
        return Ok(());
    }
    Ok(gil::without(py, || instance.locks.lock(number))?)
}

#[pyfunction]
#[pyo3(signature = (number=0, /))]
fn unlock(py: Python<'_>, number: i64) -> PyResult<()> {
    let (instance, number) = find(number)?;
    match instance.locks.unlock(number) {
        // uWSGI does nothing here; applications that rely on that should hear of their mistake all the same.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let text = format!("lock {number} is not held by this thread, so uwsgi.unlock changes nothing");
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &CString::new(text)?, 1)
        }
        result => Ok(result?),
    }
}

#[pyfunction]
#[pyo3(signature = (number=0, /))]
fn is_locked(number: i64) -> PyResult<bool> {
    let (instance, number) = find(number)?;
    Ok(instance.locks.is_locked(number)?)
}
