//! Decodes heads.

use crate::request::{Decoded, Known, Request};
use crate::variables::{self, Block};
use crate::{Fault, Limits, Peer, WireError};

/// Digits of a netstring's length: enough for any limit on a head.
const LENGTH_DIGITS: usize = 10;

/// Decodes the head at the start of `input` into `request`, which is cleared first. The body follows it.
///
/// # Errors
/// When the head is malformed or passes a limit.
pub fn decode(
    input: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<Decoded, WireError> {
    request.begin(peer);
    let Some((length, start)) = netstring_length(input, limits)? else { return Ok(Decoded::Incomplete) };
    let end = start + length;
    let (Some(strings), Some(&comma)) = (input.get(start..end), input.get(end)) else {
        return Ok(Decoded::Incomplete);
    };
    if comma != b',' {
        return Err(WireError::new(Fault::Netstring, end));
    }
    request.head_len = end + 1;
    pairs(strings, start, limits, peer, request)?;
    if request.find(b"SCGI") != Some(b"1") {
        return Err(WireError::new(Fault::ScgiVersion, start));
    }
    variables::conclude(limits, request).map_err(|fault| WireError::new(fault, start))?;
    Ok(Decoded::Complete { used: end + 1 })
}

/// The length that a netstring begins with, and where its content starts; `None` = not all there.
fn netstring_length(input: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, WireError> {
    let mut length: usize = 0;
    for (position, &byte) in input.iter().enumerate() {
        match byte {
            // The length has one way to be written: no zero before other digits.
            b'0'..=b'9' if position < LENGTH_DIGITS && (position == 0 || length > 0) => {
                length = length.saturating_mul(10).saturating_add(usize::from(byte - b'0'));
            }
            b':' if position > 0 => {
                limits.check_head(length).map_err(|fault| WireError::new(fault, 0))?;
                return Ok(Some((length, position + 1)));
            }
            _ => return Err(WireError::new(Fault::Netstring, position)),
        }
    }
    Ok(None)
}

/// Names and values in turn, each ended by NUL. `offset` is where they are in the input.
fn pairs(
    strings: &[u8],
    offset: usize,
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<(), WireError> {
    let mut variables = Block::new(strings, limits, peer, request);
    let mut rest = strings;
    while !rest.is_empty() {
        let position = offset + strings.len() - rest.len();
        let broken = WireError::new(Fault::ScgiStrings, position);
        let (name, after) = string(rest).ok_or(broken)?;
        let (value, after) = string(after).ok_or(broken)?;
        match (name == b"CONTENT_LENGTH", rest.len() == strings.len()) {
            (false, true) => return Err(WireError::new(Fault::ScgiLengthFirst, position)),
            (true, false) => return Err(WireError::new(Fault::ContentLengthTwice, position)),
            // Elsewhere an empty length is none, but here the body's end depends on it.
            (true, true) if value.is_empty() => return Err(WireError::new(Fault::ContentLength, position)),
            _ => {}
        }
        variables.push(name, value).map_err(|fault| WireError::new(fault, position))?;
        rest = after;
    }
    match request.var(Known::ContentLength) {
        Some(_) => Ok(()),
        None => Err(WireError::new(Fault::ScgiLengthFirst, offset)),
    }
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}
