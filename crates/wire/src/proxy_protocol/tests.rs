//! Headers, each with what becomes of it.

use super::{Decoded, Source, decode, encode_v1, encode_v2};
use crate::Fault;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const LIMIT: usize = 1000;

fn outcome(input: &[u8]) -> String {
    match decode(input, LIMIT) {
        Ok(Decoded::Complete { used, source: Source::Connection }) => format!("{used} own"),
        Ok(Decoded::Complete { used, source: Source::Unix }) => format!("{used} unix"),
        Ok(Decoded::Complete { used, source: Source::Tcp { source, destination } }) => {
            format!("{used} {source} > {destination}")
        }
        Ok(Decoded::Incomplete) => "incomplete".into(),
        Ok(Decoded::Absent) => "absent".into(),
        Err(error) => format!("{:?} at {}", error.fault, error.position),
    }
}

/// Checks the header, what follows it, and every part of it.
fn check(header: &[u8], expected: &str) {
    let whole = format!("{} {expected}", header.len());
    assert_eq!(outcome(header), whole, "{}", header.escape_ascii());
    assert_eq!(outcome(&[header, b"GET / HTTP/1.1\r\n"].concat()), whole);
    for end in 0..header.len() {
        assert_eq!(outcome(&header[..end]), "incomplete", "{}", header[..end].escape_ascii());
    }
}

/// A header of version 2 with the signature.
fn v2(version: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    out.extend_from_slice(&[version, kind, length[0], length[1]]);
    out.extend_from_slice(content);
    out
}

#[test]
fn version_1_is_one_line() {
    check(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1:56324 > 198.51.100.7:443");
    check(b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0 > 255.255.255.255:65535");
    check(b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n", "[2001:db8::1]:1 > [::1]:80");
    check(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 80\r\n", "[::ffff:192.0.2.1]:1 > [::1]:80");
    check(
        b"PROXY TCP6 ffff:f000:ffff:f000:ffff:f000:ffff:f000 ffff:f000:ffff:f000:ffff:f000:ffff:f000 65535 65535\r\n",
        "[ffff:f000:ffff:f000:ffff:f000:ffff:f000]:65535 > [ffff:f000:ffff:f000:ffff:f000:ffff:f000]:65535",
    );
    check(b"PROXY UNKNOWN\r\n", "own");
    check(b"PROXY UNKNOWN whatever \x00 there is\r\n", "own");
    check(format!("PROXY UNKNOWN {}\r\n", "f".repeat(91)).as_bytes(), "own");
}

#[test]
fn version_1_is_taken_to_the_letter() {
    for line in [
        "TCP4 192.0.2.1 192.0.2.2 1",
        "TCP4 192.0.2.1 192.0.2.2 1 2 3",
        "TCP4 192.0.2.1 192.0.2.2 1 2 ",
        "TCP4  192.0.2.1 192.0.2.2 1 2",
        " TCP4 192.0.2.1 192.0.2.2 1 2",
        "TCP4\t192.0.2.1 192.0.2.2 1 2",
        "tcp4 192.0.2.1 192.0.2.2 1 2",
        "TCP 192.0.2.1 192.0.2.2 1 2",
        "TCP5 192.0.2.1 192.0.2.2 1 2",
        "UDP4 192.0.2.1 192.0.2.2 1 2",
        "TCP4 192.0.2 192.0.2.2 1 2",
        "TCP4 192.0.2.256 192.0.2.2 1 2",
        "TCP4 192.0.2.01 192.0.2.2 1 2",
        "TCP4 ::1 ::1 1 2",
        "TCP4 example.com 192.0.2.2 1 2",
        "TCP6 192.0.2.1 192.0.2.2 1 2",
        "TCP6 ::1%lo ::1 1 2",
        "TCP6 [::1] [::1] 1 2",
        "TCP6 ::g ::1 1 2",
        "TCP4 192.0.2.1 192.0.2.2 65536 2",
        "TCP4 192.0.2.1 192.0.2.2 01 2",
        "TCP4 192.0.2.1 192.0.2.2 00 2",
        "TCP4 192.0.2.1 192.0.2.2 +1 2",
        "TCP4 192.0.2.1 192.0.2.2 -1 2",
        "TCP4 192.0.2.1 192.0.2.2  2",
        "TCP4 192.0.2.1 192.0.2.2 x 2",
        "UNKNOWNS",
        "unknown",
        "",
    ] {
        let line = format!("PROXY {line}\r\n");
        assert_eq!(outcome(line.as_bytes()), "ProxyHeader at 6", "{line:?}");
    }
}

#[test]
fn a_line_that_does_not_end_in_time_is_refused() {
    for (line, expected) in [
        (format!("PROXY UNKNOWN {}", "f".repeat(93)), "ProxyHeader at 106"),
        (format!("PROXY UNKNOWN {}\r\n", "f".repeat(92)), "ProxyHeader at 106"),
        (format!("PROXY UNKNOWN {}\r", "f".repeat(91)), "incomplete"),
        ("PROXY UNKNOWN\n".into(), "incomplete"),
        ("PROXY UNKNOWN\rx".into(), "ProxyHeader at 14"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n".into(), "ProxyHeader at 35"),
    ] {
        assert_eq!(outcome(line.as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn other_beginnings_show_at_the_first_byte_that_differs() {
    for (input, position) in [
        (&b"GET / HTTP/1.1\r\n"[..], 0),
        (b"POST / HTTP/1.1\r\n", 1),
        (b"proxy UNKNOWN\r\n", 0),
        (b"PROXY\tUNKNOWN\r\n", 5),
        (b"PROXYUNKNOWN\r\n", 5),
        (b"\r\nGET", 2),
        (b"\r\n\r\n\0\r\nQUIT\r", 11),
        (b"\n", 0),
        (b"\x00\xd9\x01\x00", 0),
    ] {
        assert_eq!(outcome(&input[..position]), "incomplete", "{}", input.escape_ascii());
        assert_eq!(outcome(&input[..=position]), "absent", "{}", input.escape_ascii());
    }
    assert_eq!(outcome(b""), "incomplete");
}

#[test]
fn version_2_is_binary() {
    let inet = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];
    check(&v2(0x21, 0x11, &inet), "192.0.2.1:56324 > 198.51.100.7:443");
    let mut inet6 = vec![0; 36];
    (inet6[0], inet6[15], inet6[31], inet6[33], inet6[35]) = (0xfd, 1, 2, 80, 81);
    check(&v2(0x21, 0x21, &inet6), "[fd00::1]:80 > [::2]:81");
    check(&v2(0x21, 0x31, &[0; 216]), "unix");
    check(&v2(0x21, 0x00, b""), "own");
    check(&v2(0x20, 0x00, b""), "own");
    // Of the balancer's own connection nothing counts but the length.
    check(&v2(0x20, 0x11, &inet), "own");
    check(&v2(0x20, 0xff, b"abc"), "own");
}

#[test]
fn values_behind_the_addresses_are_skipped() {
    let inet = [192, 0, 2, 1, 198, 51, 100, 7, 0, 1, 0, 2];
    for values in [&b"\x01\x00\x02h2"[..], b"\x04\x00\x00", b"\x20\x00\x03abc\x02\x00\x01x"] {
        check(&v2(0x21, 0x11, &[&inet, values].concat()), "192.0.2.1:1 > 198.51.100.7:2");
        check(&v2(0x21, 0x00, values), "own");
    }
    for values in [&b"\x01"[..], b"\x01\x00", b"\x01\x00\x02h", b"\x04\x00\x00\x01"] {
        assert_eq!(outcome(&v2(0x21, 0x11, &[&inet, values].concat())), "ProxyHeader at 28");
        check(&v2(0x21, 0x00, values), "own");
    }
}

#[test]
fn what_version_2_does_not_define_is_refused() {
    for (version, kind, length, expected) in [
        (0x11, 0x11, 12, "ProxyUnsupported at 12"),
        (0x22, 0x11, 12, "ProxyUnsupported at 12"),
        (0x2f, 0x11, 12, "ProxyUnsupported at 12"),
        (0x01, 0x11, 12, "ProxyUnsupported at 12"),
        (0x21, 0x12, 12, "ProxyUnsupported at 13"),
        (0x21, 0x10, 12, "ProxyUnsupported at 13"),
        (0x21, 0x41, 12, "ProxyUnsupported at 13"),
        (0x21, 0x01, 12, "ProxyUnsupported at 13"),
        (0x21, 0x22, 36, "ProxyUnsupported at 13"),
        (0x21, 0x32, 216, "ProxyUnsupported at 13"),
        (0x21, 0x11, 11, "ProxyHeader at 14"),
        (0x21, 0x11, 0, "ProxyHeader at 14"),
        (0x21, 0x21, 35, "ProxyHeader at 14"),
        (0x21, 0x31, 215, "ProxyHeader at 14"),
        (0x20, 0x00, 985, "HeadTooLarge at 14"),
        (0x20, 0x00, 65_535, "HeadTooLarge at 14"),
        (0x21, 0x11, 985, "HeadTooLarge at 14"),
    ] {
        assert_eq!(outcome(&v2(version, kind, &vec![0; length])), expected, "{version:x} {kind:x} {length}");
    }
    let error = decode(b"PROXY \r\n", LIMIT).unwrap_err();
    assert_eq!((error.fault, error.status()), (Fault::ProxyHeader, 400));
}

#[test]
fn headers_come_back_as_they_were_encoded() {
    let tcp = |source: &str, destination: &str| Source::Tcp {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    };
    for source in [
        Source::Connection,
        Source::Unix,
        tcp("192.0.2.1:0", "198.51.100.7:65535"),
        tcp("[2001:db8::1]:1", "[::1]:80"),
    ] {
        let (mut one, mut two) = (Vec::new(), b"before".to_vec());
        encode_v1(source, &mut one);
        encode_v2(source, b"\x01\x00\x02h2", &mut two);
        assert_eq!(decode(&two[6..], LIMIT), Ok(Decoded::Complete { used: two.len() - 6, source }));
        let source = if source == Source::Unix { Source::Connection } else { source };
        assert_eq!(decode(&one, LIMIT), Ok(Decoded::Complete { used: one.len(), source }));
    }
    let mut mixed = Vec::new();
    encode_v1(tcp("192.0.2.1:1", "[::1]:2"), &mut mixed);
    assert_eq!(mixed, b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n");
}
