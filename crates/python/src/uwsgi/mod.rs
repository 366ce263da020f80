//! The `uwsgi` module that applications import: one file per family of functions.
//!
//! What is not built is not there, so that `hasattr(uwsgi, …)` tells the truth; the error of a missing name says that it
//! is Margrave's. Results are bytes where uWSGI gives bytes. Functions without parameters ignore arguments, as there.

pub mod apps;
pub mod current;
pub mod info;
pub mod instance;
mod lock;
mod log;
mod process;
mod request;

use instance::Instance;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

/// Builds the module and puts it into `sys.modules`.
///
/// # Errors
/// When an object cannot be made.
pub fn install(py: Python<'_>, instance: &Instance) -> PyResult<()> {
    let module = PyModule::new(py, "uwsgi")?;
    info::add(&module, instance)?;
    process::add(&module)?;
    request::add(&module)?;
    lock::add(&module)?;
    log::add(&module)?;
    module.add_function(wrap_pyfunction!(missing, &module)?)?;
    py.import("sys")?.getattr("modules")?.set_item("uwsgi", module)
}

/// Names that depend on the moment, and a clear error for the rest (PEP 562).
#[pyfunction]
#[pyo3(name = "__getattr__")]
fn missing<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    if name == "env"
        && let Some(environ) = current::environ(py)
    {
        return Ok(environ);
    }
    let explanation = match name {
        "env" => "uwsgi.env is the environ of the request that this thread runs, and it runs none".to_owned(),
        _ => format!("module 'uwsgi' has no attribute '{name}' (this Margrave does not have it)"),
    };
    Err(PyAttributeError::new_err(explanation))
}
