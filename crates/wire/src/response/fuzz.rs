//! What must hold of any status and fields that an application gives; read back by hyper's parser, `httparse`.

use super::{Protocol, ResponseEncoder};
use crate::request::{Known, Name, Request};
use alloc::vec::Vec;

/// Checks one input: a status, then names and values, each ended by 0xFF.
pub fn check(input: &[u8]) {
    let mut parts = input.split(|&byte| byte == 0xff);
    let status = parts.next().unwrap_or_default();
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        fields.push((name, value));
    }
    let mut request = Request::new();
    let method: &[u8] = if input.len().is_multiple_of(2) { b"GET" } else { b"HEAD" };
    request.push(Name::Known(Known::RequestMethod), method);
    request.keep_alive = true;
    for known in [None, Some(0), Some(3)] {
        for protocol in [Protocol::Http, Protocol::Uwsgi, Protocol::Cgi] {
            let encoder = ResponseEncoder::new(protocol, &request);
            check_answer(encoder, protocol, status, &fields, known);
        }
    }
}

fn check_answer(
    mut encoder: ResponseEncoder,
    protocol: Protocol,
    status: &[u8],
    fields: &[(&[u8], &[u8])],
    known: Option<u64>,
) {
    let mut out = b"before".to_vec();
    if encoder.head(status, fields.iter().copied(), known, b"now", false, &mut out).is_err() {
        assert_eq!(out, b"before");
        assert!(!encoder.finish().keep_alive);
        return;
    }
    let head = &out[6..];
    assert_eq!(head.len(), encoder.head_len());
    assert_eq!(head.windows(4).position(|end| end == b"\r\n\r\n"), Some(head.len() - 4));
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut response = httparse::Response::new(&mut headers);
    if protocol == Protocol::Cgi {
        assert!(head.starts_with(b"Status: "));
    } else if encoder.field_count() <= 256 {
        assert_eq!(response.parse(head), Ok(httparse::Status::Complete(head.len())));
        assert_eq!(response.code, Some(encoder.status()));
        assert_eq!(response.headers.len(), encoder.field_count());
    }
    let chunk = encoder.chunk(5);
    assert!(chunk.take <= 5 && (chunk.prefix.is_empty() == chunk.suffix.is_empty()));
    assert!(!encoder.is_bodyless() || chunk.take == 0);
    let finish = encoder.finish();
    assert!(!(finish.keep_alive && finish.short));
    encoder.abort();
    assert_eq!(encoder.finish(), super::Finish::default());
}
