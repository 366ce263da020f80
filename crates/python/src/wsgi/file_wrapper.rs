//! `wsgi.file_wrapper`: an iterable over a file-like object that the server can send without Python.
//!
//! The short way is taken when the `read` that iteration would call is that of a real, regular file. Asking for the
//! owner of that method, not for `fileno`, keeps decompressors and other wrappers with a descriptor beneath
//! them on the long way, where their own `read` is called.

use margrave_sys::file::{duplicate, regular_length};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Bytes per block when the application names no size.
const BLOCK: isize = 8192;

/// The wrapper object, which is also its own iterator.
#[pyclass(frozen, module = "margrave", name = "FileWrapper")]
pub struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: isize,
}

/// A part of a file that the server can send.
#[derive(Debug)]
pub struct FilePart {
    /// Our own descriptor of the file.
    pub file: std::fs::File,
    /// Where to begin.
    pub offset: u64,
    /// Bytes from there to the end.
    pub length: u64,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=BLOCK))]
    fn new(filelike: Bound<'_, PyAny>, blksize: isize) -> PyResult<Self> {
        if !filelike.hasattr("read")? {
            return Err(PyTypeError::new_err("wsgi.file_wrapper needs an object with a read method"));
        }
        let blksize = if blksize > 0 { blksize } else { BLOCK };
        Ok(Self { filelike: filelike.unbind(), blksize })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1("read", (self.blksize,))?;
        Ok(if block.is_truthy()? { Some(block) } else { None })
    }

    /// Closes the file-like object, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt("close")? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// The part of a real file that iterating would give; `None` when only iterating can tell.
    #[must_use]
    pub fn part(&self, py: Python<'_>) -> Option<FilePart> {
        let owner = real_file(self.filelike.bind(py)).ok()??;
        // What was written and not flushed is part of the file for `read`, so it must be for sendfile.
        owner.call_method0("flush").ok()?;
        let descriptor: i32 = owner.call_method0("fileno").ok()?.extract().ok()?;
        let offset: u64 = owner.call_method0("tell").ok()?.extract().ok()?;
        let file = duplicate(descriptor).ok()?;
        // The files of /proc have no size and content all the same.
        let length = regular_length(&file).ok()?.filter(|&length| length > 0)?;
        Some(FilePart { file, offset, length: length.saturating_sub(offset) })
    }
}

/// The built-in file object whose `read` this object's `read` is.
fn real_file<'py>(filelike: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let read = filelike.getattr("read")?;
    // tempfile's wrapper returns a function that keeps the original here.
    let read = read.getattr_opt("__wrapped__")?.unwrap_or(read);
    let Some(owner) = read.getattr_opt("__self__")? else { return Ok(None) };
    let io = filelike.py().import("io")?;
    let kind = owner.get_type();
    if kind.is(&io.getattr("FileIO")?) {
        return Ok(Some(owner));
    }
    if kind.is(&io.getattr("BufferedReader")?) || kind.is(&io.getattr("BufferedRandom")?) {
        let raw = owner.getattr("raw")?;
        return Ok(raw.get_type().is(&io.getattr("FileIO")?).then_some(owner));
    }
    Ok(None)
}
