//! What decides the body's length and the connection's life; limits; heads in pieces.

use super::{check, check_field, outcome, outcome_of, peer};
use crate::Limits;
use crate::http1::{decode, encode_error};
use crate::request::{Decoded, Known, Request};
use alloc::format;
use alloc::vec::Vec;

#[test]
fn content_length_is_one_number() {
    for (field, expected) in [
        ("Content-Length: 0", "length=0"),
        ("Content-Length: 5", "length=5"),
        ("content-length:5", "length=5"),
        ("CONTENT-LENGTH: \t5 ", "length=5"),
        ("Content-Length: 007", "length=7"),
        ("Content-Length: 9223372036854775807", "length=9223372036854775807"),
        ("Content-Length: 9223372036854775808", "413 BodyTooLarge"),
        ("Content-Length: 18446744073709551616", "413 BodyTooLarge"),
        ("Content-Length: 99999999999999999999999999", "413 BodyTooLarge"),
        ("Content-Length:", "400 ContentLength"),
        ("Content-Length: ", "400 ContentLength"),
        ("Content-Length: -1", "400 ContentLength"),
        ("Content-Length: +1", "400 ContentLength"),
        ("Content-Length: 1.0", "400 ContentLength"),
        ("Content-Length: 0x5", "400 ContentLength"),
        ("Content-Length: 5;", "400 ContentLength"),
        ("Content-Length: 5 5", "400 ContentLength"),
        ("Content-Length: 5, 5", "400 ContentLength"),
        ("Content-Length: 5,6", "400 ContentLength"),
        ("Content-Length: ,5", "400 ContentLength"),
        ("Content-Length: a", "400 ContentLength"),
        ("Content-Length: 1e3", "400 ContentLength"),
        ("Content-Length: 1_0", "400 ContentLength"),
        ("Content-Length: \"5\"", "400 ContentLength"),
        ("Content-Length: 5\r\nContent-Length: 5", "400 ContentLengthTwice"),
        ("Content-Length: 5\r\nContent-Length: 6", "400 ContentLengthTwice"),
        ("Content-Length: 0\r\nContent-Length: 0", "400 ContentLengthTwice"),
        ("Content-Length: 5\r\nX: y\r\ncontent-length: 6", "400 ContentLengthTwice"),
        ("Content-Length : 5", "400 FieldName"),
        ("Content_Length: 5", ""),
    ] {
        check_field(field, expected);
    }
    check_field("Content-Length: \u{663}", "400");
}

#[test]
fn the_application_sees_a_length_without_leading_zeros() {
    let zeros = "0".repeat(5000);
    for (sent, seen) in [(format!("{zeros}5"), "5"), (zeros, "0"), ("0".into(), "0"), ("50".into(), "50")] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {sent}\r\n\r\n");
        let (limits, mut request) = (Limits::default(), Request::new());
        let decoded = decode(head.as_bytes(), &limits, &peer(), &mut request);
        assert!(matches!(decoded, Ok(Decoded::Complete { .. })), "{decoded:?}");
        assert_eq!(request.var(Known::ContentLength), Some(seen.as_bytes()));
    }
}

#[test]
fn transfer_encoding_is_chunked_alone() {
    for (field, expected) in [
        ("Transfer-Encoding: chunked", "chunked"),
        ("transfer-encoding:CHUNKED", "chunked"),
        ("Transfer-Encoding: \t chunked\t ", "chunked"),
        ("Transfer-Encoding: gzip, chunked", "501 TransferCoding"),
        ("Transfer-Encoding: gzip,deflate , chunked", "501 TransferCoding"),
        ("Transfer-Encoding: gzip", "400 TransferEncoding"),
        ("Transfer-Encoding: identity", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked, gzip", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked, identity", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked, chunked", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked,", "400 TransferEncoding"),
        ("Transfer-Encoding: ,chunked", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked;q=1", "400 TransferEncoding"),
        ("Transfer-Encoding: xchunked", "400 TransferEncoding"),
        ("Transfer-Encoding: chunkedx", "400 TransferEncoding"),
        ("Transfer-Encoding: \"chunked\"", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked x", "400 TransferEncoding"),
        ("Transfer-Encoding:", "400 TransferEncoding"),
        ("Transfer-Encoding: x y, chunked", "400 TransferEncoding"),
        ("Transfer-Encoding: chun\tked", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400 TransferEncoding"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "400 TransferEncoding"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "400 TwoLengths"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "400 TwoLengths"),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", "400 TwoLengths"),
        ("Content-Length: 5\r\nTransfer-Encoding: gzip", "400 TwoLengths"),
        ("Transfer-Encoding : chunked", "400 FieldName"),
        (" Transfer-Encoding: chunked", "400 FieldFolded"),
        ("Transfer-Encoding: \u{b}chunked", "400 FieldValue"),
        ("Transfer-Encoding\0: chunked", "400 FieldName"),
        ("Transfer_Encoding: chunked", ""),
        ("X-Transfer-Encoding: chunked", ""),
        ("TE: trailers, chunked", ""),
    ] {
        check_field(field, expected);
    }
    check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 TransferEncoding");
    check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "400 TwoLengths");
}

#[test]
fn connection_options_decide_keep_alive() {
    for (version, options, keeps) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: a, close\r\n", false),
        ("1.1", "Connection: close, TE\r\n", false),
        ("1.1", "Connection:\tclose\t,x\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: not-close\r\n", true),
        ("1.1", "Connection: x close\r\n", true),
        ("1.1", "Connection: ,,close,\r\n", false),
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.1", "X-Connection: close\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: x, keep-alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
    ] {
        let input = format!("GET / HTTP/{version}\r\nHost: h\r\n{options}\r\n");
        let mut request = Request::new();
        decode(input.as_bytes(), &Limits::default(), &peer(), &mut request).unwrap();
        assert_eq!(request.keep_alive, keeps, "{input:?}");
    }
}

#[test]
fn the_only_expectation_is_100_continue() {
    for (version, fields, expected) in [
        ("1.1", "Expect: 100-continue\r\nContent-Length: 5", " length=5 expect"),
        ("1.1", "expect: 100-Continue\r\nContent-Length: 5", " length=5 expect"),
        ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked", " chunked expect"),
        ("1.1", "Expect: 100-continue\r\nContent-Length: 0", " length=0"),
        ("1.1", "Expect: 100-continue", ""),
        ("1.1", "Expect: 100-continue, 100-continue\r\nContent-Length: 5", " length=5 expect"),
        ("1.1", "Expect: ,100-continue ,\r\nContent-Length: 5", " length=5 expect"),
        ("1.1", "Expect:\r\nContent-Length: 5", " length=5"),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 5", " length=5 1.0 close"),
        ("1.0", "Expect: x", " 1.0 close"),
    ] {
        let input = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n\r\n");
        check(input.as_bytes(), &format!("POST / path=/ query= host=h{expected}"));
    }
    for value in ["x", "100", "100-continue, x", "100-continue;q=1", "200-ok", "100 continue"] {
        check_field(&format!("Expect: {value}"), "417 Expectation");
    }
}

#[test]
fn limits_have_their_statuses() {
    let limits = Limits { head: 100, fields: 3, target: 20, body: Some(10), ..Limits::default() };
    let check = |input: &[u8], expected: &str| {
        assert_eq!(outcome_of(input, &limits, &peer()), expected, "{}", input.escape_ascii());
    };
    let good = "GET / path=/ query= host=h";
    check(b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n", good);
    check(b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", "431 TooManyFields");
    check(
        b"GET /1234567890123456789 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /1234567890123456789 path=/1234567890123456789 query= host=h",
    );
    check(b"GET /12345678901234567890 HTTP/1.1\r\nHost: h\r\n\r\n", "414 TargetTooLong");
    check(b"GET /12345678901234567890", "414 TargetTooLong");
    check(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n", "GET / path=/ query= host=h length=10");
    check(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", "413 BodyTooLarge");
    let head = |padding: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(padding));
    let fits = 100 - head(0).len();
    check(head(fits).as_bytes(), good);
    check(head(fits + 1).as_bytes(), "431 HeadTooLarge");
    check(&head(200).as_bytes()[..99], "incomplete");
    check(&head(200).as_bytes()[..100], "431 HeadTooLarge");
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(200));
    let small = Limits { head: 100, ..Limits::default() };
    assert_eq!(outcome_of(long.as_bytes(), &small, &peer()), "414 TargetTooLong");
    let mut pipelined = head(fits).into_bytes();
    pipelined.extend_from_slice(&[b'x'; 1000]);
    check(&pipelined, good);
}

#[test]
fn a_head_split_at_any_byte_is_incomplete_and_then_the_same() {
    for input in [
        &b"GET /a/../b?c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n"[..],
        b"\r\n\r\nPOST http://o:81?q HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
        b"POST /%41 HTTP/1.1\r\nExpect: 100-continue\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let whole = outcome_of(input, &Limits::default(), &peer());
        let mut request = Request::new();
        for end in 0..input.len() {
            let result = decode(&input[..end], &Limits::default(), &peer(), &mut request);
            assert_eq!(result, Ok(Decoded::Incomplete), "{}", input[..end].escape_ascii());
        }
        for end in 0..3 {
            let mut more = input.to_vec();
            more.extend_from_slice(&b"GET"[..end]);
            let result = decode(&more, &Limits::default(), &peer(), &mut request);
            assert_eq!(result, Ok(Decoded::Complete { used: input.len() }));
            assert_eq!(outcome(result, &request), whole);
        }
    }
}

#[test]
fn a_fault_is_the_same_however_the_bytes_arrive() {
    for input in [
        &b"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n"[..],
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let whole = outcome_of(input, &Limits::default(), &peer());
        let early = (0..input.len())
            .map(|end| outcome_of(&input[..end], &Limits::default(), &peer()))
            .find(|outcome| outcome != "incomplete");
        assert_eq!(early.unwrap_or_else(|| whole.clone()), whole);
    }
}

#[test]
fn a_request_is_as_good_as_new_after_another() {
    let first = b"POST /%41 HTTP/1.0\r\nHost: a\r\nX-Y: 1\r\nX-Y: 2\r\nContent-Length: 5\r\n\r\n";
    let second = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n";
    let (mut used, mut fresh) = (Request::new(), Request::new());
    decode(first, &Limits::default(), &peer(), &mut used).unwrap();
    decode(second, &Limits::default(), &peer(), &mut used).unwrap();
    decode(second, &Limits::default(), &peer(), &mut fresh).unwrap();
    assert!(used.vars().eq(fresh.vars()));
    assert_eq!((used.body, used.version, used.head_len), (fresh.body, fresh.version, fresh.head_len));
    assert_eq!(used.find(b"HTTP_X_Y"), None);
    assert_eq!(used.var(Known::ContentLength), None);
}

#[test]
fn many_repeated_fields_cost_no_more_than_their_bytes() {
    let mut input = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    for _ in 0..100 {
        for name in ["A", "B"] {
            input.extend_from_slice(format!("{name}: {}\r\n", "x".repeat(300)).as_bytes());
        }
    }
    input.extend_from_slice(b"\r\n");
    let mut request = Request::new();
    decode(&input, &Limits::default(), &peer(), &mut request).unwrap();
    assert_eq!(request.find(b"HTTP_A").map(<[u8]>::len), Some(100 * 302 - 2));
    assert!(request.text_len() < 3 * input.len());
}

#[test]
fn error_answers_are_complete() {
    let mut out = Vec::new();
    encode_error(431, b"Sun, 06 Nov 1994 08:49:37 GMT", false, &mut out);
    assert_eq!(
        core::str::from_utf8(&out).unwrap(),
        "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n431 Request Header Fields Too Large\n"
    );
}

#[test]
fn the_largest_field_of_a_head_is_named() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nCookie: 12345\r\nX: y\r\n\r\n", Some(("Cookie", 13))),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaa", Some(("X-Long", 18))),
        ("GET /a:b HTTP/1.1\r\nX", None),
        ("", None),
    ] {
        let found = super::super::largest_field(head.as_bytes());
        assert_eq!(found, expected.map(|(name, size)| (name.as_bytes(), size)), "{head}");
    }
}
