//! The environ dictionary of a request.
//!
//! A template with everything that never changes is copied for each request; a copy of a dictionary is one
//! allocation. Keys are made once. Values that tend to repeat (method, host, agent) are remembered by the last
//! text seen under that key, so that a repeated one costs a comparison instead of an object; one that repeats in request
//! after request enters the template, and costs the comparison alone.

use crate::ffi::object::copy_dict;
use crate::ffi::text::from_latin1;
use margrave_wire::{Known, Name, Request, is_same};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use std::collections::HashMap;

/// Names outside the table of known ones whose keys are kept; clients choose names, so there is a bound.
const MAX_OTHER_NAMES: usize = 256;
/// Longest name that is kept.
const MAX_OTHER_NAME: usize = 64;
/// Longest value that is remembered.
const MAX_REMEMBERED: usize = 256;
/// So often must a value come again, without another in between, before it enters the template.
const REPETITIONS: u32 = 8;
/// The most that repetitions are asked for, of a variable that has often left the template again.
const MAX_REPETITIONS: u32 = 1 << 20;

/// Always present in a request that came over HTTP; in the template their places are made in advance. Front servers
/// may leave any of them out: what PEP 3333 demands and is known here has a value all the same.
const USUAL: [Known; 9] = [
    Known::RequestMethod,
    Known::RequestUri,
    Known::PathInfo,
    Known::QueryString,
    Known::ServerProtocol,
    Known::ServerName,
    Known::ServerPort,
    Known::RemoteAddr,
    Known::HttpHost,
];

const USUAL_BITS: u128 = {
    let (mut bits, mut index) = (0, 0);
    while index < USUAL.len() {
        bits |= bit(USUAL[index]);
        index += 1;
    }
    bits
};

// Every known name has a bit.
const _: () = assert!(Known::ALL.len() <= u128::BITS as usize);

const fn bit(known: Known) -> u128 {
    1 << known as u32
}

/// Values seldom the same twice, or not to be kept in memory longer than their request. They are remembered when they
/// are empty.
const CHANGING: [Known; 7] = [
    Known::RequestUri,
    Known::PathInfo,
    Known::QueryString,
    Known::RemotePort,
    Known::ContentLength,
    Known::HttpCookie,
    Known::HttpAuthorization,
];

/// What the flags of every environ say about the server.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Several Python threads serve.
    pub multithread: bool,
    /// Several workers serve.
    pub multiprocess: bool,
    /// Number of this thread.
    pub core: usize,
    /// `uwsgi.version`.
    pub version: &'static str,
    /// Host name.
    pub node: Vec<u8>,
    /// Applications find `wsgi.file_wrapper`.
    pub file_wrapper: bool,
    /// Port of each listener; `None` where it has none.
    pub ports: Vec<Option<u16>>,
}

struct Key {
    name: Py<PyString>,
    remembers: bool,
    last: Vec<u8>,
    value: Option<Py<PyString>>,
    /// How often the last value has come again.
    repeated: u32,
    /// How often it must, to enter the template.
    wanted: u32,
}

/// What a value is to the one that its key remembers.
enum Memory {
    /// Nothing: it is not remembered, and another may still be.
    Apart,
    /// It has taken the place of another.
    New,
    /// It is the same, often enough for the template.
    Steady,
    /// It is the same.
    Again,
}

/// Builds environs for one thread.
pub struct EnvironBuilder {
    template: Py<PyDict>,
    keys: Vec<Key>,
    /// Variables that the template has.
    placed: u128,
    /// Those of them whose value there is the one that is remembered.
    settled: u128,
    /// `SERVER_NAME` of a request that does not say.
    node: Py<PyString>,
    others: HashMap<Vec<u8>, Py<PyString>>,
    scheme: Py<PyString>,
    https: Py<PyString>,
    content_length: Py<PyString>,
    ports: Vec<Option<u16>>,
}

impl EnvironBuilder {
    /// A builder whose template has the constant entries and `wsgi.errors`, `wsgi.file_wrapper` and `wsgi.input`.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn new(py: Python<'_>, facts: &Facts, errors: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut keys = Vec::with_capacity(Known::ALL.len());
        for known in Known::ALL {
            debug_assert_eq!(*known as usize, keys.len());
            keys.push(Key {
                name: PyString::intern(py, known.name()).unbind(),
                remembers: !CHANGING.contains(known),
                last: Vec::new(),
                value: None,
                repeated: 0,
                wanted: REPETITIONS,
            });
        }
        let template = PyDict::new(py);
        template.set_item(intern(py, "SCRIPT_NAME"), "")?;
        let node = from_latin1(py, &facts.node)?;
        for known in USUAL {
            template.set_item(keys[known as usize].name.bind(py), "")?;
        }
        template.set_item(intern(py, "wsgi.input"), py.None())?;
        if facts.file_wrapper {
            let wrapper = py.get_type::<super::file_wrapper::FileWrapper>();
            template.set_item(intern(py, "wsgi.file_wrapper"), wrapper)?;
        }
        template.set_item(intern(py, "wsgi.version"), PyTuple::new(py, [1, 0])?)?;
        template.set_item(intern(py, "wsgi.errors"), errors)?;
        template.set_item(intern(py, "wsgi.run_once"), false)?;
        template.set_item(intern(py, "wsgi.multithread"), facts.multithread)?;
        template.set_item(intern(py, "wsgi.multiprocess"), facts.multiprocess)?;
        let scheme = intern(py, "wsgi.url_scheme");
        template.set_item(&scheme, intern(py, "http"))?;
        template.set_item(intern(py, "wsgi.input_terminated"), true)?;
        template.set_item(intern(py, "uwsgi.version"), PyBytes::new(py, facts.version.as_bytes()))?;
        if facts.multithread {
            template.set_item(intern(py, "uwsgi.core"), facts.core)?;
        }
        template.set_item(intern(py, "uwsgi.node"), PyBytes::new(py, &facts.node))?;
        make_room(py, &template)?;
        Ok(Self {
            template: template.unbind(),
            keys,
            placed: USUAL_BITS,
            settled: 0,
            node: node.unbind(),
            others: HashMap::new(),
            scheme: scheme.unbind(),
            https: intern(py, "https").unbind(),
            content_length: intern(py, "CONTENT_LENGTH").unbind(),
            ports: facts.ports.clone(),
        })
    }

    /// Puts another stream object into the environs from now on.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn set_input(&self, input: &Bound<'_, PyAny>) -> PyResult<()> {
        self.template.bind(input.py()).set_item(pyo3::intern!(input.py(), "wsgi.input"), input)
    }

    /// The environ of `request`, which came through `listener`; `body` is the length of a body that came without a
    /// Content-Length.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn build<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request,
        listener: u16,
        body: Option<u64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = copy_dict(self.template.bind_borrowed(py))?;
        let mut seen = 0u128;
        for (name, value) in request.vars() {
            match name {
                Name::Known(known) => {
                    let is_there = self.settled & !seen & bit(known) != 0
                        && is_same(&self.keys[known as usize].last, value);
                    if !is_there {
                        self.set_known(&environ, known, value)?;
                    }
                    seen |= bit(known);
                }
                Name::Other(name) => {
                    let text = from_latin1(py, value)?;
                    self.set_other(&environ, name, &text)?;
                }
            }
        }
        let absent = self.placed & !seen;
        if absent != 0 {
            self.settle_absent(&environ, absent, request.is_https(), listener)?;
        }
        if request.is_https() {
            environ.set_item(self.scheme.bind(py), self.https.bind(py))?;
        }
        if let Some(length) = body {
            environ.set_item(self.content_length.bind(py), length.to_string())?;
        }
        Ok(environ)
    }

    fn set_known(&mut self, environ: &Bound<'_, PyDict>, known: Known, value: &[u8]) -> PyResult<()> {
        let py = environ.py();
        let key = &mut self.keys[known as usize];
        let (text, memory) = key.text(py, value)?;
        let name = key.name.bind(py);
        environ.set_item(name, &text)?;
        match memory {
            Memory::Apart | Memory::Again => {}
            Memory::New => self.settled &= !bit(known),
            Memory::Steady => {
                self.template.bind(py).set_item(name, text)?;
                self.placed |= bit(known);
                self.settled |= bit(known);
            }
        }
        Ok(())
    }

    fn set_other(
        &mut self,
        environ: &Bound<'_, PyDict>,
        name: &[u8],
        value: &Bound<'_, PyString>,
    ) -> PyResult<()> {
        let py = environ.py();
        if let Some(key) = self.others.get(name) {
            return environ.set_item(key.bind(py), value);
        }
        let key = from_latin1(py, name)?;
        environ.set_item(&key, value)?;
        if self.others.len() < MAX_OTHER_NAMES && name.len() <= MAX_OTHER_NAME {
            self.others.insert(name.to_vec(), key.unbind());
        }
        Ok(())
    }

    /// Takes out what the template has and the request has not, but for what PEP 3333 demands. What had only come to be
    /// there leaves the template as well.
    fn settle_absent(
        &mut self,
        environ: &Bound<'_, PyDict>,
        absent: u128,
        https: bool,
        listener: u16,
    ) -> PyResult<()> {
        let py = environ.py();
        let template = self.template.bind(py);
        let mut left = absent;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            let (known, bit) = (Known::ALL[index], left & left.wrapping_neg());
            left &= !bit;
            let key = &mut self.keys[index];
            let name = key.name.bind(py);
            if USUAL_BITS & bit == 0 {
                key.repeated = 0;
                key.wanted = (key.wanted * 2).min(MAX_REPETITIONS);
                self.placed &= !bit;
                self.settled &= !bit;
                match known {
                    Known::ScriptName => template.set_item(name, "")?,
                    _ => template.del_item(name)?,
                }
            }
            match known {
                Known::ServerName => environ.set_item(name, &self.node)?,
                // What is safe with a client of whom nothing is known.
                Known::ServerProtocol => environ.set_item(name, "HTTP/1.0")?,
                Known::PathInfo | Known::ScriptName => environ.set_item(name, "")?,
                Known::ServerPort => {
                    let usual = if https { 443 } else { 80 };
                    let port = self.ports.get(usize::from(listener)).copied().flatten().unwrap_or(usual);
                    environ.set_item(name, port.to_string())?;
                }
                _ => environ.del_item(name)?,
            }
        }
        Ok(())
    }
}

impl Key {
    /// The value as text, the remembered object when it is the same as last time.
    #[inline]
    fn text<'py>(&mut self, py: Python<'py>, value: &[u8]) -> PyResult<(Bound<'py, PyString>, Memory)> {
        if is_same(&self.last, value)
            && let Some(text) = &self.value
        {
            self.repeated = self.repeated.saturating_add(1);
            let memory = if self.repeated >= self.wanted { Memory::Steady } else { Memory::Again };
            return Ok((text.bind(py).clone(), memory));
        }
        let text = from_latin1(py, value)?;
        let is_kept = if self.remembers { value.len() <= MAX_REMEMBERED } else { value.is_empty() };
        if !is_kept {
            return Ok((text, Memory::Apart));
        }
        self.last.clear();
        self.last.extend_from_slice(value);
        self.value = Some(text.clone().unbind());
        self.repeated = 0;
        Ok((text, Memory::New))
    }
}

fn intern<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    PyString::intern(py, text)
}

/// Grows the table of `dict` so that a request's variables fit without another growth: a copy keeps the size.
fn make_room(py: Python<'_>, dict: &Bound<'_, PyDict>) -> PyResult<()> {
    let extra: Vec<_> = (0..6).map(|number| PyString::new(py, &format!("margrave.room{number}"))).collect();
    for key in &extra {
        dict.set_item(key, true)?;
    }
    for key in &extra {
        dict.del_item(key)?;
    }
    Ok(())
}
