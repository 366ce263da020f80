//! Decodes packets.

use crate::{Limits, Peer, Request, WireError};

/// What the start of the input was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The packet is not complete: call again with more input.
    Incomplete,
    /// A request; the value is filled in.
    Request {
        /// Bytes of input that the packet took.
        used: usize,
    },
    /// A ping (modifier 100): the answer is one byte packet header.
    Ping {
        /// Bytes of input that the packet took.
        used: usize,
    },
}

/// Decodes one packet from the start of `input`.
///
/// # Errors
/// When the packet is malformed or asks for what is not served.
pub fn decode(
    input: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<Decoded, WireError> {
    request.clear();
    let _ = (input, limits, peer);
    Ok(Decoded::Incomplete)
}
