//! `wsgi.input`: the request body as a binary stream.
//!
//! The body is complete before the application runs, unless its client waits for `100 Continue` or it is very large:
//! then reading may wait for the client, detached from the interpreter, and raises an `OSError` when the body does not
//! come to its end. Sizes follow `io`: absent, `None` or negative means everything; limits of `readline` and
//! `readlines` are honoured. A small body that its client sends slowly is awaited by the server, not by a thread: most
//! frameworks take a body without Content-Length for none, and one that is complete has its length.

use super::report;
use super::slot::{SendFailure, Slot, State};
use crate::ffi::gil;
use margrave_server::{Body, BodyFault, Exchange};
use margrave_wire::Known;
use pyo3::exceptions::{PyConnectionAbortedError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Bytes taken from a temporary file at once while looking for a line end.
const BLOCK: usize = 16 * 1024;

/// The stream object.
#[pyclass(frozen, module = "margrave", name = "Input")]
pub struct Input {
    slot: Arc<Slot>,
}

/// Where the stream stands, as far as the body itself does not know.
#[derive(Debug, Default)]
pub struct Carry {
    /// Bytes read from a temporary file beyond the line that was asked for.
    bytes: Vec<u8>,
    start: usize,
    /// How far behind the end a `seek` went.
    beyond: u64,
}

impl Carry {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.beyond = 0;
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl Input {
    /// For the requests of `slot`.
    #[must_use]
    pub fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    fn reading<R>(&self, body: impl FnOnce(&mut Reader<'_, '_>) -> PyResult<R>) -> PyResult<R> {
        self.slot.with(|exchange, state| body(&mut Reader::new(exchange, state))).map_err(
            |error| match error {
                crate::ffi::lease::LeaseError::Ended => {
                    PyValueError::new_err("wsgi.input belongs to a request that has ended")
                }
                error @ crate::ffi::lease::LeaseError::Busy => SendFailure::from(error).into(),
            },
        )?
    }
}

#[pymethods]
impl Input {
    /// Up to `size` bytes; all that is left without a size.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.reading(|reader| reader.read(py, limit(size)))
    }

    /// Up to and with the next line end, at most `size` bytes.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.reading(|reader| reader.line(py, limit(size)))
    }

    /// All lines that are left; stops once `hint` bytes have been read.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let hint = hint.filter(|hint| *hint > 0).map_or(usize::MAX, isize::unsigned_abs);
        let lines = PyList::empty(py);
        let mut total = 0;
        while total < hint {
            let line = self.reading(|reader| reader.line(py, usize::MAX))?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    /// Fills a writable buffer; says how many bytes.
    #[pyo3(signature = (buffer, /))]
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view = PyMemoryView::from(buffer)?.call_method1("cast", ("B",))?;
        let size = view.len()?;
        let data = self.reading(|reader| reader.read(py, size))?;
        let length = data.as_bytes().len();
        // The view refuses a buffer that cannot be written.
        view.set_item(PySlice::new(py, 0, isize::try_from(length)?, 1), &data)?;
        Ok(length)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.reading(|reader| reader.line(py, usize::MAX))?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    /// Where the next byte is read, from the start of the body.
    fn tell(&self) -> PyResult<u64> {
        self.reading(|reader| Ok(reader.position()))
    }

    /// Goes to `offset` from the start of the body (`whence` 0), from here (1) or from its end (2); says where that is.
    #[pyo3(signature = (offset, whence=0, /))]
    fn seek(&self, py: Python<'_>, offset: i64, whence: i32) -> PyResult<u64> {
        self.reading(|reader| reader.seek(py, offset, whence))
    }

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        true
    }

    /// Nothing to do: the server owns the body.
    fn close(&self) {}

    fn flush(&self) {}

    #[getter]
    fn closed(&self) -> bool {
        false
    }
}

fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

/// Reads through the carried bytes, then the body.
pub struct Reader<'a, 'e> {
    exchange: &'a mut Exchange<'e>,
    carry: &'a mut Carry,
    gone: &'a mut bool,
}

impl<'a, 'e> Reader<'a, 'e> {
    /// Over the body of `exchange`.
    pub fn new(exchange: &'a mut Exchange<'e>, state: &'a mut State) -> Self {
        Self { exchange, carry: &mut state.carry, gone: &mut state.gone }
    }

    fn body(&mut self) -> &mut Body {
        self.exchange.body()
    }

    fn left(&mut self) -> usize {
        let carried = self.carry.rest().len();
        usize::try_from(self.body().remaining()).unwrap_or(usize::MAX).saturating_add(carried)
    }

    fn position(&mut self) -> u64 {
        let left = self.left() as u64;
        self.body().len() - left + self.carry.beyond
    }

    /// Waits until `wanted` bytes are there to be read, or all that there will be.
    fn arrive(&mut self, py: Python<'_>, wanted: usize) -> PyResult<()> {
        let carried = self.carry.rest().len();
        if !self.body().is_pending() || carried >= wanted {
            return Ok(());
        }
        let exchange = &mut *self.exchange;
        let arrived = gil::without(py, || exchange.await_body((wanted - carried) as u64));
        arrived.map_err(|fault| self.broken(fault))
    }

    /// Whatever the application makes of it, the client is the one who knows.
    fn broken(&mut self, fault: BodyFault) -> PyErr {
        *self.gone = true;
        PyConnectionAbortedError::new_err(fault.to_string())
    }

    fn seek(&mut self, py: Python<'_>, offset: i64, whence: i32) -> PyResult<u64> {
        if whence == 2 {
            self.arrive(py, usize::MAX)?;
        }
        let base = match whence {
            0 => 0,
            1 => self.position(),
            2 => self.body().len(),
            _ => return Err(PyValueError::new_err(format!("whence must be 0, 1 or 2, not {whence}"))),
        };
        let Some(target) = base.checked_add_signed(offset) else {
            return Err(PyValueError::new_err("wsgi.input has no place before its start to seek to"));
        };
        let ahead = target.saturating_sub(self.position());
        self.arrive(py, usize::try_from(ahead).unwrap_or(usize::MAX))?;
        self.body().seek(SeekFrom::Start(target)).map_err(lost)?;
        self.carry.clear();
        self.carry.beyond = target.saturating_sub(self.body().len());
        Ok(target)
    }

    /// Up to `size` bytes.
    ///
    /// # Errors
    /// When the body does not come to its end, a temporary file cannot be read, or memory runs out.
    pub fn read<'py>(&mut self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.arrive(py, size)?;
        let size = size.min(self.left());
        if size as u64 > self.exchange.large_read() {
            self.warn(size);
        }
        if self.carry.rest().is_empty()
            && let Some(bytes) = self.body().in_memory()
        {
            let data = PyBytes::new(py, &bytes[..size]);
            self.body().advance(size);
            return Ok(data);
        }
        PyBytes::new_with(py, size, |target| self.fill(target).map_err(lost))
    }

    /// What is there of the body, up to `size` bytes; waits for the first of them. Empty at its end.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_part<'py>(&mut self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.arrive(py, 1)?;
        let there = self.left().min(size);
        self.read(py, there)
    }

    /// What is there of the body, up to `size` bytes; `None` where nothing is, and more may come.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_arrived<'py>(
        &mut self,
        py: Python<'py>,
        size: usize,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        if self.left() == 0 && self.body().is_pending() {
            self.exchange.take_arrived().map_err(|fault| self.broken(fault))?;
            if self.left() == 0 && self.body().is_pending() {
                return Ok(None);
            }
        }
        let there = self.left().min(size);
        self.read(py, there).map(Some)
    }

    #[cold]
    fn warn(&self, size: usize) {
        let target = self.exchange.request().var(Known::RequestUri).unwrap_or_default();
        report::line(&format!(
            "margrave: {}: the application takes {} MiB of the request body into memory at once (body-read-warning)",
            String::from_utf8_lossy(target),
            size >> 20
        ));
    }

    /// Fills `target` completely; the caller knows that so many bytes are left.
    fn fill(&mut self, target: &mut [u8]) -> io::Result<()> {
        let carried = self.carry.rest().len().min(target.len());
        target[..carried].copy_from_slice(&self.carry.rest()[..carried]);
        self.carry.start += carried;
        self.body().read_exact(&mut target[carried..])
    }

    fn line<'py>(&mut self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut searched = 0;
        while self.carry.rest().is_empty()
            && let body = self.exchange.body()
            && let pending = body.is_pending()
            && let Some(bytes) = body.in_memory()
        {
            let within = &bytes[..bytes.len().min(limit)];
            match line_end(&within[searched..]) {
                None if within.len() < limit && pending => {
                    searched = within.len();
                    self.arrive(py, searched + 1)?;
                }
                found => {
                    let end = found.map_or(within.len(), |end| searched + end);
                    let line = PyBytes::new(py, &within[..end]);
                    self.body().advance(end);
                    return Ok(line);
                }
            }
        }
        let end = self.find_line_end(py, limit)?;
        let line = PyBytes::new(py, &self.carry.rest()[..end]);
        self.carry.start += end;
        Ok(line)
    }

    /// Carries on from the file until a line end or `limit` bytes are there; where the line ends.
    fn find_line_end(&mut self, py: Python<'_>, limit: usize) -> PyResult<usize> {
        let mut searched = 0;
        loop {
            let rest = self.carry.rest();
            let within = rest.len().min(limit);
            if let Some(end) = line_end(&rest[searched..within]) {
                return Ok(searched + end);
            }
            searched = within;
            if rest.len() < limit {
                self.arrive(py, searched + 1)?;
            }
            if searched >= limit || self.body().remaining() == 0 {
                return Ok(within);
            }
            if self.carry.start > 0 {
                self.carry.bytes.drain(..self.carry.start);
                self.carry.start = 0;
            }
            let held = self.carry.bytes.len();
            self.carry.bytes.resize(held + BLOCK, 0);
            let count = self.exchange.body().read(&mut self.carry.bytes[held..]).map_err(lost)?;
            self.carry.bytes.truncate(held + count);
            if count == 0 {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|index| index + 1)
}

fn lost(error: io::Error) -> PyErr {
    PyOSError::new_err(format!("the request body cannot be read back from its temporary file: {error}"))
}
