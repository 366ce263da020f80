//! Decodes packets.

use crate::request::Request;
use crate::variables::{self, Block};
use crate::{Fault, Limits, Peer, WireError};

/// Bytes before a packet's variables.
const HEADER: usize = 4;
/// WSGI
const WSGI: u8 = 0;
/// WSGI, `SCRIPT_NAME` to be taken off `PATH_INFO`, which uWSGI does not do on Python 3, and so nor do we.
const WSGI_SCRIPT_NAME: u8 = 30;
const PING: u8 = 100;

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
    /// A ping: the answer is [`super::PONG`].
    Ping {
        /// Bytes of input that the packet took.
        used: usize,
    },
}

/// Decodes one packet from the start of `input` into `request`, which is cleared first.
///
/// # Errors
/// When the packet is malformed, passes a limit or asks for what is not served.
pub fn decode(
    input: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<Decoded, WireError> {
    request.begin(peer);
    let Some(&modifier1) = input.first() else { return Ok(Decoded::Incomplete) };
    if let Some(name) = not_served(modifier1) {
        return Err(WireError::new(Fault::Modifier(modifier1, name), 0));
    }
    let Some((&[_, low, high, _], rest)) = input.split_first_chunk::<HEADER>() else {
        return Ok(Decoded::Incomplete);
    };
    let size = usize::from(u16::from_le_bytes([low, high]));
    limits.check_head(size).map_err(|fault| WireError::new(fault, 1))?;
    let Some(block) = rest.get(..size) else { return Ok(Decoded::Incomplete) };
    let used = HEADER + size;
    if modifier1 == PING {
        return Ok(Decoded::Ping { used });
    }
    if size == 0 {
        return Err(WireError::new(Fault::PacketEmpty, 1));
    }
    request.head_len = used;
    pairs(block, limits, peer, request)?;
    variables::conclude(limits, request).map_err(|fault| WireError::new(fault, HEADER))?;
    Ok(Decoded::Request { used })
}

/// Pairs of length and name, length and value, that fill the block exactly.
fn pairs(block: &[u8], limits: &Limits, peer: &Peer<'_>, request: &mut Request) -> Result<(), WireError> {
    let mut variables = Block::new(block, limits, peer, request);
    let mut rest = block;
    while !rest.is_empty() {
        let fails = |fault| WireError::new(fault, HEADER + block.len() - rest.len());
        let (name, after) = part(rest).ok_or_else(|| fails(Fault::PacketTruncated))?;
        let (value, after) = part(after).ok_or_else(|| fails(Fault::PacketTruncated))?;
        variables.push(name, value).map_err(fails)?;
        rest = after;
    }
    Ok(())
}

#[inline]
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// What a modifier asks for, by the table in uWSGI's manual; `None` for those served here.
fn not_served(modifier1: u8) -> Option<&'static str> {
    Some(match modifier1 {
        WSGI | WSGI_SCRIPT_NAME | PING => return None,
        5 => "PSGI",
        6 => "Lua WSAPI",
        7 => "Rack",
        8 => "JVM",
        9 => "CGI",
        10 => "management",
        14 => "PHP",
        15 => "Mono",
        17 => "spooler",
        18 => "call of a symbol",
        22 => "code evaluation",
        23 => "XSLT",
        24 => "V8",
        25 => "GridFS",
        26 => "GlusterFS",
        27 => "FastFuncs",
        31 => "message",
        32 => "array",
        33 => "marshalled object",
        48 => "SNMP",
        72 => "HTTP response",
        73 => "announcement",
        74 => "multicast",
        95 => "cluster membership",
        96 => "remote logging",
        97 => "brutal reload",
        98 => "graceful reload",
        99 => "configuration of a node",
        101 => "echo",
        109 => "legion",
        110 => "signal",
        111 => "cache",
        173 => "RPC",
        200 => "close mark",
        224 => "subscription",
        255 => "response",
        _ => "not in the protocol",
    })
}
