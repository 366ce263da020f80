//! `start_response` and the `write` that it returns.
//!
//! Status and fields are checked when the application gives them, as PEP 3333 recommends, so that the traceback
//! points at the culprit. Rules of the wire (lengths, hop-by-hop fields) are the encoder's.

use super::slot::{self, Head, Slot};
use crate::ffi::function::{Arguments, Callable};
use crate::ffi::text::as_latin1;
use margrave_wire::http1::is_token;
use pyo3::Borrowed;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use std::ffi::CStr;
use std::sync::{Arc, OnceLock};

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(frozen, module = "margrave", name = "_StartResponse")]
pub struct StartResponse {
    slot: Arc<Slot>,
    write: OnceLock<Py<PyAny>>,
}

impl StartResponse {
    /// For the requests of `slot`.
    #[must_use]
    pub fn new(slot: Arc<Slot>) -> Self {
        Self { slot, write: OnceLock::new() }
    }

    /// Makes `write` in advance.
    pub fn set_write(&self, write: Py<PyAny>) {
        let _ = self.write.set(write);
    }
}

/// `write(data)`.
#[pyclass(frozen, module = "margrave", name = "_Write")]
pub struct Write {
    slot: Arc<Slot>,
}

impl Write {
    /// For the requests of `slot`.
    #[must_use]
    pub fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }
}

impl Callable for StartResponse {
    const NAME: &'static CStr = c"start_response";

    fn call<'py>(&self, py: Python<'py>, arguments: Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let [status, fields, exc_info] = unpack(arguments)?;
        let exc_info = exc_info.filter(|value| !value.is_none());
        let status = status.ok_or_else(|| missing("status"))?;
        let fields = fields.ok_or_else(|| missing("headers"))?;
        if let Some(exc_info) = exc_info {
            let sent = self.slot.with(|_, state| state.sent).map_err(slot::SendFailure::from)?;
            if sent {
                return Err(reraise(py, exc_info));
            }
        }
        self.slot
            .with(|_, state| {
                if state.called && exc_info.is_none() {
                    return Err(PyRuntimeError::new_err(
                        "start_response was called a second time; pass exc_info to replace the first head",
                    ));
                }
                state.called = false;
                fill(&mut state.head, status, fields)?;
                state.called = true;
                Ok(())
            })
            .map_err(slot::SendFailure::from)??;
        match self.write.get() {
            Some(write) => Ok(write.bind(py).clone()),
            None => Err(PyRuntimeError::new_err("start_response has no write")),
        }
    }
}

impl Callable for Write {
    const NAME: &'static CStr = c"write";

    fn call<'py>(&self, py: Python<'py>, arguments: Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let ([data], None) = (arguments.values, arguments.keywords) else {
            return Err(PyTypeError::new_err("write takes exactly one argument, bytes"));
        };
        let Ok(data) = data.cast::<PyBytes>() else {
            return Err(PyTypeError::new_err(format!("write takes bytes, not {}", type_name(data))));
        };
        slot::send(&self.slot, py, (&*data).into(), None)?;
        Ok(py.None().into_bound(py))
    }
}

/// The name of an object's type, for messages.
#[must_use]
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "an object".to_owned(), |name| name.to_string_lossy().into_owned())
}

type Value<'a, 'py> = Option<Borrowed<'a, 'py, PyAny>>;

fn unpack<'a, 'py>(arguments: Arguments<'a, 'py>) -> PyResult<[Value<'a, 'py>; 3]> {
    const NAMES: [&str; 3] = ["status", "headers", "exc_info"];
    if arguments.positional > NAMES.len() {
        return Err(PyTypeError::new_err(format!(
            "start_response takes status, headers and exc_info; {} arguments were given",
            arguments.positional
        )));
    }
    let mut values = [None; 3];
    for (value, given) in values.iter_mut().zip(&arguments.values[..arguments.positional]) {
        *value = Some(*given);
    }
    if let Some(names) = arguments.keywords {
        for (name, given) in names.iter_borrowed().zip(&arguments.values[arguments.positional..]) {
            let name = name.cast::<PyString>()?.to_str()?.to_owned();
            // PEP 3333 names no parameters; wsgiref's names and the specification's are understood.
            let name = if name == "response_headers" { "headers" } else { &name };
            let place = NAMES.iter().position(|known| *known == name);
            match place {
                Some(place) if values[place].is_none() => values[place] = Some(*given),
                _ => {
                    return Err(PyTypeError::new_err(format!(
                        "start_response does not take the keyword {name}"
                    )));
                }
            }
        }
    }
    Ok(values)
}

fn missing(name: &str) -> PyErr {
    PyTypeError::new_err(format!("start_response needs {name}"))
}

fn reraise(py: Python<'_>, exc_info: Borrowed<'_, '_, PyAny>) -> PyErr {
    let value = exc_info.cast::<PyTuple>().ok().and_then(|tuple| tuple.get_item(1).ok());
    match value {
        Some(value) if !value.is_none() => {
            let traceback = exc_info.get_item(2).ok().filter(|traceback| !traceback.is_none());
            let value = match traceback {
                Some(traceback) => value.call_method1("with_traceback", (traceback,)).unwrap_or(value),
                None => value,
            };
            PyErr::from_value(value)
        }
        _ => {
            let _ = py;
            PyTypeError::new_err("exc_info must be the tuple of sys.exc_info()")
        }
    }
}

fn fill(head: &mut Head, status: Borrowed<'_, '_, PyAny>, fields: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
    let Ok(status_text) = status.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("status must be str, not {}", type_name(&status))));
    };
    let bytes = as_latin1(status_text.as_borrowed())
        .ok_or_else(|| PyValueError::new_err("status has a character beyond Latin-1"))?;
    if !is_status(bytes) {
        return Err(PyValueError::new_err(format!(
            "status must be three digits, a blank and a reason without control characters, not {}",
            status.repr().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
        )));
    }
    head.set_status(bytes);
    let Ok(fields) = fields.cast::<PyList>() else {
        return Err(PyTypeError::new_err(format!(
            "headers must be a list of tuples, not {}",
            type_name(&fields)
        )));
    };
    for field in fields.iter() {
        push(head, field.as_borrowed())?;
    }
    Ok(())
}

fn push(head: &mut Head, field: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
    let pair = field.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let Some(pair) = pair else {
        return Err(PyTypeError::new_err(format!(
            "each header must be a tuple of two str, not {}",
            field.repr().map_or_else(|_| type_name(&field), |text| text.to_string_lossy().into_owned())
        )));
    };
    let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
    let name_bytes = field_text(name, "name")?;
    if !is_token(name_bytes) {
        return Err(PyValueError::new_err(format!(
            "header name {} is empty or has a character that names cannot have",
            name.repr()?.to_string_lossy()
        )));
    }
    let value_bytes = field_text(value, "value")?;
    if value_bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(PyValueError::new_err(format!(
            "the value of header {} has a line end or NUL: {}",
            String::from_utf8_lossy(name_bytes),
            value.repr()?.to_string_lossy()
        )));
    }
    head.push(name_bytes, value_bytes);
    Ok(())
}

fn field_text<'a>(text: Borrowed<'a, '_, PyAny>, what: &str) -> PyResult<&'a [u8]> {
    let Ok(string) = text.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("a header's {what} must be str, not {}", type_name(&text))));
    };
    as_latin1(string)
        .ok_or_else(|| PyValueError::new_err(format!("a header's {what} has a character beyond Latin-1")))
}

/// `200 OK`, `299 ` or a bare `204`: three digits from 100 on, then nothing or a blank and printable text.
fn is_status(status: &[u8]) -> bool {
    let digits = status.len() >= 3 && status[..3].iter().all(u8::is_ascii_digit) && status[0] != b'0';
    digits
        && (status.len() == 3 || status[3] == b' ')
        && status[3..].iter().all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_three_digits_and_a_reason() {
        let cases: [(&[u8], bool); 9] = [
            (b"200 OK", true),
            (b"204", true),
            (b"299 ", true),
            (b"404 Nicht gefunden \xfc", true),
            (b"20 OK", false),
            (b"200OK", false),
            (b"099 x", false),
            (b"200 OK\r\nX: y", false),
            (b"", false),
        ];
        for (status, expected) in cases {
            assert_eq!(is_status(status), expected, "{}", String::from_utf8_lossy(status));
        }
    }
}
