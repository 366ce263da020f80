//! The extension module `margrave._margrave`: what runs inside a Python process of Margrave.
//!
//! [`zygote`] loads nothing itself (that is `margrave.loader`, in Python) but talks to the master and forks; [`worker`]
//! serves; [`wsgi`] is the bridge between a request and the application; [`uwsgi`] is the module applications import.
//! `unsafe` is in [`ffi`] only.

pub mod error;
pub mod ffi;
pub mod hooks;
pub mod uwsgi;
pub mod watchdog;
pub mod worker;
pub mod wsgi;
pub mod zygote;

use pyo3::prelude::*;

/// The native half of the `margrave` package. It needs no GIL: importing it leaves a free-threaded interpreter as it is.
#[pymodule(gil_used = false)]
mod _margrave {
    #[pymodule_export]
    use crate::watchdog::RequestTimeout;
    #[pymodule_export]
    use crate::worker::Worker;
    #[pymodule_export]
    use crate::wsgi::file_wrapper::FileWrapper;
    #[pymodule_export]
    use crate::zygote::Zygote;
}
