//! Heads of answers, each with what a client makes of it.

use super::{AnswerError, Body, Form, decode};
use crate::request::{Known, Name, Request, Version};
use crate::{Protocol, ResponseEncoder};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const MOST: usize = 1000;

/// One line that says what a client makes of an answer to GET.
fn outcome(input: &[u8]) -> String {
    match decode(input, MOST) {
        Ok(None) => "incomplete".into(),
        Err(error) => format!("{error:?}"),
        Ok(Some(head)) => {
            let form = match head.form {
                Form::Http { minor } => format!("1.{minor}"),
                Form::Script => "script".into(),
            };
            let body = match head.body(b"GET") {
                Ok(Body::None) => "none".into(),
                Ok(Body::Length(length)) => length.to_string(),
                Ok(Body::Chunked) => "chunked".into(),
                Ok(Body::Close) => "close".into(),
                Err(error) => format!("{error:?}"),
            };
            let fields: Vec<_> = head
                .fields
                .iter()
                .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
                .collect();
            format!("{form} {} {} [{}] {body}", head.status, head.reason.escape_ascii(), fields.join(" "))
        }
    }
}

#[test]
fn heads_are_taken_apart() {
    for (input, expected) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], "1.1 200 OK [] close"),
        (b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nrest", "1.0 404 Not Found [A=b] close"),
        (b"HTTP/1.1 200 \r\n\r\n", "1.1 200  [] close"),
        (b"HTTP/1.1 200\r\n\r\n", "1.1 200  [] close"),
        (b"HTTP/1.1 299 caf\xe9\r\n\r\n", "1.1 299 caf\\xe9 [] close"),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "1.1 204 No [Content-Length=5] none"),
        (b"HTTP/1.1 304 Same\r\n\r\n", "1.1 304 Same [] none"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "1.1 100 Continue [] none"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "1.1 200 OK [Content-Length=5] 5"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n",
            "1.1 200 OK [transfer-encoding=Chunked] chunked",
        ),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1.0 200 OK [Transfer-Encoding=chunked] close",
        ),
        (b"HTTP/1.1 200 OK\nA:b\n\nx", "1.1 200 OK [A=b] close"),
        (b"HTTP/1.1 200 OK\r\nA:\t b \r\nA: c\r\n\r\n", "1.1 200 OK [A=b A=c] close"),
        (b"Status: 404 Not Found\r\nA: b\r\n\r\nrest", "script 404 Not Found [A=b] close"),
        (b"Content-Type: t/x\r\nstatus: 201\r\n\r\n", "script 201  [Content-Type=t/x] close"),
        (b"Content-Type: t/x\n\nbody", "script 200 OK [Content-Type=t/x] close"),
        (b"Content-Length: 3\r\nStatus: 200 OK\r\n\r\nabc", "script 200 OK [Content-Length=3] 3"),
        (b"HTTPS: on\r\n\r\n", "script 200 OK [HTTPS=on] close"),
    ] {
        assert_eq!(outcome(input), expected, "{}", input.escape_ascii());
        let head = input.len() - input.windows(2).rev().position(|two| two == b"\n\n").unwrap_or(0);
        for end in 0..head.min(input.windows(2).position(|two| two == b"\n\n").map_or(10, |at| at + 1)) {
            assert_eq!(outcome(&input[..end]), "incomplete", "{}", input[..end].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_answer_is_told() {
    for (input, expected) in [
        (&b"\x64\0\0\x01"[..], "NoAnswer"),
        (b"SSH-2.0-OpenSSH\r\n", "NoAnswer"),
        (b"<html>", "NoAnswer"),
        (b"\x15\x03\x01\x00\x02\x02", "NoAnswer"),
        (b": x\r\n", "NoAnswer"),
        (b"\r\n\r\n", "NoAnswer"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "NoAnswer"),
        (b"HTTP/1.x 200 OK\r\n\r\n", "NoAnswer"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "Status"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Status"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "Status"),
        (b"HTTP/1.1 000 OK\r\n\r\n", "Status"),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", "Status"),
        (b"Status: x\r\n\r\n", "Status"),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", "Field { line: 2 }"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "Field { line: 2 }"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "Field { line: 3 }"),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", "Field { line: 2 }"),
    ] {
        assert_eq!(outcome(input), expected, "{}", input.escape_ascii());
    }
    for fields in [
        "Content-Length: x",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
    ] {
        let head = decode(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes(), MOST).unwrap().unwrap();
        assert_eq!(head.body(b"GET"), Err(AnswerError::Length), "{fields}");
        assert_eq!(head.body(b"HEAD"), Ok(Body::None), "{fields}");
    }
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(MOST));
    assert_eq!(outcome(long.as_bytes()), format!("TooLong({MOST})"));
}

#[test]
fn heads_come_back_as_the_server_encoded_them() {
    let fields: [(&[u8], &[u8]); 3] = [(b"X-A", b"1"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")];
    for protocol in [Protocol::Http, Protocol::Uwsgi, Protocol::Cgi] {
        for (version, known, method) in [
            (Version::Http11, Some(5), "GET"),
            (Version::Http11, None, "GET"),
            (Version::Http10, None, "GET"),
            (Version::Http11, Some(5), "HEAD"),
        ] {
            let mut request = Request::new();
            request.version = version;
            request.push(Name::Known(Known::RequestMethod), method.as_bytes());
            let mut encoder = ResponseEncoder::new(protocol, &request);
            let mut out = Vec::new();
            encoder.head(b"201 Own", fields.into_iter(), known, b"", true, &mut out).unwrap();
            let head = decode(&out, MOST).unwrap().unwrap();
            assert_eq!((head.status, &head.reason[..], head.used), (201, &b"Own"[..], out.len()));
            assert_eq!(head.form == Form::Script, protocol == Protocol::Cgi);
            assert_eq!(head.fields_named("set-cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
            let body = head.body(method.as_bytes()).unwrap();
            let expected = match (protocol, version, known) {
                _ if method == "HEAD" => Body::None,
                (Protocol::Http, _, Some(length)) => Body::Length(length),
                (Protocol::Http, Version::Http11, None) => Body::Chunked,
                _ => Body::Close,
            };
            assert_eq!(body, expected, "{protocol:?} {version:?} {known:?}");
        }
    }
}
