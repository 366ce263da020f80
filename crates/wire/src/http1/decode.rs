//! Decodes request heads, in one pass over the input.
//!
//! Nothing is repaired: a head with a line that does not end in CR LF, a space where none belongs, a second Host or a
//! second length is refused, because a proxy in front may have read it in another way. Three things are dropped, as
//! an application could take them for something else: fields with an underscore in their name (unless the peer is
//! allowed them), `Proxy` (it would become `HTTP_PROXY`, which HTTP clients obey), and Host beside an absolute-form
//! target.

use super::fields::Fields;
use super::{scan, target};
use crate::request::{Decoded, Known, Name, Request, Version};
use crate::{Fault, Limits, Peer, WireError};

/// Empty lines taken before a request line; RFC 9112, 2.2 asks for at least one.
const EMPTY_LINES: usize = 4;
/// No method in the registry is half as long.
const METHOD_LEN: usize = 32;
/// `HTTP/1.1` CR LF
const VERSION_LEN: usize = 10;

/// Decodes one request head from the start of `input` into `request`, which is cleared first.
///
/// Faults are found as early as the bytes allow, so that garbage without a line end is refused too. The input may
/// go on after the head; `request` is filled in only when the result is `Complete`.
///
/// # Errors
/// When the head is malformed or passes a limit. The connection cannot be used any longer.
pub fn decode(
    input: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<Decoded, WireError> {
    request.begin(peer);
    let start = empty_lines(input)?;
    let mut line = input;
    if let Some(end) = start.checked_add(limits.head) {
        line = &input[..input.len().min(end)];
    }
    let cut = line.len() < input.len() || line.len() - start == limits.head;
    match head(line, start, limits, peer, request) {
        // Without a line end it is all request line, and so all target.
        Ok(None) if cut && memchr::memchr(b'\n', &line[start..]).is_none() => {
            Err(WireError::new(Fault::TargetTooLong, line.len()))
        }
        Ok(None) if cut => Err(WireError::new(Fault::HeadTooLarge, line.len())),
        Ok(None) => Ok(Decoded::Incomplete),
        Ok(Some(used)) => {
            request.head_len = used - start;
            Ok(Decoded::Complete { used })
        }
        Err(error) => Err(error),
    }
}

fn empty_lines(input: &[u8]) -> Result<usize, WireError> {
    let mut at = 0;
    while at < 2 * EMPTY_LINES && input.get(at) == Some(&b'\r') {
        match input.get(at + 1) {
            Some(b'\n') => at += 2,
            Some(_) => return Err(WireError::new(Fault::LineEnd, at)),
            None => break,
        }
    }
    Ok(at)
}

/// Request line and fields; `None` when the input ends before they do.
fn head(
    input: &[u8],
    start: usize,
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
) -> Result<Option<usize>, WireError> {
    let Some(line) = RequestLine::decode(input, start, limits)? else { return Ok(None) };
    let target =
        target::split(line.method, line.target).map_err(|fault| WireError::new(fault, line.target_at))?;
    request.version = line.version;
    push_line(&line, &target, request);
    push_peer(peer, request);
    Fields::new(limits, peer, target.authority, request).decode(input, line.end)
}

/// The parts of a request line and where they are.
struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    target_at: usize,
    version: Version,
    end: usize,
}

impl<'a> RequestLine<'a> {
    fn decode(input: &'a [u8], start: usize, limits: &Limits) -> Result<Option<Self>, WireError> {
        let rest = &input[start..];
        let method_len = scan::token_len(rest);
        if method_len > METHOD_LEN {
            return Err(WireError::new(Fault::MethodTooLong, start));
        }
        match rest.get(method_len) {
            Some(b' ') if method_len > 0 => {}
            None => return Ok(None),
            // A CR that may become the empty line.
            Some(b'\r') if method_len == 0 && rest.len() == 1 => return Ok(None),
            Some(_) => return Err(WireError::new(Fault::Method, start + method_len)),
        }
        let target_at = start + method_len + 1;
        let rest = &input[target_at..];
        let target_len = scan::target_len(rest);
        if target_len > limits.target {
            return Err(WireError::new(Fault::TargetTooLong, target_at));
        }
        match rest.get(target_len) {
            Some(b' ') if target_len > 0 => {}
            None => return Ok(None),
            Some(b'\r' | b'\n') => return Err(WireError::new(Fault::VersionSyntax, target_at + target_len)),
            Some(_) => return Err(WireError::new(Fault::Target, target_at + target_len)),
        }
        let version_at = target_at + target_len + 1;
        let version = version(&input[version_at..]).map_err(|fault| WireError::new(fault, version_at))?;
        Ok(version.map(|version| Self {
            method: &input[start..start + method_len],
            target: &rest[..target_len],
            target_at,
            version,
            end: version_at + VERSION_LEN,
        }))
    }
}

/// The version and the line end after it; `None` when there is less.
fn version(rest: &[u8]) -> Result<Option<Version>, Fault> {
    match rest.get(..VERSION_LEN) {
        Some(b"HTTP/1.1\r\n") => return Ok(Some(Version::Http11)),
        Some(b"HTTP/1.0\r\n") => return Ok(Some(Version::Http10)),
        _ => {}
    }
    for (at, &byte) in rest.iter().take(VERSION_LEN).enumerate() {
        match (at, byte) {
            (0..5, _) if byte == b"HTTP/"[at] => {}
            (5 | 7, b'0'..=b'9') | (6, b'.') | (8, b'\r') | (9, b'\n') => {}
            (8, b'\n') | (9, _) => return Err(Fault::LineEnd),
            _ => return Err(Fault::VersionSyntax),
        }
    }
    match rest {
        // A later minor version is served as the highest known one (RFC 9110, 2.5).
        [_, _, _, _, _, b'1', _, _, _, _, ..] => Ok(Some(Version::Http11)),
        [_, _, _, _, _, _, _, _, _, _, ..] => Err(Fault::VersionUnsupported),
        _ => Ok(None),
    }
}

fn push_line(line: &RequestLine<'_>, target: &target::Target<'_>, request: &mut Request) {
    request.push(Name::Known(Known::RequestMethod), line.method);
    let (path, query) = target::path_and_query(target.rest);
    if target.slash {
        // Nothing but a query or a fragment can follow an authority without a path.
        request.push_with(Known::RequestUri, |text| {
            text.push(b'/');
            text.extend_from_slice(target.rest);
        });
        request.push(Name::Known(Known::PathInfo), b"/");
        request.push(Name::Known(Known::QueryString), &target.rest[query]);
    } else {
        request.push(Name::Known(Known::RequestUri), target.rest);
        if target::is_plain(&target.rest[path.clone()]) {
            request.push_part(Known::PathInfo, Known::RequestUri, path);
        } else {
            request.push_with(Known::PathInfo, |text| target::decode_path(&target.rest[path], text));
        }
        request.push_part(Known::QueryString, Known::RequestUri, query);
    }
    let protocol: &[u8] = match line.version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    };
    request.push(Name::Known(Known::ServerProtocol), protocol);
}

fn push_peer(peer: &Peer<'_>, request: &mut Request) {
    request.push(Name::Known(Known::ScriptName), b"");
    request.push(Name::Known(Known::ServerName), peer.server_name);
    request.push(Name::Known(Known::ServerPort), peer.server_port);
    if !peer.router.is_empty() {
        request.push(Name::Known(Known::UwsgiRouter), peer.router);
    }
    request.push(Name::Known(Known::RemoteAddr), peer.remote_addr);
    if !peer.remote_port.is_empty() {
        request.push(Name::Known(Known::RemotePort), peer.remote_port);
    }
}
