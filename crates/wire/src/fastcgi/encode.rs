//! Encodes records: a responder's answer, and what clients and tests send.

use super::pairs;
use super::record::{CONTENT_MAX, KEEP_CONN, Kind, ProtocolStatus, RESPONDER, frame};
use alloc::vec::Vec;

/// Encodes bytes of a stream in as many records as they need; none for no bytes, since an empty record ends a stream.
pub fn encode_stream(kind: Kind, id: u16, bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 16 * bytes.len().div_ceil(CONTENT_MAX));
    for piece in bytes.chunks(CONTENT_MAX) {
        encode_record(kind, id, piece, out);
    }
}

/// Ends a stream.
pub fn encode_stream_end(kind: Kind, id: u16, out: &mut Vec<u8>) {
    encode_record(kind, id, &[], out);
}

/// Encodes END_REQUEST. `app_status` is what a CGI script would exit with.
pub fn encode_end(id: u16, app_status: u32, status: ProtocolStatus, out: &mut Vec<u8>) {
    let [status3, status2, status1, status0] = app_status.to_be_bytes();
    let content = [status3, status2, status1, status0, status as u8, 0, 0, 0];
    encode_record(Kind::EndRequest, id, &content, out);
}

/// Encodes the BEGIN_REQUEST of a request to a responder; `keep` asks for the connection to be kept.
pub fn encode_begin(id: u16, keep: bool, out: &mut Vec<u8>) {
    let [role1, role0] = RESPONDER.to_be_bytes();
    let flags = if keep { KEEP_CONN } else { 0 };
    encode_record(Kind::BeginRequest, id, &[role1, role0, flags, 0, 0, 0, 0, 0], out);
}

/// Encodes one pair of the PARAMS stream, to be put in records by [`encode_stream`].
pub fn encode_param(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    pairs::encode(name, value, out);
}

/// Encodes one record; content beyond what fits one is left out.
pub(super) fn encode_record(kind: Kind, id: u16, content: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let (header, padding) = frame(kind, id, length);
    out.extend_from_slice(&header);
    out.extend_from_slice(&content[..usize::from(length)]);
    out.extend_from_slice(padding);
}
