//! Decodes headers.

use super::{Decoded, Source};
use crate::{Fault, WireError};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// What version 2 begins with; no other protocol does.
pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";
/// Bytes of the longest line that version 1 allows, with its end.
const LINE: usize = 107;
/// Bytes of version 2 before the addresses.
pub(super) const HEADER: usize = 16;
/// Bytes of the addresses of version 2, by family.
const INET: usize = 12;
const INET6: usize = 36;
const UNIX: usize = 216;
/// Bytes of type and length before a value behind the addresses.
const TLV: usize = 3;

/// Decodes the header at the start of `input`; one of version 2 may be `limit` bytes long.
///
/// # Errors
/// When the header is malformed, too long or of a kind that is not served.
pub fn decode(input: &[u8], limit: usize) -> Result<Decoded, WireError> {
    if begins(input, SIGNATURE) {
        return version2(input, limit);
    }
    if begins(input, WORD) {
        return version1(input);
    }
    Ok(Decoded::Absent)
}

/// As far as there is input, it is the start.
fn begins(input: &[u8], start: &[u8]) -> bool {
    input.iter().zip(start).all(|(one, other)| one == other)
}

fn version1(input: &[u8]) -> Result<Decoded, WireError> {
    let line = &input[..input.len().min(LINE)];
    let Some(end) = memchr::memchr(b'\r', line).filter(|&end| end + 1 < line.len()) else {
        // A CR as the last byte allowed leaves no room for the LF.
        return if line.len() < LINE { Ok(Decoded::Incomplete) } else { Err(broken(LINE - 1)) };
    };
    if line[end + 1] != b'\n' {
        return Err(broken(end + 1));
    }
    let source = match &line[WORD.len().min(end)..end] {
        b"UNKNOWN" => Source::Connection,
        // What follows is for people.
        text if text.starts_with(b"UNKNOWN ") => Source::Connection,
        text => tcp(text).ok_or(broken(WORD.len()))?,
    };
    Ok(Decoded::Complete { used: end + 2, source })
}

/// `TCP4` or `TCP6`, two addresses, two ports, one space between each.
fn tcp(text: &[u8]) -> Option<Source> {
    let mut words = core::str::from_utf8(text).ok()?.split(' ');
    let (family, source, destination) = (words.next()?, words.next()?, words.next()?);
    let ports = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let address: fn(&str) -> Option<IpAddr> = match family {
        "TCP4" => |text| Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        "TCP6" => |text| Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => return None,
    };
    Some(Source::Tcp {
        source: SocketAddr::new(address(source)?, ports.0),
        destination: SocketAddr::new(address(destination)?, ports.1),
    })
}

fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn version2(input: &[u8], limit: usize) -> Result<Decoded, WireError> {
    let unsupported = |position| Err(WireError::new(Fault::ProxyUnsupported, position));
    let (Some(&version), kind) = (input.get(12), input.get(13)) else { return Ok(Decoded::Incomplete) };
    let proxied = match version {
        0x20 => false,
        0x21 => true,
        _ => return unsupported(12),
    };
    // Upper half: family; lower half: 1 = stream. Of a connection of its own a balancer need not fill them in.
    let addresses = match kind {
        None => return Ok(Decoded::Incomplete),
        Some(_) if !proxied => 0,
        Some(0x00) => 0,
        Some(0x11) => INET,
        Some(0x21) => INET6,
        Some(0x31) => UNIX,
        Some(_) => return unsupported(13),
    };
    let Some(&[high, low]) = input.get(14..HEADER) else { return Ok(Decoded::Incomplete) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if HEADER + length > limit {
        return Err(WireError::new(Fault::HeadTooLarge, 14));
    }
    if length < addresses {
        return Err(broken(14));
    }
    let Some(rest) = input.get(HEADER..HEADER + length) else { return Ok(Decoded::Incomplete) };
    let (addresses, values) = rest.split_at(addresses);
    // What follows no address may be one of a family that has no number.
    if !addresses.is_empty() && !are_values(values) {
        return Err(broken(HEADER + addresses.len()));
    }
    Ok(Decoded::Complete { used: HEADER + length, source: source2(addresses) })
}

fn source2(addresses: &[u8]) -> Source {
    let port = |at: usize| u16::from_be_bytes([addresses[at], addresses[at + 1]]);
    let pair = |source: IpAddr, destination: IpAddr, ports: usize| Source::Tcp {
        source: SocketAddr::new(source, port(ports)),
        destination: SocketAddr::new(destination, port(ports + 2)),
    };
    if let Some((&bytes, _)) = addresses.split_first_chunk::<INET>().filter(|_| addresses.len() == INET) {
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        return pair([a, b, c, d].into(), [e, f, g, h].into(), 8);
    }
    let halves = addresses.split_first_chunk::<16>().and_then(|(source, rest)| {
        let (destination, ports) = rest.split_first_chunk::<16>()?;
        (ports.len() == 4).then_some((*source, *destination))
    });
    match halves {
        Some((source, destination)) => pair(source.into(), destination.into(), 32),
        None if addresses.is_empty() => Source::Connection,
        None => Source::Unix,
    }
}

/// Types, lengths and values, which fill the bytes; none of them is used.
fn are_values(mut bytes: &[u8]) -> bool {
    while let Some(([_, high, low], rest)) = bytes.split_first_chunk::<TLV>() {
        match rest.get(usize::from(u16::from_be_bytes([*high, *low]))..) {
            Some(after) => bytes = after,
            None => return false,
        }
    }
    bytes.is_empty()
}

fn broken(position: usize) -> WireError {
    WireError::new(Fault::ProxyHeader, position)
}
