//! Latin-1 between Rust bytes and Python text, as PEP 3333 wants its native strings.

use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{Borrowed, ffi};

/// Text whose code points are the bytes of `bytes`.
///
/// # Errors
/// When memory runs out.
#[inline]
pub fn from_latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: pointer and length are of one live slice, whose length fits in isize as every slice's does; the result
    // is a new reference to an exact str.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast(),
            bytes.len() as ffi::Py_ssize_t,
            std::ptr::null(),
        );
        Bound::from_owned_ptr_or_err(py, text).map(|text| text.cast_into_unchecked())
    }
}

/// The bytes of text that is all within Latin-1; `None` when a code point is beyond it.
///
/// The slice lives as long as the borrow: text is immutable and keeps its storage.
#[inline]
#[must_use]
pub fn as_latin1<'a>(text: Borrowed<'a, '_, PyString>) -> Option<&'a [u8]> {
    // SAFETY: `text` is a live str. READY makes the compact form (a no-op since 3.12); a kind of one byte means one
    // byte per code point from DATA on, GET_LENGTH of them; the object cannot change while it is borrowed.
    unsafe {
        let object = text.as_ptr();
        if ffi::PyUnicode_READY(object) != 0 {
            ffi::PyErr_Clear();
            return None;
        }
        if ffi::PyUnicode_KIND(object) != ffi::PyUnicode_1BYTE_KIND {
            return None;
        }
        let length = usize::try_from(ffi::PyUnicode_GET_LENGTH(object)).ok()?;
        Some(std::slice::from_raw_parts(ffi::PyUnicode_DATA(object).cast::<u8>(), length))
    }
}
