//! From what the application returned to bytes on the wire.
//!
//! A list or tuple of bytes is complete, so its length is known and it goes out at once. Everything else is
//! iterated, and each block is sent when it comes. `close()` is the caller's, once the answer has ended.

use super::file_wrapper::FileWrapper;
use super::slot::{self, Block, SendFailure, Slot};
use super::start_response::type_name;
use crate::ffi::object::has_length_one;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// Blocks of a complete list are joined into one write up to this many bytes.
const JOIN: usize = 64 * 1024;

/// Why an answer could not be completed.
#[derive(Debug)]
pub enum Failure {
    /// The application raised.
    Raised(PyErr),
    /// The application broke the rules: one line for the log.
    Misuse(String),
    /// The client has left: nothing to report.
    Gone,
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl From<SendFailure> for Failure {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::Gone => Self::Gone,
            other => Self::Misuse(format!("the answer was given up: {other}")),
        }
    }
}

/// Sends the whole body that `result` is.
///
/// # Errors
/// The first thing that went wrong.
pub fn respond(py: Python<'_>, slot: &Slot, result: &Bound<'_, PyAny>) -> Result<(), Failure> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        if list.len() == 1 {
            return send_only(py, slot, &list.get_item(0)?);
        }
        return send_complete(py, slot, list.iter());
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        return send_complete(py, slot, tuple.iter());
    }
    if result.is_instance_of::<PyBytes>() {
        // Strictly an iterable of integers; uWSGI sends it as one block, and applications rely on that.
        return send_only(py, slot, result);
    }
    send_iterable(py, slot, result)
}

/// Calls `close()` of what the application returned, if it has one.
///
/// # Errors
/// What it raised.
pub fn close(result: &Bound<'_, PyAny>) -> PyResult<()> {
    // The usual ones, which have none.
    if result.is_exact_instance_of::<PyList>()
        || result.is_exact_instance_of::<PyTuple>()
        || result.is_exact_instance_of::<PyBytes>()
    {
        return Ok(());
    }
    match result.getattr_opt(pyo3::intern!(result.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

fn block<'a, 'py>(item: &'a Bound<'py, PyAny>) -> Result<Block<'a, 'py>, Failure> {
    match item.cast::<PyBytes>() {
        Ok(object) => Ok(object.into()),
        Err(_) => Err(Failure::Misuse(format!(
            "the application's answer holds {}; every block must be bytes",
            type_name(item)
        ))),
    }
}

/// The whole body is one block.
fn send_only(py: Python<'_>, slot: &Slot, item: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let block = block(item)?;
    if block.bytes().is_empty() {
        return Ok(slot::finish(slot)?);
    }
    Ok(slot::send(slot, py, block, Some(block.bytes().len() as u64))?)
}

/// The whole body is there: check all of it before the first byte goes out.
fn send_complete<'py>(
    py: Python<'py>,
    slot: &Slot,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
) -> Result<(), Failure> {
    let items: Vec<_> = items.collect();
    let mut total = 0;
    for item in &items {
        total += block(item)?.bytes().len();
    }
    let known = Some(total as u64);
    if total <= JOIN {
        let mut joined = Vec::with_capacity(total);
        for item in &items {
            joined.extend_from_slice(block(item)?.bytes());
        }
        slot::send(slot, py, joined[..].into(), known)?;
    } else {
        for item in &items {
            slot::send(slot, py, block(item)?, known)?;
        }
    }
    Ok(slot::finish(slot)?)
}

fn send_iterable(py: Python<'_>, slot: &Slot, result: &Bound<'_, PyAny>) -> Result<(), Failure> {
    if let Ok(wrapper) = result.cast_exact::<FileWrapper>()
        && let Some(part) = wrapper.get().part(py)
    {
        return Ok(slot::send_file(slot, py, part.file, part.offset, part.length)?);
    }
    if result.is_none() || result.is_instance_of::<PyString>() {
        return Err(not_iterable(result));
    }
    let iterator = match result.try_iter() {
        Ok(iterator) => iterator,
        Err(error) if can_iterate(result) => return Err(Failure::Raised(error)),
        Err(_) => return Err(not_iterable(result)),
    };
    // PEP 3333: an iterable of length one tells the length of the body with its first block.
    let single = has_length_one(result);
    for item in iterator {
        let item = item?;
        let block = block(&item)?;
        let known = if single { Some(block.bytes().len() as u64) } else { None };
        slot::send(slot, py, block, known)?;
        if slot::has_excess(slot) {
            break;
        }
    }
    Ok(slot::finish(slot)?)
}

/// Whether iteration runs code of the object's type, so that an exception is that code's.
fn can_iterate(result: &Bound<'_, PyAny>) -> bool {
    let kind = result.get_type();
    ["__iter__", "__getitem__"].into_iter().any(|method| kind.hasattr(method).unwrap_or(true))
}

fn not_iterable(result: &Bound<'_, PyAny>) -> Failure {
    Failure::Misuse(format!(
        "the application returned {}; it must be an iterable of bytes",
        type_name(result)
    ))
}
