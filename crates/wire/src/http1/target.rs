//! Request targets (RFC 9112, 3.2) and Host: their forms, and the path that an application sees.
//!
//! PATH_INFO is what uWSGI makes of the same target: dot segments that are written out are resolved, then escapes are
//! decoded; double slashes stay; `%2e%2e` and `%2F` become text, not structure. A fragment is cut off. Differing from
//! uWSGI: an escape that is none (`%zz`) stays as it is, where uWSGI puts a NUL; an absolute-form target is split into
//! Host and path, where uWSGI gives the whole as path.

use crate::Fault;
use alloc::vec::Vec;
use core::ops::Range;

/// A target taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// From an absolute-form target; replaces Host.
    pub(crate) authority: Option<&'a [u8]>,
    /// Path and query as sent; of an absolute-form target without a path, what follows the `/` to be put before it.
    pub(crate) rest: &'a [u8],
    /// A `/` is to be put before `rest`.
    pub(crate) slash: bool,
}

/// Takes a target apart.
pub(crate) fn split<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, Fault> {
    if method == b"CONNECT" {
        return Err(Fault::Connect);
    }
    if target.first() == Some(&b'/') {
        return Ok(Target { authority: None, rest: target, slash: false });
    }
    if target == b"*" && method == b"OPTIONS" {
        return Ok(Target { authority: None, rest: target, slash: false });
    }
    let after = |scheme: &[u8]| {
        let (head, rest) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let rest = after(b"http://").or_else(|| after(b"https://")).ok_or(Fault::Target)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority) {
        return Err(Fault::Target);
    }
    Ok(Target { authority: Some(authority), rest, slash: rest.first() != Some(&b'/') })
}

/// Where the path and the query are. The fragment is of neither, whether it comes after the query or, as uWSGI
/// reads it, before.
pub(crate) fn path_and_query(target: &[u8]) -> (Range<usize>, Range<usize>) {
    let Some(first) = memchr::memchr2(b'?', b'#', target) else {
        return (0..target.len(), target.len()..target.len());
    };
    let Some(mark) = memchr::memchr(b'?', &target[first..]) else {
        return (0..first, target.len()..target.len());
    };
    let start = first + mark + 1;
    let end = memchr::memchr(b'#', &target[start..]).map_or(target.len(), |end| start + end);
    (0..first, start..end)
}

/// The path can be taken as it is: it has no escape and no dot segment.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in path {
        if byte == b'%' || byte == b'.' && previous == b'/' {
            return false;
        }
        previous = byte;
    }
    true
}

/// Appends the path with dot segments resolved and escapes decoded.
pub(crate) fn decode_path(path: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if path.first() == Some(&b'/') {
        resolve_dots(path, out);
    } else {
        out.extend_from_slice(path);
    }
    let (mut read, mut write) = (start, start);
    while read < out.len() {
        let decoded = match out[read..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out[write] = decoded.unwrap_or(out[read]);
        read += if decoded.is_some() { 3 } else { 1 };
        write += 1;
    }
    out.truncate(write);
}

/// RFC 3986, 5.2.4, on an absolute path.
fn resolve_dots(path: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    let slash = out[start..].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                    out.truncate(start + slash);
                }
                if last {
                    out.push(b'/');
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2), or empty. A comma is refused, though a registered name may have one:
/// in Host it means two values joined.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            if !is_ipv6(&rest[..end]) {
                return false;
            }
            (&b"::"[..], &rest[end + 1..])
        }
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535
        }
        _ => false,
    };
    port_fits && (value.first() == Some(&b'[') || is_name(host) && (!host.is_empty() || port.is_empty()))
}

/// A registered name or an IPv4 address.
fn is_name(mut name: &[u8]) -> bool {
    while let Some((&byte, rest)) = name.split_first() {
        name = match byte {
            b'%' => match rest {
                [high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => rest,
                _ => return false,
            },
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' | b'-' | b'.' | b'_'
            | b'~' => rest,
            _ if byte.is_ascii_alphanumeric() => rest,
            _ => return false,
        };
    }
    true
}

/// Groups of hexadecimal digits and colons, perhaps an IPv4 tail; zone identifiers have no place in Host.
fn is_ipv6(address: &[u8]) -> bool {
    core::str::from_utf8(address).is_ok_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok())
}
