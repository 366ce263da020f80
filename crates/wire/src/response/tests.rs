//! Answers, each with the bytes it becomes.

use super::{Protocol, ResponseEncoder, ResponseError};
use crate::request::{Known, Name, Request, Version};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

type Fields<'a> = &'a [(&'a str, &'a str)];

/// A request by a word: `GET`, `HEAD`; `1.0` and `close` may follow.
fn request(words: &str) -> Request {
    let mut request = Request::new();
    request.push(Name::Known(Known::RequestMethod), words.split(' ').next().unwrap_or_default().as_bytes());
    request.version = if words.contains("1.0") { Version::Http10 } else { Version::Http11 };
    request.keep_alive = !words.contains("close");
    request
}

fn pairs<'a>(fields: Fields<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

/// Encodes an answer whose application yields `parts`. The end is `|keep`, `|close`, with `short` or `excess`.
fn answer(
    encoder: &mut ResponseEncoder,
    status: &str,
    fields: Fields<'_>,
    known: Option<u64>,
    parts: &[&str],
) -> String {
    let mut out = Vec::new();
    if let Err(error) = encoder.head(status.as_bytes(), pairs(fields), known, b"", false, &mut out) {
        assert!(out.is_empty());
        return format!("{error:?}");
    }
    for part in parts {
        let chunk = encoder.chunk(part.len() as u64);
        out.extend_from_slice(&chunk.prefix);
        out.extend_from_slice(&part.as_bytes()[..chunk.take as usize]);
        out.extend_from_slice(chunk.suffix);
    }
    let finish = encoder.finish();
    out.extend_from_slice(finish.tail);
    let end = match (finish.keep_alive, finish.short) {
        (true, false) => "|keep",
        (false, false) => "|close",
        (_, true) => {
            assert!(!finish.keep_alive);
            "|short"
        }
    };
    let excess = if encoder.body_excess() > 0 && !encoder.is_bodyless() { " excess" } else { "" };
    format!("{}{end}{excess}", String::from_utf8(out).unwrap().replace("\r\n", "~"))
}

fn check(words: &str, status: &str, fields: Fields<'_>, known: Option<u64>, parts: &[&str], expected: &str) {
    let mut encoder = ResponseEncoder::new(Protocol::Http, &request(words));
    let found = answer(&mut encoder, status, fields, known, parts);
    assert_eq!(found, expected, "{words} {status} {fields:?} {known:?} {parts:?}");
}

#[test]
fn known_bodies_get_a_length() {
    check(
        "GET",
        "200 OK",
        &[("A", "b")],
        Some(2),
        &["hi"],
        "HTTP/1.1 200 OK~A: b~Content-Length: 2~~hi|keep",
    );
    check("GET", "200 OK", &[], Some(0), &[], "HTTP/1.1 200 OK~Content-Length: 0~~|keep");
    check("GET", "404 Not Found", &[], Some(0), &[], "HTTP/1.1 404 Not Found~Content-Length: 0~~|keep");
    let given: Fields<'_> = &[("Content-Length", "2")];
    check("GET", "200 OK", given, Some(2), &["hi"], "HTTP/1.1 200 OK~Content-Length: 2~~hi|keep");
    check("GET", "200 OK", given, None, &["h", "i"], "HTTP/1.1 200 OK~Content-Length: 2~~hi|keep");
    check(
        "GET close",
        "200 OK",
        given,
        None,
        &["hi"],
        "HTTP/1.1 200 OK~Content-Length: 2~Connection: close~~hi|close",
    );
    check(
        "GET 1.0",
        "200 OK",
        given,
        None,
        &["hi"],
        "HTTP/1.0 200 OK~Content-Length: 2~Connection: keep-alive~~hi|keep",
    );
    check(
        "GET 1.0 close",
        "200 OK",
        given,
        None,
        &["hi"],
        "HTTP/1.0 200 OK~Content-Length: 2~Connection: close~~hi|close",
    );
    check("POST", "201 Created", &[], Some(1), &["x"], "HTTP/1.1 201 Created~Content-Length: 1~~x|keep");
}

#[test]
fn unknown_bodies_are_chunked_or_end_with_the_connection() {
    let chunked = "HTTP/1.1 200 OK~Transfer-Encoding: chunked~~";
    check("GET", "200 OK", &[], None, &["hi"], &format!("{chunked}2~hi~0~~|keep"));
    check("GET", "200 OK", &[], None, &[], &format!("{chunked}0~~|keep"));
    check("GET", "200 OK", &[], None, &["", "a", ""], &format!("{chunked}1~a~0~~|keep"));
    check(
        "GET",
        "200 OK",
        &[],
        None,
        &["0123456789abcdef0"],
        &format!("{chunked}11~0123456789abcdef0~0~~|keep"),
    );
    let close = "HTTP/1.1 200 OK~Transfer-Encoding: chunked~Connection: close~~";
    check("GET close", "200 OK", &[], None, &["hi"], &format!("{close}2~hi~0~~|close"));
    check("GET 1.0", "200 OK", &[], None, &["h", "i"], "HTTP/1.0 200 OK~Connection: close~~hi|close");
    check("GET 1.0 close", "200 OK", &[], None, &["hi"], "HTTP/1.0 200 OK~Connection: close~~hi|close");
}

#[test]
fn a_body_is_never_longer_than_its_length_and_a_shorter_one_ends_the_connection() {
    let head = |length: &str| format!("HTTP/1.1 200 OK~Content-Length: {length}~~");
    let check = |length: &str, known, parts: &[&str], expected: &str| {
        check(
            "GET",
            "200 OK",
            &[("Content-Length", length)],
            known,
            parts,
            &format!("{}{expected}", head(length)),
        );
    };
    check("3", None, &["abcdef"], "abc|keep excess");
    check("3", Some(6), &["abcdef"], "abc|keep excess");
    check("3", None, &["ab", "cd", "ef"], "abc|keep excess");
    check("0", None, &["x"], "|keep excess");
    check("3", None, &["ab"], "ab|short");
    check("3", Some(0), &[], "|short");
    check("3", None, &[], "|short");
    check("9223372036854775807", None, &["x"], "x|short");
}

#[test]
fn some_answers_have_no_body() {
    let length: Fields<'_> = &[("Content-Length", "5")];
    check("HEAD", "200 OK", length, None, &["hello"], "HTTP/1.1 200 OK~Content-Length: 5~~|keep");
    check("HEAD", "200 OK", length, None, &[], "HTTP/1.1 200 OK~Content-Length: 5~~|keep");
    check("HEAD", "200 OK", &[], Some(5), &["hello"], "HTTP/1.1 200 OK~Content-Length: 5~~|keep");
    check("HEAD", "200 OK", &[], Some(0), &[], "HTTP/1.1 200 OK~~|keep");
    check("HEAD", "200 OK", &[], None, &["hello"], "HTTP/1.1 200 OK~~|keep");
    check("HEAD 1.0", "200 OK", &[], None, &["hello"], "HTTP/1.0 200 OK~Connection: keep-alive~~|keep");
    check("HEAD", "404 Not Found", &[], Some(3), &["xyz"], "HTTP/1.1 404 Not Found~Content-Length: 3~~|keep");
    check("GET", "204 No Content", &[], Some(0), &[], "HTTP/1.1 204 No Content~~|keep");
    check("GET", "204 No Content", length, None, &["hello"], "HTTP/1.1 204 No Content~~|keep");
    check("GET", "304 Not Modified", length, None, &[], "HTTP/1.1 304 Not Modified~Content-Length: 5~~|keep");
    check("GET", "304 Not Modified", &[], Some(0), &[], "HTTP/1.1 304 Not Modified~~|keep");
    check("GET", "304 Not Modified", &[], None, &["x"], "HTTP/1.1 304 Not Modified~~|keep");
    check(
        "GET",
        "205 Reset Content",
        length,
        None,
        &["hello"],
        "HTTP/1.1 205 Reset Content~Content-Length: 0~~|keep",
    );
    check("HEAD", "204 No Content", length, None, &[], "HTTP/1.1 204 No Content~~|keep");
    check("HEAD", "304 Not Modified", &[], Some(3), &["abc"], "HTTP/1.1 304 Not Modified~~|keep");
    check(
        "GET",
        "101 Switching Protocols",
        &[("Upgrade", "x")],
        None,
        &["x"],
        "HTTP/1.1 101 Switching Protocols~Upgrade: x~Connection: close~~|close",
    );
    check(
        "GET 1.0",
        "204 No Content",
        &[],
        None,
        &[],
        "HTTP/1.0 204 No Content~Connection: keep-alive~~|keep",
    );
}

#[test]
fn a_status_is_three_digits_and_a_reason() {
    for (status, line) in [
        ("200 OK", "200 OK"),
        ("200", "200 OK"),
        ("200 ", "200 OK"),
        ("404", "404 Not Found"),
        ("299", "299 "),
        ("200 All is  well", "200 All is  well"),
        ("200 \u{e9}", "200 \u{e9}"),
        ("200 a\tb", "200 a\tb"),
        ("599 x", "599 x"),
        ("999 x", "999 x"),
    ] {
        check("GET", status, &[], Some(0), &[], &format!("HTTP/1.1 {line}~Content-Length: 0~~|keep"));
    }
    for status in [
        "",
        "2",
        "20",
        "OK",
        "2000 OK",
        "200OK",
        "100 Continue",
        "103 Early Hints",
        "199 x",
        "20x OK",
        "099 x",
        "000",
        " 200 OK",
        "200\tOK",
        "-20 OK",
        "2 0 OK",
        "200 OK\r\nX: y",
        "200 OK\n",
        "200 O\rK",
        "200 \0",
        "200 \u{1}",
        "200\r\n",
        "\u{662}00 OK",
        "200 \u{7f}",
    ] {
        check("GET", status, &[], Some(0), &[], "Status");
    }
}

#[test]
fn fields_cannot_end_the_head() {
    for name in
        ["", "A B", "A:", "A\r", "A\n", "A\0", "A\r\nB", " A", "A ", "\u{e9}", "A(", "A\"", "A/B", "\t"]
    {
        check("GET", "200 OK", &[("X", "y"), (name, "v")], Some(0), &[], "FieldName { index: 1 }");
    }
    for value in [
        "\r",
        "\n",
        "\0",
        "a\r\nB: c",
        "a\nB: c",
        "a\rb",
        "\u{1}",
        "a\u{7f}",
        "\u{1b}[0m",
        "a\r\n b",
        "\r\n\r\nx",
    ] {
        check("GET", "200 OK", &[("X", value)], Some(0), &[], "FieldValue { index: 0 }");
    }
    for (name, value) in
        [("X", ""), ("X", " a "), ("X", "a\tb"), ("X", "caf\u{e9}"), ("x-y.z!", ":"), ("X", "\"a, b\"")]
    {
        let expected = format!("HTTP/1.1 200 OK~{name}: {value}~Content-Length: 0~~|keep");
        check("GET", "200 OK", &[(name, value)], Some(0), &[], &expected);
    }
}

#[test]
fn content_length_of_the_application_is_one_number() {
    for value in ["", "x", "-1", "+1", "1.0", "1, 1", "0x1", "1 1", "18446744073709551616", "1;", "\u{661}"] {
        check("GET", "200 OK", &[("Content-Length", value)], None, &[], "ContentLength");
    }
    check("GET", "200 OK", &[("Content-Length", "1"), ("content-length", "2")], None, &[], "ContentLength");
    let twice: Fields<'_> = &[("Content-Length", "1"), ("content-length", "1")];
    check("GET", "200 OK", twice, None, &["x"], "HTTP/1.1 200 OK~Content-Length: 1~~x|keep");
    check(
        "GET",
        "200 OK",
        &[("Content-Length", " 1 ")],
        None,
        &["x"],
        "HTTP/1.1 200 OK~Content-Length:  1 ~~x|keep",
    );
}

#[test]
fn the_connection_is_the_servers() {
    let end = "Content-Length: 0~~|keep";
    let close = "Content-Length: 0~Connection: close~~|close";
    for (name, value, expected) in [
        ("Connection", "close", close),
        ("connection", "Close", close),
        ("Connection", "x, close", close),
        ("Connection", "keep-alive", end),
        ("Connection", "Upgrade", end),
        ("Keep-Alive", "timeout=5", end),
        ("Proxy-Connection", "close", end),
        ("TE", "trailers", end),
        ("Trailer", "X", end),
        ("Upgrade", "h2c", end),
    ] {
        check("GET", "200 OK", &[(name, value)], Some(0), &[], &format!("HTTP/1.1 200 OK~{expected}"));
    }
    for value in ["chunked", "gzip", "identity", ""] {
        check(
            "GET",
            "200 OK",
            &[("A", "b"), ("Transfer-Encoding", value)],
            None,
            &[],
            "TransferEncoding { index: 1 }",
        );
    }
    check(
        "GET",
        "426 Upgrade Required",
        &[("Upgrade", "h2")],
        Some(0),
        &[],
        "HTTP/1.1 426 Upgrade Required~Upgrade: h2~Content-Length: 0~~|keep",
    );
}

#[test]
fn close_can_be_forced_and_date_is_added_once() {
    let mut encoder = ResponseEncoder::new(Protocol::Http, &request("GET"));
    let mut out = Vec::new();
    encoder.head(b"200 OK", pairs(&[]), Some(0), b"now", true, &mut out).unwrap();
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!((encoder.head_len(), encoder.field_count(), encoder.status()), (out.len(), 3, 200));
    assert!(!encoder.finish().keep_alive);
    out.clear();
    encoder.head(b"200 OK", pairs(&[("date", "then")]), Some(0), b"now", false, &mut out).unwrap();
    assert_eq!(out, b"HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn uwsgi_answers_are_the_application_s_own() {
    let check = |words: &str, status: &str, fields: Fields<'_>, known, parts: &[&str], expected: &str| {
        let mut encoder = ResponseEncoder::new(Protocol::Uwsgi, &request(words));
        assert_eq!(answer(&mut encoder, status, fields, known, parts), expected);
    };
    check("GET", "200 OK", &[("A", "b")], Some(2), &["hi"], "HTTP/1.1 200 OK~A: b~~hi|close");
    check("GET", "200 OK", &[], None, &["h", "", "i"], "HTTP/1.1 200 OK~~hi|close");
    check("GET 1.0", "200", &[], None, &["hi"], "HTTP/1.0 200 OK~~hi|close");
    check(
        "GET",
        "200 OK",
        &[("Content-Length", "3")],
        None,
        &["abcd"],
        "HTTP/1.1 200 OK~Content-Length: 3~~abc|close excess",
    );
    check(
        "GET",
        "200 OK",
        &[("Content-Length", "3")],
        None,
        &["a"],
        "HTTP/1.1 200 OK~Content-Length: 3~~a|short",
    );
    check("HEAD", "200 OK", &[], None, &["hi"], "HTTP/1.1 200 OK~~|close");
    check("GET", "204 No Content", &[], None, &["hi"], "HTTP/1.1 204 No Content~~|close");
    check("GET", "200 OK", &[("A", "\n")], None, &[], "FieldValue { index: 0 }");
}

#[test]
fn scgi_and_fastcgi_answers_have_the_head_of_a_cgi_script() {
    let check = |words: &str, status: &str, fields: Fields<'_>, parts: &[&str], expected: &str| {
        let mut encoder = ResponseEncoder::new(Protocol::Cgi, &request(words));
        assert_eq!(answer(&mut encoder, status, fields, Some(2), parts), expected);
    };
    check("GET", "200 OK", &[("A", "b")], &["hi"], "Status: 200 OK~A: b~~hi|close");
    check("GET 1.0", "404", &[], &["hi"], "Status: 404 Not Found~~hi|close");
    check("GET", "200 OK", &[("Status", "500 Oops"), ("status", "1")], &["hi"], "Status: 200 OK~~hi|close");
    check(
        "GET",
        "200 OK",
        &[("Content-Length", "1")],
        &["hi"],
        "Status: 200 OK~Content-Length: 1~~h|close excess",
    );
    check("GET", "200 OK", &[("Content-Length", "3")], &["hi"], "Status: 200 OK~Content-Length: 3~~hi|short");
    check("HEAD", "200 OK", &[], &["hi"], "Status: 200 OK~~|close");
    check("GET", "200 O\nK", &[], &["hi"], "Status");
}

#[test]
fn a_refusal_is_a_complete_answer_in_each_protocol_s_form() {
    for (protocol, status, expected) in [
        (
            Protocol::Cgi,
            400,
            "Status: 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n400 Bad Request\n",
        ),
        (
            Protocol::Cgi,
            599,
            "Status: 599 Error\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n599 Error\n",
        ),
        (
            Protocol::Uwsgi,
            413,
            "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: close\r\n\r\n413 Content Too Large\n",
        ),
        (
            Protocol::Http,
            408,
            "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nConnection: close\r\n\r\n408 Request Timeout\n",
        ),
    ] {
        let mut out = Vec::new();
        super::encode_refusal(protocol, status, b"", false, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn a_head_may_be_replaced_until_a_byte_has_gone() {
    let mut encoder = ResponseEncoder::new(Protocol::Http, &request("GET"));
    let mut out = Vec::new();
    encoder.head(b"200 OK", pairs(&[("Content-Length", "9")]), None, b"", false, &mut out).unwrap();
    out.clear();
    assert_eq!(encoder.head(b"x", pairs(&[]), None, b"", false, &mut out), Err(ResponseError::Status));
    encoder.head(b"500 Oops", pairs(&[]), Some(4), b"", false, &mut out).unwrap();
    assert_eq!(out, b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(encoder.chunk(4).take, 4);
    assert_eq!(encoder.head(b"200 OK", pairs(&[]), None, b"", false, &mut out), Err(ResponseError::Started));
    assert!(encoder.finish().keep_alive);
    assert_eq!((encoder.body_sent(), encoder.status()), (4, 500));
}

#[test]
fn an_aborted_body_has_no_valid_end() {
    let mut encoder = ResponseEncoder::new(Protocol::Http, &request("GET"));
    encoder.head(b"200 OK", pairs(&[]), None, b"", false, &mut Vec::new()).unwrap();
    encoder.chunk(3);
    encoder.abort();
    let finish = encoder.finish();
    assert_eq!((finish.tail, finish.keep_alive), (&b""[..], false));
    let mut unstarted = ResponseEncoder::new(Protocol::Http, &request("GET"));
    assert!(!unstarted.finish().keep_alive);
    assert_eq!(unstarted.chunk(5).take, 0);
}

#[test]
fn chunk_sizes_are_hexadecimal() {
    for size in [1, 9, 10, 15, 16, 255, 256, 4095, 4096, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(&*super::ArrayBuf::chunk_size(size), format!("{size:x}\r\n").as_bytes());
    }
}
