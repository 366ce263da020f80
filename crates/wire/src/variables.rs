//! What uwsgi, SCGI and FastCGI have in common: a front server made the meta-variables, and this one takes them over.
//!
//! Of a variable that comes twice the last counts, as in the dictionary that Python sees.

use crate::http1::{content_length, without_zeros};
use crate::request::{BodyLength, Known, Name, Request, Version};
use crate::{Fault, Limits, Peer};
use core::ops::Range;

/// The bytes that hold all variables of a request, which takes them over in one copy.
pub(crate) struct Block<'a> {
    bytes: &'a [u8],
    limits: &'a Limits,
    peer: &'a Peer<'a>,
    request: &'a mut Request,
}

impl<'a> Block<'a> {
    /// The variables in `bytes` are to be those of `request`, which has nothing yet.
    pub(crate) fn new(
        bytes: &'a [u8],
        limits: &'a Limits,
        peer: &'a Peer<'a>,
        request: &'a mut Request,
    ) -> Self {
        request.hold(bytes);
        Self { bytes, limits, peer, request }
    }

    /// Takes one variable over, unless it would make the server load code for somebody who may not. Name and value are
    /// parts of the block.
    #[inline(always)]
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::VariableName);
        }
        if self.request.len() >= self.limits.variables {
            return Err(Fault::TooManyVariables);
        }
        let known = Name::from_bytes(name);
        if self.peer.dynamic_apps || !loads_apps(known) {
            self.request.push_held(known, self.place(name), self.place(value));
        }
        Ok(())
    }

    /// Where `part` is in the block.
    fn place(&self, part: &[u8]) -> Range<usize> {
        let start = part.as_ptr().addr() - self.bytes.as_ptr().addr();
        start..start + part.len()
    }
}

/// Draws version and body from the variables, once they are all there.
pub(crate) fn conclude(limits: &Limits, request: &mut Request) -> Result<(), Fault> {
    request.version = match request.var(Known::ServerProtocol) {
        None | Some(b"HTTP/1.0" | b"HTTP/0.9" | b"") => Version::Http10,
        Some(_) => Version::Http11,
    };
    let mut plain = None;
    request.body = match request.var(Known::ContentLength) {
        None | Some(b"") => BodyLength::None,
        Some(value) => {
            let length = content_length(value)?;
            plain = Some(without_zeros(value)).filter(|plain| plain.len() < value.len()).map(<[u8]>::to_vec);
            BodyLength::Known(length)
        }
    };
    if let Some(plain) = plain {
        request.set(Known::ContentLength, &plain);
    }
    match (request.body, limits.body) {
        (BodyLength::Known(length), Some(limit)) if length > limit => Err(Fault::BodyTooLarge),
        _ => Ok(()),
    }
}

/// The variables with which a front server makes uWSGI load code.
fn loads_apps(name: Name<'_>) -> bool {
    match name {
        Name::Known(known) => matches!(
            known,
            Known::UwsgiFile
                | Known::UwsgiModule
                | Known::UwsgiCallable
                | Known::UwsgiScript
                | Known::UwsgiPyhome
                | Known::UwsgiHome
        ),
        Name::Other(name) => name.starts_with(b"UWSGI_") && loads_other_apps(name),
    }
}

/// Apart, so that what every variable goes through stays small.
#[cold]
fn loads_other_apps(name: &[u8]) -> bool {
    matches!(name, b"UWSGI_PASTE" | b"UWSGI_EVAL" | b"UWSGI_PYTHON")
}
