//! Blocks of answers that the server sends from where they lie, after the application's thread has left them.
//!
//! Whoever sends the last byte has no GIL, so the objects that are done with are put aside, until [`release`].

use margrave_server::Owner;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::{Mutex, PoisonError};

/// Objects whose bytes nobody sends any more. Short, because they are freed as soon as a thread has the GIL.
static LET_GO: Mutex<Vec<PyBackedBytes>> = Mutex::new(Vec::new());

/// Keeps an object until its bytes have been sent.
struct Block(Option<PyBackedBytes>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        LET_GO.lock().unwrap_or_else(PoisonError::into_inner).extend(self.0.take());
    }
}

/// An owner of the object's bytes. Frees what has been let go of, so that a long answer of many blocks does not gather them.
#[must_use]
pub fn keep(object: &Bound<'_, PyBytes>) -> Owner {
    release(object.py());
    Box::new(Block(Some(object.clone().into())))
}

/// Frees what has been let go of.
pub fn release(_py: Python<'_>) {
    let objects = std::mem::take(&mut *LET_GO.lock().unwrap_or_else(PoisonError::into_inner));
    drop(objects);
}
