//! What must hold of any bytes given as a request head; compared with hyper's parser, `httparse`.

use super::{decode, without_zeros};
use crate::request::{BodyLength, Decoded, Known, Request, Version};
use crate::{Fault, Limits, Peer, WireError};
use alloc::string::ToString;

const LIMITS: Limits = Limits {
    head: 4096,
    fields: 64,
    field: 2048,
    variables: 64,
    target: 1024,
    body: Some(1 << 40),
    chunk_line: 64,
    trailers: 256,
};

/// Checks one input.
pub fn check(input: &[u8]) {
    let peer = Peer { server_name: b"s", underscore_fields: input.len() % 2 == 1, ..Peer::default() };
    let mut request = Request::new();
    let result = decode(input, &LIMITS, &peer, &mut request);
    match result {
        Ok(Decoded::Complete { used }) => {
            assert!(used <= input.len() && request.head_len <= LIMITS.head);
            assert!(input[..used].ends_with(b"\r\n\r\n"));
            check_variables(&request);
            check_framing(&request);
        }
        Ok(Decoded::Incomplete) => assert!(input.len() < LIMITS.head + 8),
        Err(error) => assert!(error.position <= input.len() && error.status() >= 400),
    }
    check_pieces(input, &peer, result);
    compare(input, result, &request);
}

fn check_variables(request: &Request) {
    for (name, value) in request.vars() {
        let name = name.as_bytes();
        assert!(!name.is_empty() && name != b"HTTP_PROXY" && !name.iter().any(u8::is_ascii_lowercase));
        // Escapes in a path may stand for any byte; nothing else can bring a line end along.
        if name != b"PATH_INFO" {
            assert!(value.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f));
        }
    }
}

fn check_framing(request: &Request) {
    let length = request.var(Known::ContentLength);
    let coding = request.var(Known::HttpTransferEncoding);
    assert!(length.is_none() || coding.is_none());
    match request.body {
        BodyLength::None => assert!(length.is_none() && coding.is_none()),
        BodyLength::Known(number) => assert_eq!(length, Some(number.to_string().as_bytes())),
        BodyLength::Chunked => assert!(coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))),
    }
    assert!(request.version == Version::Http10 || request.var(Known::HttpHost).is_some());
}

/// Fewer bytes give no other answer than "incomplete" or the same fault; more bytes change nothing.
fn check_pieces(input: &[u8], peer: &Peer<'_>, result: Result<Decoded, WireError>) {
    let mut request = Request::new();
    let end = match result {
        Ok(Decoded::Complete { used }) => used,
        _ => input.len(),
    };
    for cut in [1, 2, 3, 7, 20, end / 2, end.saturating_sub(2), end.saturating_sub(5)] {
        let part = decode(&input[..end.saturating_sub(cut)], &LIMITS, peer, &mut request);
        match result {
            Err(error) => assert!(part == Ok(Decoded::Incomplete) || part == Err(error)),
            Ok(_) => assert_eq!(part, Ok(Decoded::Incomplete)),
        }
    }
    if result != Ok(Decoded::Incomplete) {
        let mut more = input.to_vec();
        more.extend_from_slice(b"X\r\n\r\n");
        assert_eq!(decode(&more, &LIMITS, peer, &mut request), result);
    }
}

/// What we take, httparse takes in the same way; what only httparse takes, we refuse for a rule that it has not.
fn compare(input: &[u8], result: Result<Decoded, WireError>, request: &Request) {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut other = httparse::Request::new(&mut headers);
    let parsed = other.parse(input);
    match (result, parsed) {
        (Ok(Decoded::Complete { used }), Ok(httparse::Status::Complete(theirs))) => {
            assert_eq!(used, theirs);
            assert_eq!(request.var(Known::RequestMethod), other.method.map(str::as_bytes));
            assert_eq!(request.version == Version::Http11, other.version == Some(1));
            check_fields(request, &other);
        }
        // A later minor version, which RFC 9110 has us take as 1.1.
        (Ok(Decoded::Complete { .. }), Err(httparse::Error::Version)) => {}
        // Bytes beyond ASCII in a target that are not UTF-8, which uWSGI passes on.
        (Ok(Decoded::Complete { .. }), Err(httparse::Error::Token)) => {
            assert!(request.var(Known::RequestUri).is_some_and(|uri| core::str::from_utf8(uri).is_err()));
        }
        (Ok(Decoded::Complete { .. }), parsed) => assert!(parsed.is_err(), "httparse has not enough"),
        (Err(error), Ok(httparse::Status::Complete(_))) => {
            // Line ends and what the parts mean are not httparse's subject; characters and structure are.
            let both = matches!(error.fault, Fault::FieldValue | Fault::FieldFolded);
            assert!(!both, "httparse takes what we refuse: {error}");
        }
        _ => {}
    }
}

fn check_fields(request: &Request, other: &httparse::Request<'_, '_>) {
    for header in other.headers.iter() {
        let special = ["host", "proxy"].iter().any(|name| header.name.eq_ignore_ascii_case(name));
        if special || header.name.contains('_') {
            continue;
        }
        let same = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        let value = request.vars().find(|(name, _)| {
            let name = name.as_bytes();
            let bare = name.strip_prefix(b"HTTP_").unwrap_or(name);
            bare.len() == header.name.len()
                && bare.iter().zip(header.name.bytes()).all(|(&a, b)| a == same(b))
        });
        let value = value.map(|(_, value)| value).unwrap_or_default();
        let is_length = header.name.eq_ignore_ascii_case("content-length");
        let part = if is_length { without_zeros(header.value) } else { header.value };
        assert!(part.is_empty() || value.windows(part.len()).any(|window| window == part));
    }
}
