//! Decodes request heads.

use crate::{Decoded, Limits, Peer, Request, WireError};

/// Decodes one request head from the start of `input` into `request`.
///
/// # Errors
/// When the head is malformed or passes a limit.
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
