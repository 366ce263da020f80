//! Bodies, each with what becomes of it.

use super::{BodyDecoder, BodyStep};
use crate::request::{BodyLength, Request, Version};
use crate::{Fault, Limits, Protocol, ResponseEncoder, WireError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Feeds `pieces`; gives the body, and the bytes left over once it is done (`None` = not done).
fn decode(
    length: BodyLength,
    limits: &Limits,
    pieces: &[&[u8]],
) -> Result<(Vec<u8>, Option<usize>), WireError> {
    let mut decoder = BodyDecoder::new(length, limits);
    let mut body = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut rest = *piece;
        loop {
            let BodyStep { used, data, done } = decoder.decode(rest)?;
            body.extend_from_slice(&rest[data]);
            rest = &rest[used..];
            assert_eq!(done, decoder.is_done());
            if done {
                let later: usize = pieces[index + 1..].iter().map(|piece| piece.len()).sum();
                return Ok((body, Some(rest.len() + later)));
            }
            if used == 0 {
                assert!(rest.is_empty(), "bytes not consumed");
                break;
            }
        }
    }
    Ok((body, None))
}

fn outcome(result: Result<(Vec<u8>, Option<usize>), WireError>) -> String {
    match result {
        Ok((body, Some(0))) => format!("{}", body.escape_ascii()),
        Ok((body, Some(left))) => format!("{} +{left}", body.escape_ascii()),
        Ok((body, None)) => format!("{} ...", body.escape_ascii()),
        Err(error) => format!("{} {:?}", error.status(), error.fault),
    }
}

/// Checks the input in one piece, in single bytes, and split at every byte.
fn check_with(limits: &Limits, input: &[u8], expected: &str) {
    let found = |pieces: &[&[u8]]| outcome(decode(BodyLength::Chunked, limits, pieces));
    let shown = input.escape_ascii();
    assert_eq!(found(&[input]), expected, "{shown}");
    assert_eq!(found(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte: {shown}");
    for at in 0..input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(found(&[head, tail]), expected, "split at {at}: {shown}");
    }
}

fn check(input: &[u8], expected: &str) {
    check_with(&Limits::default(), input, expected);
}

#[test]
fn chunks_are_joined() {
    for (input, expected) in [
        (&b"0\r\n\r\n"[..], ""),
        (b"5\r\nhello\r\n0\r\n\r\n", "hello"),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        (b"00005\r\nhello\r\n000\r\n\r\n", "hello"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        (b"0a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", r"\r\n\r\n"),
        (b"3\r\n0\r\n\r\n0\r\n\r\n", r"0\r\n"),
        (b"0\r\n\r\nGET /", " +5"),
        (b"1\r\nx\r\n0\r\n\r\n\r\n", "x +2"),
        (b"", " ..."),
        (b"5", " ..."),
        (b"5\r", " ..."),
        (b"5\r\n", " ..."),
        (b"5\r\nhel", "hel ..."),
        (b"5\r\nhello", "hello ..."),
        (b"5\r\nhello\r\n", "hello ..."),
        (b"5\r\nhello\r\n0\r\n", "hello ..."),
        (b"5\r\nhello\r\n0\r\n\r", "hello ..."),
        (b"0000000000000001\r\nx\r\n0\r\n\r\n", "x"),
    ] {
        check(input, expected);
    }
}

#[test]
fn chunk_sizes_are_hexadecimal_digits_alone() {
    for size in [
        "",
        " 5",
        "5 ",
        "\t5",
        "5\t",
        "+5",
        "-5",
        "0x5",
        "5h",
        "g",
        "5.0",
        "5,5",
        "_5",
        "5_",
        "\"5\"",
        "5 5",
        ";",
        ";a",
        "\r",
        "\n",
        "00000000000000005",
        "10000000000000005",
        "5\0",
        "\0",
        "x5",
        "5\r5",
        "5\n",
        "5\r\r\n",
        "$5",
        "5-",
    ] {
        check(format!("{size}\r\nhello\r\n0\r\n\r\n").as_bytes(), "400 Chunk");
    }
    check("\u{665}\r\nhello\r\n0\r\n\r\n".as_bytes(), "400 Chunk");
    check(b"5\nhello\n0\n\n", "400 Chunk");
    check(b"5\r\nhello\r\n0\n\r\n", "400 Chunk");
    check(b"0 \r\n\r\n", "400 Chunk");
}

#[test]
fn chunk_data_end_in_cr_lf() {
    for input in [
        &b"5\r\nhello0\r\n\r\n"[..],
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"5\r\nhello\r\r\n0\r\n\r\n",
        b"5\r\nhello \r\n0\r\n\r\n",
        b"5\r\nhello\0\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
    ] {
        check(input, "400 Chunk");
    }
    check(b"6\r\nhello\r\n0\r\n\r\n", "400 Chunk");
}

#[test]
fn extensions_are_read_over() {
    for extension in [
        ";",
        ";a",
        ";a=b",
        ";a=\"b;c\"",
        "; a = b",
        " ;a",
        "\t \t;a=b",
        ";a;b;c=d",
        ";\tx",
        ";\u{e9}",
        ";a=\"\\\"\"",
    ] {
        check(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n").as_bytes(), "hello");
    }
    for extension in
        [";\n", ";a\nb", ";a\rb", ";\0", ";a\u{1}", ";\u{7f}", ";a=\"\r\n", " ", " a", " \t", " \r;"]
    {
        check(format!("5{extension}\r\nhello\r\n0\r\n\r\n").as_bytes(), "400 Chunk");
    }
}

#[test]
fn trailers_are_checked_and_dropped() {
    for trailers in [
        "A: b\r\n",
        "A:\r\n",
        "A: b\r\nC: d\r\n",
        "a:b\r\n",
        "A: \t \r\n",
        "Content-Length: 5\r\n",
        "A: :\r\n",
    ] {
        check(format!("1\r\nx\r\n0\r\n{trailers}\r\n").as_bytes(), "x");
        check(format!("1\r\nx\r\n0\r\n{trailers}\r\nGET").as_bytes(), "x +3");
    }
    for trailers in [
        "A\r\n",
        "A : b\r\n",
        ": b\r\n",
        " A: b\r\n",
        "A: b\r\n c\r\n",
        "A: b\n",
        "A: b\rc\r\n",
        "A: \0\r\n",
        "A: \u{1}\r\n",
        "A: \u{7f}\r\n",
        "A b: c\r\n",
        "\n",
        "\r\r\n",
        "\0",
        "A(: b\r\n",
        "A\n: b\r\n",
    ] {
        check(format!("1\r\nx\r\n0\r\n{trailers}\r\n").as_bytes(), "400 Trailer");
    }
}

#[test]
fn sizes_have_limits() {
    let limits = Limits { body: Some(10), chunk_line: 8, trailers: 10, ..Limits::default() };
    check_with(&limits, b"a\r\n0123456789\r\n0\r\n\r\n", "0123456789");
    check_with(&limits, b"b\r\n", "413 BodyTooLarge");
    check_with(&limits, b"5\r\nhello\r\n6\r\n", "413 BodyTooLarge");
    check_with(&limits, b"ffffff\r\n", "413 BodyTooLarge");
    check_with(&limits, b"1;2345\r\nx\r\n1;2345\r\nx\r\n0;2345\r\n\r\n", "xx");
    check_with(&limits, b"1;23456\r\n", "400 ChunkLineTooLong");
    check_with(&limits, b"1;23456789", "400 ChunkLineTooLong");
    check_with(&limits, b"0\r\nA: 45678\r\n\r\n", "");
    check_with(&limits, b"0\r\nA: 456789\r\n\r\n", "431 TrailersTooLarge");
    check_with(&limits, b"0\r\nA: 4\r\nB: 4\r\n\r\n", "431 TrailersTooLarge");
    let limits = Limits { body: None, ..limits };
    check_with(&limits, b"ffffff\r\n", " ...");
    let unlimited = Limits::default();
    check_with(&unlimited, b"7fffffffffffffff\r\nx", "x ...");
    check_with(&unlimited, b"8000000000000000\r\n", "413 BodyTooLarge");
    let sum = format!("1\r\nx\r\n{}\r\n", "f".repeat(16));
    check_with(&unlimited, sum.as_bytes(), "413 BodyTooLarge");
}

#[test]
fn a_length_is_counted_off() {
    let decode =
        |length, pieces: &[&[u8]]| outcome(decode(BodyLength::Known(length), &Limits::default(), pieces));
    assert_eq!(decode(5, &[b"hello"]), "hello");
    assert_eq!(decode(5, &[b"hel", b"lo"]), "hello");
    assert_eq!(decode(5, &[b"h", b"", b"ello, world"]), "hello +7");
    assert_eq!(decode(5, &[b"hell"]), "hell ...");
    assert_eq!(decode(0, &[b"x"]), " +1");
    assert_eq!(decode(u64::MAX, &[b"x"]), "x ...");
}

#[test]
fn no_body_is_done_at_once() {
    for length in [BodyLength::None, BodyLength::Known(0)] {
        let mut decoder = BodyDecoder::new(length, &Limits::default());
        assert!(decoder.is_done());
        assert_eq!(decoder.decode(b"x"), Ok(BodyStep { used: 0, data: 0..0, done: true }));
    }
}

#[test]
fn a_fault_stays() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
    let error = WireError { fault: Fault::Chunk, position: 0 };
    assert_eq!(decoder.decode(b"x"), Err(error));
    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(error));
    assert!(!decoder.is_done());
}

#[test]
fn what_the_response_encoder_chunks_is_decoded_again() {
    let mut request = Request::new();
    request.version = Version::Http11;
    for sizes in [&[][..], &[1], &[15, 16, 17], &[255, 256, 257, 0, 1], &[4095, 4096, 65535, 65536]] {
        let (mut encoder, mut wire, mut sent) =
            (ResponseEncoder::new(Protocol::Http, &request), Vec::new(), Vec::new());
        encoder.head(b"200 OK", core::iter::empty(), None, b"", false, &mut Vec::new()).unwrap();
        for (index, &size) in sizes.iter().enumerate() {
            let data: Vec<u8> = (0..size).map(|byte| (byte + index) as u8).collect();
            let chunk = encoder.chunk(size as u64);
            assert_eq!(chunk.take, size as u64);
            wire.extend_from_slice(&chunk.prefix);
            wire.extend_from_slice(&data);
            wire.extend_from_slice(chunk.suffix);
            sent.extend_from_slice(&data);
        }
        wire.extend_from_slice(encoder.finish().tail);
        let decoded = decode(BodyLength::Chunked, &Limits::default(), &[&wire]).unwrap();
        assert!(decoded == (sent, Some(0)));
    }
}
