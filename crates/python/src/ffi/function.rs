//! Built-in functions made at run time that carry a Rust value: `start_response` and `write`.
//!
//! They use the fast calling convention (an array of borrowed arguments), so a call costs neither a tuple nor
//! PyO3's argument parser. A panic inside becomes a `RuntimeError`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyTuple;
use pyo3::{Borrowed, PyClass, ffi};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Arguments of one call.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a, 'py> {
    /// Positional ones, then the values of the keywords.
    pub values: &'a [Borrowed<'a, 'py, PyAny>],
    /// How many are positional.
    pub positional: usize,
    /// Names of the keywords.
    pub keywords: Option<Borrowed<'a, 'py, PyTuple>>,
}

/// A value that can be called from Python.
pub trait Callable: PyClass<Frozen = True> + Sync {
    /// What Python calls the function.
    const NAME: &'static CStr;
    /// One call.
    ///
    /// # Errors
    /// The exception to raise.
    fn call<'py>(&self, py: Python<'py>, arguments: Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>>;
}

/// The method table entry of each callable type; it lives as long as the program.
struct Definition<C>(std::marker::PhantomData<C>);

impl<C: Callable> Definition<C> {
    const ENTRY: &'static ffi::PyMethodDef = &ffi::PyMethodDef {
        ml_name: <C as Callable>::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: trampoline::<C> },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: ptr::null(),
    };
}

/// A new built-in function over `value`.
///
/// # Errors
/// When memory runs out.
pub fn make<'py, C: Callable>(value: &Bound<'py, C>) -> PyResult<Bound<'py, PyAny>> {
    let entry = ptr::from_ref(Definition::<C>::ENTRY).cast_mut();
    // SAFETY: the entry is constant and lives for ever (CPython only reads it); the function keeps its own reference
    // to `value`, so `trampoline` always gets a live `C`.
    unsafe {
        let function = ffi::PyCFunction_NewEx(entry, value.as_ptr(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(value.py(), function)
    }
}

unsafe extern "C" fn trampoline<C: Callable>(
    value: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls with an attached thread, with `value` the object given to `make` (a `C`), and with
    // `positional` borrowed arguments followed by one per keyword name; `Borrowed` has the layout of a pointer.
    unsafe {
        let py = Python::assume_attached();
        let value = Borrowed::from_ptr(py, value).cast_unchecked::<C>();
        let keywords = Borrowed::from_ptr_or_opt(py, keywords).map(|names| names.cast_unchecked::<PyTuple>());
        let positional = usize::try_from(positional).unwrap_or(0);
        let count = positional + keywords.map_or(0, |names| names.len());
        let values = if count == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(arguments.cast::<Borrowed<'_, '_, PyAny>>(), count)
        };
        let arguments = Arguments { values, positional, keywords };
        let outcome = catch_unwind(AssertUnwindSafe(|| value.get().call(py, arguments)));
        match outcome {
            Ok(Ok(result)) => result.into_ptr(),
            Ok(Err(error)) => {
                error.restore(py);
                ptr::null_mut()
            }
            Err(_) => {
                PyRuntimeError::new_err("margrave: internal error in a built-in function; please report it")
                    .restore(py);
                ptr::null_mut()
            }
        }
    }
}
