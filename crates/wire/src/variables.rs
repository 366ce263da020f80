//! What uwsgi, SCGI and FastCGI have in common: a front server made the meta-variables, and this one takes them over.
//!
//! Of a variable that comes twice the last counts, as in the dictionary that Python sees.

use crate::http1::{content_length, without_zeros};
use crate::request::{BodyLength, Known, Name, Request, Version};
use crate::{Fault, Limits, Peer};

/// Takes one variable over, unless it would make the server load code for somebody who may not.
pub(crate) fn push(
    name: &[u8],
    value: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::VariableName);
    }
    if request.len() >= limits.variables {
        return Err(Fault::TooManyVariables);
    }
    let name = Name::from_bytes(name);
    if peer.dynamic_apps || !loads_apps(name) {
        request.push(name, value);
    }
    Ok(())
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
        Name::Other(name) => matches!(name, b"UWSGI_PASTE" | b"UWSGI_EVAL" | b"UWSGI_PYTHON"),
    }
}
