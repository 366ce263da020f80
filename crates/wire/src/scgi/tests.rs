//! Heads, each with what becomes of it.

use super::{decode, encode};
use crate::request::{BodyLength, Decoded, Request, Version};
use crate::{Limits, Peer};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const GET: &[(&str, &str)] = &[
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/x?y"),
    ("PATH_INFO", "/x"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
];

fn head(body: u64, vars: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let vars = vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    assert!(encode(body, vars, &mut out));
    out
}

fn netstring(content: &str) -> Vec<u8> {
    format!("{}:{content},", content.len()).into_bytes()
}

fn outcome(input: &[u8], request: &mut Request) -> String {
    match decode(input, &Limits::default(), &Peer::default(), request) {
        Ok(Decoded::Complete { used }) => format!("request {used}"),
        Ok(Decoded::Incomplete) => "incomplete".into(),
        Err(error) => format!("{} {:?}", error.status(), error.fault),
    }
}

#[test]
fn heads_come_back_as_they_were_encoded_and_may_be_split_at_every_byte() {
    let long = "v".repeat(60_000);
    for vars in
        [GET, &[], &[("A", "")], &[("A", "1"), ("A", "2")], &[("X\u{e9}", "v\u{e9}")], &[("A", &long)]]
    {
        for body in [0, 5, i64::MAX as u64] {
            let mut input = head(body, vars);
            let mut request = Request::new();
            for end in (0..input.len()).filter(|&end| end < 200 || end + 3 > input.len()) {
                assert_eq!(outcome(&input[..end], &mut request), "incomplete");
            }
            let whole = format!("request {}", input.len());
            input.extend_from_slice(b"body");
            assert_eq!(outcome(&input, &mut request), whole);
            assert_eq!(request.body, BodyLength::Known(body));
            let found: Vec<_> =
                request.vars().skip(2).map(|(name, value)| (name.as_bytes(), value)).collect();
            let sent: Vec<_> = vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            assert_eq!(found, sent);
            assert_eq!(request.find(b"SCGI"), Some(&b"1"[..]));
        }
    }
}

#[test]
fn what_scgi_cannot_carry_is_not_encoded() {
    for var in [("A\0", "1"), ("A", "\0"), ("CONTENT_LENGTH", "1"), ("SCGI", "1")] {
        let mut out = b"x".to_vec();
        assert!(!encode(0, [(var.0.as_bytes(), var.1.as_bytes())].into_iter(), &mut out));
        assert_eq!(out, b"x");
    }
}

#[test]
fn the_length_is_decimal_without_signs_spaces_or_leading_zeros() {
    for (input, expected) in [
        (&b""[..], "incomplete"),
        (b"2", "incomplete"),
        (b"26", "incomplete"),
        (b"26:", "incomplete"),
        (b"26:CONTENT_LENGTH", "incomplete"),
        (b":", "400 Netstring"),
        (b"x", "400 Netstring"),
        (b" 26:", "400 Netstring"),
        (b"+26:", "400 Netstring"),
        (b"-1:", "400 Netstring"),
        (b"026:", "400 Netstring"),
        (b"00:", "400 Netstring"),
        (b"26 :", "400 Netstring"),
        (b"26;", "400 Netstring"),
        (b"0x1a:", "400 Netstring"),
        (b"26\n", "400 Netstring"),
        (b"GET / HTTP/1.1\r\n", "400 Netstring"),
        (b"12345678901", "400 Netstring"),
        (b"9999999999:", "431 HeadTooLarge"),
        (b"65537:", "431 HeadTooLarge"),
        (b"65536:", "incomplete"),
        (b"0:,", "400 ScgiLengthFirst"),
        (b"0:;", "400 Netstring"),
    ] {
        assert_eq!(outcome(input, &mut Request::new()), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn the_netstring_ends_exactly_where_it_says() {
    let good = "CONTENT_LENGTH\x000\0SCGI\x001\0";
    assert_eq!(outcome(&netstring(good), &mut Request::new()), "request 28");
    for (length, expected) in
        [(24, "request 28"), (23, "400 Netstring"), (25, "incomplete"), (26, "incomplete")]
    {
        let input = format!("{length}:{good},");
        assert_eq!(outcome(input.as_bytes(), &mut Request::new()), expected, "{length}");
    }
    for end in ["", "x", "\0", "\n", ";"] {
        let input = format!("24:{good}{end}");
        let expected = if end.is_empty() { "incomplete" } else { "400 Netstring" };
        assert_eq!(outcome(input.as_bytes(), &mut Request::new()), expected, "{end:?}");
    }
}

#[test]
fn the_strings_are_pairs_that_begin_with_the_length() {
    for (content, expected) in [
        ("CONTENT_LENGTH\x000\0SCGI\x001\0A\0b\0", "request"),
        ("CONTENT_LENGTH\x000\0A\0b\0SCGI\x001\0", "request"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0A\0\0", "request"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0A\0b", "400 ScgiStrings"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0A\0", "400 ScgiStrings"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0A", "400 ScgiStrings"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0PATH_INFO\0/a\0b\0", "400 ScgiStrings"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0\0b\0", "400 VariableName"),
        ("CONTENT_LENGTH", "400 ScgiStrings"),
        ("\0", "400 ScgiStrings"),
        ("\0\0", "400 ScgiLengthFirst"),
        ("SCGI\x001\0CONTENT_LENGTH\x000\0", "400 ScgiLengthFirst"),
        ("content_length\x000\0SCGI\x001\0", "400 ScgiLengthFirst"),
        ("SCGI\x001\0", "400 ScgiLengthFirst"),
        ("CONTENT_LENGTH\x000\0", "400 ScgiVersion"),
        ("CONTENT_LENGTH\x000\0SCGI\x002\0", "400 ScgiVersion"),
        ("CONTENT_LENGTH\x000\0SCGI\0\0", "400 ScgiVersion"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0SCGI\x002\0", "400 ScgiVersion"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0CONTENT_LENGTH\x000\0", "400 ContentLengthTwice"),
        ("CONTENT_LENGTH\x000\0SCGI\x001\0CONTENT_LENGTH\x005\0", "400 ContentLengthTwice"),
        ("CONTENT_LENGTH\0\0SCGI\x001\0", "400 ContentLength"),
        ("CONTENT_LENGTH\0abc\0SCGI\x001\0", "400 ContentLength"),
        ("CONTENT_LENGTH\0-1\0SCGI\x001\0", "400 ContentLength"),
        ("CONTENT_LENGTH\0+1\0SCGI\x001\0", "400 ContentLength"),
        ("CONTENT_LENGTH\x001 \0SCGI\x001\0", "400 ContentLength"),
        ("CONTENT_LENGTH\x0018446744073709551616\0SCGI\x001\0", "413 BodyTooLarge"),
    ] {
        let found = outcome(&netstring(content), &mut Request::new());
        assert!(found.starts_with(expected), "{content:?}: {found}");
    }
}

#[test]
fn limits_and_trust_are_those_of_the_caller() {
    let input = head(5, &[("PATH_INFO", "/"), ("UWSGI_FILE", "x"), ("SERVER_PROTOCOL", "HTTP/1.0")]);
    let small = Limits { body: Some(4), ..Limits::default() };
    let error = decode(&input, &small, &Peer::default(), &mut Request::new()).unwrap_err();
    assert_eq!(error.status(), 413);
    let short = Limits { head: 40, ..Limits::default() };
    let error = decode(&input[..3], &short, &Peer::default(), &mut Request::new()).unwrap_err();
    assert_eq!(error.status(), 431);
    for allowed in [false, true] {
        let mut request = Request::new();
        let peer = Peer { dynamic_apps: allowed, trusted: allowed, ..Peer::default() };
        decode(&input, &Limits::default(), &peer, &mut request).unwrap();
        assert_eq!(request.find(b"UWSGI_FILE").is_some(), allowed);
        assert_eq!(request.is_trusted(), allowed);
        assert_eq!((request.version, request.keep_alive), (Version::Http10, false));
        assert_eq!(request.head_len, input.len());
    }
}
