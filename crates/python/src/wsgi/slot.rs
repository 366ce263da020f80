//! What the Python objects of one request share: the lease on the exchange and the head that waits to be sent.

use super::input::Carry;
use super::kept;
use super::stray;
use crate::ffi::lease::{Lease, LeaseError};
use margrave_server::{COPIED, Exchange, SendError, Written};
use pyo3::exceptions::{PyConnectionAbortedError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A response head as the application gave it, kept until the first bytes of the body.
#[derive(Debug, Default)]
pub struct Head {
    text: Vec<u8>,
    status_end: usize,
    fields: Vec<(usize, usize)>,
}

impl Head {
    /// Starts over with a status line.
    pub fn set_status(&mut self, status: &[u8]) {
        self.text.clear();
        self.fields.clear();
        self.text.extend_from_slice(status);
        self.status_end = self.text.len();
    }

    /// Adds a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        self.fields.push((middle, self.text.len()));
    }

    /// The status line.
    #[must_use]
    pub fn status(&self) -> &[u8] {
        &self.text[..self.status_end]
    }

    /// Names and values in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = self.status_end;
        self.fields.iter().map(move |&(middle, end)| {
            let field = (&self.text[start..middle], &self.text[middle..end]);
            start = end;
            field
        })
    }
}

/// Bytes of a body, as the application gave them.
#[derive(Clone, Copy)]
pub struct Block<'a, 'py> {
    bytes: &'a [u8],
    /// A large object that can be sent from where it lies. Not one of a type that might run code when it is freed.
    object: Option<&'a Bound<'py, PyBytes>>,
}

impl<'a> Block<'a, '_> {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a, 'py> From<&'a Bound<'py, PyBytes>> for Block<'a, 'py> {
    fn from(object: &'a Bound<'py, PyBytes>) -> Self {
        let bytes = object.as_bytes();
        let is_kept = bytes.len() > COPIED && object.is_exact_instance_of::<PyBytes>();
        Self { bytes, object: is_kept.then_some(object) }
    }
}

impl<'a> From<&'a [u8]> for Block<'a, '_> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, object: None }
    }
}

/// State of one request beside the exchange.
#[derive(Debug, Default)]
pub struct State {
    /// The head, once `start_response` was called.
    pub head: Head,
    /// `start_response` was called.
    pub called: bool,
    /// The head was handed to the exchange together with body bytes: it cannot be taken back.
    pub sent: bool,
    /// The answer is complete: what the application still writes cannot become part of it.
    pub over: bool,
    /// The client has left; whatever the application raises from now on is the consequence of that.
    pub gone: bool,
    /// Body bytes that `wsgi.input` has read ahead.
    pub carry: Carry,
}

impl State {
    /// The state of another request, with the memory of this one, which has ended.
    pub fn take_buffers(&mut self) -> Self {
        Self { head: std::mem::take(&mut self.head), ..Self::default() }
    }

    /// Makes the state fit for another request; keeps the memory.
    pub fn reset(&mut self) {
        self.called = false;
        self.sent = false;
        self.over = false;
        self.gone = false;
        self.carry.clear();
    }
}

/// Shared by `start_response`, `write`, `wsgi.input` and the executor.
pub type Slot = Lease<State>;

/// Why bytes did not go out.
#[derive(Debug, thiserror::Error)]
pub enum SendFailure {
    /// Nobody called `start_response`.
    #[error("the application sent a body before it called start_response")]
    NotStarted,
    /// The answer has ended.
    #[error("the answer is complete, nothing can be added to it")]
    Over,
    /// The client has left.
    #[error("the client has closed the connection")]
    Gone,
    /// The head or the body is not allowed on the wire.
    #[error("{0}")]
    Refused(String),
    /// The exchange is not to be had.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

impl From<SendFailure> for PyErr {
    fn from(failure: SendFailure) -> Self {
        let text = failure.to_string();
        match failure {
            SendFailure::Gone => PyConnectionAbortedError::new_err(text),
            SendFailure::Refused(_) => PyValueError::new_err(text),
            SendFailure::NotStarted | SendFailure::Over | SendFailure::Lease(_) => {
                PyRuntimeError::new_err(text)
            }
        }
    }
}

fn fail(error: SendError, state: &mut State) -> SendFailure {
    match error {
        SendError::Gone => {
            state.gone = true;
            SendFailure::Gone
        }
        other => SendFailure::Refused(other.to_string()),
    }
}

/// Hands the head to the exchange, with the length of the whole body if that is known.
fn start(exchange: &mut Exchange<'_>, state: &mut State, known: Option<u64>) -> Result<(), SendFailure> {
    if !state.called {
        return Err(SendFailure::NotStarted);
    }
    let result = exchange.start(state.head.status(), &mut state.head.fields(), known);
    result.map_err(|error| fail(error, state))
}

/// Sends body bytes, the head before them if it is still here. Waits, detached from the interpreter, while more is
/// buffered than the bound allows. `known` is the length of the whole body where all of it exists. An empty block sends
/// nothing and asks for nothing: PEP 3333 lets an iterable give empty blocks before it calls `start_response`.
///
/// # Errors
/// See [`SendFailure`].
pub fn send(
    slot: &Slot,
    py: Python<'_>,
    block: Block<'_, '_>,
    known: Option<u64>,
) -> Result<(), SendFailure> {
    stray::end_if_stray(py, None);
    slot.with(|exchange, state| {
        if block.bytes.is_empty() {
            return Ok(());
        }
        if state.over {
            return Err(SendFailure::Over);
        }
        if !state.sent {
            start(exchange, state, known)?;
            state.sent = true;
        }
        let written = match block.object {
            Some(object) => exchange.write_kept(block.bytes, &|| kept::keep(object)),
            None => exchange.write(block.bytes),
        };
        let only = known == Some(block.bytes.len() as u64);
        match written {
            Ok(Written::Done) => Ok(()),
            // It exists, whether the thread waits or not: the reactor sends it from where it lies.
            Ok(Written::Full) if (only || known.and(block.object).is_some()) && exchange.may_leave() => {
                Ok(())
            }
            Ok(Written::Full) => drain(exchange, state, py),
            Err(error) => Err(fail(error, state)),
        }
    })?
}

/// Sends a part of a file, the head before it.
///
/// # Errors
/// See [`SendFailure`].
pub fn send_file(
    slot: &Slot,
    py: Python<'_>,
    file: std::fs::File,
    offset: u64,
    length: u64,
) -> Result<(), SendFailure> {
    stray::end_if_stray(py, None);
    slot.with(|exchange, state| {
        if !state.sent {
            start(exchange, state, Some(length))?;
            state.sent = true;
        }
        if length == 0 {
            return Ok(());
        }
        match exchange.send_file(file, offset, length) {
            Ok(Written::Done) => Ok(()),
            Ok(Written::Full) => drain(exchange, state, py),
            Err(error) => Err(fail(error, state)),
        }
    })?
}

/// Whether more was given than the answer has room for. PEP 3333 wants no more to be asked for then, and an endless
/// iterable would hold its thread for ever; one that ends by itself in time still comes to its end.
pub fn has_excess(slot: &Slot) -> bool {
    slot.with(|exchange, _| exchange.has_excess()).unwrap_or(true)
}

/// Ends a body: sends the head of an empty one.
///
/// # Errors
/// See [`SendFailure`].
pub fn finish(slot: &Slot) -> Result<(), SendFailure> {
    slot.with(|exchange, state| {
        if !state.sent {
            start(exchange, state, Some(0))?;
            state.sent = true;
        }
        Ok(())
    })?
}

fn drain(exchange: &mut Exchange<'_>, state: &mut State, py: Python<'_>) -> Result<(), SendFailure> {
    let drained = crate::ffi::gil::without(py, || exchange.wait_drained());
    kept::release(py);
    drained.map_err(|error| fail(error, state))
}
