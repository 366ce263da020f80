//! Exceptions raised in other threads.

use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{Python, ffi};
use std::ptr;

/// Makes the thread with Python's identifier `ident` raise `exception` when it next runs Python code.
pub fn raise_in_thread(ident: u64, exception: &Bound<'_, PyType>) {
    // SAFETY: attached (by the bound type); an unknown identifier changes nothing; the exception type is borrowed and
    // CPython takes its own reference.
    unsafe { ffi::PyThreadState_SetAsyncExc(ident as std::ffi::c_long, exception.as_ptr()) };
}

/// Calls back an exception on its way to thread `ident`.
pub fn clear_exception(_py: Python<'_>, ident: u64) {
    // SAFETY: attached; null means "none".
    unsafe { ffi::PyThreadState_SetAsyncExc(ident as std::ffi::c_long, ptr::null_mut()) };
}

/// Python's identifier of the calling thread.
#[must_use]
pub fn current_ident(py: Python<'_>) -> u64 {
    let ident = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
    ident.and_then(|ident| ident.extract()).unwrap_or(0)
}
