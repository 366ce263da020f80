//! Attaching a Python thread to the interpreter and letting go again, without PyO3's bookkeeping.
//!
//! A worker thread enters `run_thread` from Python, gives its thread state away once and then takes
//! and releases it around every batch of requests. PyO3's `attach` would look the state up each time.

use pyo3::prelude::*;
use pyo3::{Python, ffi};
use std::ptr;

/// The thread state of one Python thread, while that thread is detached.
#[derive(Debug)]
pub struct ThreadState {
    detached: *mut ffi::PyThreadState,
}

impl ThreadState {
    /// For a thread that is about to run `body` of [`released`].
    #[must_use]
    pub const fn new() -> Self {
        Self { detached: ptr::null_mut() }
    }

    /// Takes the interpreter for this thread. No effect when it is attached already.
    pub fn attach(&mut self) {
        if !self.detached.is_null() {
            // SAFETY: the pointer came from `PyEval_SaveThread` on this very thread (the value is neither Send nor
            // Clone) and is given back exactly once, because it is cleared here.
            unsafe { ffi::PyEval_RestoreThread(self.detached) };
            self.detached = ptr::null_mut();
        }
    }

    /// Releases the interpreter. No effect when this thread is detached already.
    pub fn detach(&mut self) {
        if self.detached.is_null() {
            // SAFETY: the thread is attached: it was when `released` began, and every detach is undone by an attach.
            self.detached = unsafe { ffi::PyEval_SaveThread() };
        }
    }

    /// Runs `body` with the token of an attached thread.
    ///
    /// # Panics
    /// When the thread is detached; callers attach first.
    pub fn with<R>(&self, body: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
        assert!(self.detached.is_null(), "invariant: requests are handled by attached threads");
        // Cheap for a thread that is attached, and it tells PyO3 so: what `body` drops is freed at once.
        Python::attach(body)
    }
}

impl Default for ThreadState {
    fn default() -> Self {
        Self::new()
    }
}

/// An address that tells interpreters apart.
#[must_use]
pub fn interpreter_address(_py: Python<'_>) -> usize {
    // SAFETY: attached (by the token); the pointer is only looked at as a number.
    unsafe { ffi::PyInterpreterState_Get() as usize }
}

/// Runs `body` on this thread with the interpreter released, on a state that `body` may attach and detach.
pub fn released<R>(_py: Python<'_>, body: impl FnOnce(&mut ThreadState) -> R) -> R {
    let mut state = ThreadState::new();
    state.detach();
    let result = body(&mut state);
    state.attach();
    result
}

/// Runs `body` with the interpreter released; it cannot touch Python.
pub fn without<R>(_py: Python<'_>, body: impl FnOnce() -> R) -> R {
    let mut state = ThreadState::new();
    state.detach();
    let result = body();
    state.attach();
    result
}

/// Whether threads of the interpreter take turns. A free-threaded one takes the GIL back, for ever, when it imports an
/// extension that needs it.
///
/// # Errors
/// When the interpreter does not tell.
pub fn is_enabled(py: Python<'_>) -> PyResult<bool> {
    if !cfg!(Py_GIL_DISABLED) {
        return Ok(true);
    }
    py.import("sys")?.call_method0("_is_gil_enabled")?.extract()
}
