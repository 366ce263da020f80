//! Encodes what this server says by itself, interim answers and refusals, and what a client says.

use super::{is_token, scan, target};
use alloc::vec::Vec;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The standard reason phrase of a status (RFC 9110, 15); empty for one that has none.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Encodes a complete small answer: the status as text, `Connection: close`. To a HEAD goes its head alone.
pub fn encode_error(status: u16, date: &[u8], to_head: bool, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    let number = number.format(status).as_bytes();
    let reason = match reason(status) {
        "" => "Error",
        reason => reason,
    };
    let mut length = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(number);
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain\r\nContent-Length: ");
    out.extend_from_slice(length.format(number.len() + reason.len() + 2).as_bytes());
    if !date.is_empty() {
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date);
    }
    out.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    if to_head {
        return;
    }
    out.extend_from_slice(number);
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.push(b'\n');
}

/// Encodes the head of an HTTP/1.1 request: for clients and tests. `false` and nothing encoded when a part could not
/// be told from what follows it: a method or name that is no token, a space in the target, a control character.
#[must_use]
pub fn encode_request<'a>(
    method: &[u8],
    target: &[u8],
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let mut sound = is_token(method) && !target.is_empty() && scan::target_len(target) == target.len();
    for piece in [method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(piece);
    }
    for (name, value) in fields {
        sound &= is_token(name) && scan::value_len(value) == value.len();
        for piece in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
    out.extend_from_slice(b"\r\n");
    if !sound {
        out.truncate(start);
    }
    sound
}

/// `PATH_INFO` and `QUERY_STRING` of an origin-form target, as a front server gives them to uwsgi, SCGI and FastCGI.
#[must_use]
pub fn path_info_and_query(target: &[u8]) -> (Vec<u8>, &[u8]) {
    let (path, query) = target::path_and_query(target);
    let mut decoded = Vec::new();
    target::decode_path(&target[path], &mut decoded);
    (decoded, &target[query])
}
