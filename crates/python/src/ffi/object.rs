//! Calls and looks at objects that PyO3 has no equally cheap form for.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{Borrowed, ffi};
use std::ptr;

/// Calls `callable(first, second)` by vectorcall.
///
/// # Errors
/// The exception that the call raised.
#[inline]
pub fn call_two<'py>(
    callable: Borrowed<'_, 'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: Borrowed<'_, 'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut arguments = [ptr::null_mut(), first.as_ptr(), second.as_ptr()];
    // SAFETY: three live objects, borrowed for the time of the call; the slot before the arguments is ours, as
    // PY_VECTORCALL_ARGUMENTS_OFFSET promises; a new reference or an exception comes back.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_mut_ptr().add(1),
            2 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// A shallow copy of `dict`.
///
/// # Errors
/// When memory runs out.
#[inline]
pub fn copy_dict<'py>(dict: Borrowed<'_, 'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: `dict` is a live dict; the result is a new reference to an exact dict.
    unsafe {
        let copy = ffi::PyDict_Copy(dict.as_ptr());
        Bound::from_owned_ptr_or_err(dict.py(), copy).map(|copy| copy.cast_into_unchecked())
    }
}

/// Whether nothing but `expected` references to this object exist, so that it may be used for another request.
///
/// On free-threaded Python the count is not exact and the answer is always no.
#[inline]
#[must_use]
pub fn is_unshared(object: Borrowed<'_, '_, PyAny>, expected: usize) -> bool {
    if cfg!(Py_GIL_DISABLED) {
        return false;
    }
    // SAFETY: the object is live.
    let count = unsafe { ffi::Py_REFCNT(object.as_ptr()) };
    usize::try_from(count).is_ok_and(|count| count == expected)
}

/// Whether `len()` of the object is one, asked only of types that have a length; errors mean no.
#[must_use]
pub fn has_length_one(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object has a live type; the method tables are null or live as long as the type.
    let has_length = unsafe {
        let kind = ffi::Py_TYPE(object.as_ptr());
        let (sequence, mapping) = ((*kind).tp_as_sequence, (*kind).tp_as_mapping);
        (!sequence.is_null() && (*sequence).sq_length.is_some())
            || (!mapping.is_null() && (*mapping).mp_length.is_some())
    };
    has_length && object.len().is_ok_and(|length| length == 1)
}
