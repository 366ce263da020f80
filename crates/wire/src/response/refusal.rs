//! The small complete answer to a request that is refused, in each protocol's form.

use super::Protocol;
use crate::http1::{self, reason};
use alloc::vec::Vec;

/// Encodes a complete small answer: the status as head and as text. `date` is the value of Date, for HTTP; so is
/// `to_head`: the answer to a HEAD has no body (RFC 9110, 9.3.2). Front servers drop it themselves.
pub fn encode_refusal(protocol: Protocol, status: u16, date: &[u8], to_head: bool, out: &mut Vec<u8>) {
    if protocol != Protocol::Cgi {
        return http1::encode_error(status, date, to_head && protocol == Protocol::Http, out);
    }
    let mut line = Vec::with_capacity(40);
    line.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    line.push(b' ');
    line.extend_from_slice(if reason(status).is_empty() { b"Error" } else { reason(status).as_bytes() });
    out.extend_from_slice(b"Status: ");
    out.extend_from_slice(&line);
    out.extend_from_slice(b"\r\nContent-Type: text/plain\r\nContent-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(line.len() + 1).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.append(&mut line);
    out.push(b'\n');
}
