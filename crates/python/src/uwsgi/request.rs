//! Functions on the request that the calling thread runs.

use super::current;
use crate::wsgi::input::Reader;
use margrave_wire::Known;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// Most bytes that one `chunked_read` gives.
const PART: usize = 1024 * 1024;

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(request_id, module)?)?;
    module.add_function(wrap_pyfunction!(connection_fd, module)?)?;
    module.add_function(wrap_pyfunction!(is_connected, module)?)?;
    module.add_function(wrap_pyfunction!(disconnect, module)?)?;
    module.add_function(wrap_pyfunction!(cl, module)?)?;
    module.add_function(wrap_pyfunction!(set_logvar, module)?)?;
    module.add_function(wrap_pyfunction!(get_logvar, module)?)?;
    module.add_function(wrap_pyfunction!(log_this_request, module)?)?;
    module.add_function(wrap_pyfunction!(chunked_read, module)?)?;
    module.add_function(wrap_pyfunction!(chunked_read_nb, module)?)
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn request_id(_ignored: &Bound<'_, PyTuple>) -> PyResult<u64> {
    current::exchange("request_id", |exchange| exchange.request_id())
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn connection_fd(_ignored: &Bound<'_, PyTuple>) -> PyResult<i32> {
    current::exchange("connection_fd", |exchange| exchange.connection_fd())
}

/// Whether the client is still there. Any descriptor may be asked about; that of the request is known best.
#[pyfunction]
#[pyo3(signature = (fd, /))]
fn is_connected(fd: i32) -> bool {
    let own = current::exchange("is_connected", |exchange| {
        (exchange.connection_fd() == fd).then(|| exchange.is_connected())
    });
    match own {
        Ok(Some(connected)) => connected,
        _ => margrave_sys::file::is_connected(fd),
    }
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn disconnect(_ignored: &Bound<'_, PyTuple>) -> PyResult<()> {
    current::exchange("disconnect", |exchange| exchange.disconnect())
}

/// Content-Length as a number; 0 when there is none.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn cl(_ignored: &Bound<'_, PyTuple>) -> PyResult<u64> {
    current::exchange("cl", |exchange| {
        let value = exchange.request().var(Known::ContentLength).unwrap_or_default();
        std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    })
}

#[pyfunction]
#[pyo3(signature = (key, value, /))]
fn set_logvar(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let (key, value) = (text_or_bytes(key)?, text_or_bytes(value)?);
    current::exchange("set_logvar", |exchange| exchange.set_log_variable(&key, &value))
}

#[pyfunction]
#[pyo3(signature = (key, /))]
fn get_logvar<'py>(py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let key = text_or_bytes(key)?;
    let value = current::exchange("get_logvar", |exchange| exchange.log_variable(&key).map(<[u8]>::to_vec))?;
    Ok(value.map(|value| PyBytes::new(py, &value)))
}

#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn log_this_request(_ignored: &Bound<'_, PyTuple>) -> PyResult<()> {
    current::exchange("log_this_request", |exchange| exchange.log_this_request(true))
}

/// The next part of the body, as soon as there is one; empty at its end. How long the client may take is the
/// server's to say (`body-timeout`), so the timeout does not matter.
#[pyfunction]
#[pyo3(signature = (_timeout=0, /))]
fn chunked_read(py: Python<'_>, _timeout: i64) -> PyResult<Bound<'_, PyBytes>> {
    current::request("chunked_read", |exchange, state| Reader::new(exchange, state).read_part(py, PART))?
}

/// The same without waiting: `None` where the client has sent nothing more yet.
#[pyfunction]
#[pyo3(signature = (*_ignored))]
fn chunked_read_nb<'py>(
    py: Python<'py>,
    _ignored: &Bound<'_, PyTuple>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    current::request("chunked_read_nb", |exchange, state| {
        Reader::new(exchange, state).read_arrived(py, PART)
    })?
}

/// C's `s#`: text as UTF-8, or bytes.
fn text_or_bytes(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.as_bytes().to_vec());
    }
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes().to_vec()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "str or bytes expected, not {}",
            crate::wsgi::start_response::type_name(value)
        ))),
    }
}
