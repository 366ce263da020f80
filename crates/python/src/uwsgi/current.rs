//! The request that a thread runs, for the functions that act on "the" request.

use crate::wsgi::slot::{SendFailure, Slot, State};
use margrave_server::Exchange;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static CURRENT: RefCell<Option<(Arc<Slot>, Py<PyDict>)>> = const { RefCell::new(None) };
}

/// While it lives, the thread runs a request.
pub struct Running(());

impl Running {
    /// Remembers the request of this thread.
    #[must_use]
    pub fn new(slot: &Arc<Slot>, environ: &Bound<'_, PyDict>) -> Self {
        CURRENT.set(Some((Arc::clone(slot), environ.clone().unbind())));
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Taken out first: freeing the environ can run code that asks for it.
        let last = CURRENT.take();
        drop(last);
    }
}

/// The environ of the request of this thread.
pub fn environ<'py>(py: Python<'py>) -> Option<Bound<'py, PyAny>> {
    CURRENT.with_borrow(|current| current.as_ref().map(|(_, environ)| environ.bind(py).clone().into_any()))
}

/// Uses the exchange of the request of this thread.
///
/// # Errors
/// `RuntimeError` when this thread runs none.
pub fn exchange<R>(name: &str, body: impl FnOnce(&mut Exchange<'_>) -> R) -> PyResult<R> {
    request(name, |exchange, _| body(exchange))
}

/// Uses the exchange and the state of the request of this thread.
///
/// # Errors
/// `RuntimeError` when this thread runs none.
pub fn request<R>(name: &str, body: impl FnOnce(&mut Exchange<'_>, &mut State) -> R) -> PyResult<R> {
    let slot = CURRENT.with_borrow(|current| current.as_ref().map(|(slot, _)| Arc::clone(slot)));
    let Some(slot) = slot else {
        return Err(PyRuntimeError::new_err(format!(
            "uwsgi.{name} acts on a request, and this thread runs none"
        )));
    };
    slot.with(body).map_err(|error| SendFailure::from(error).into())
}
