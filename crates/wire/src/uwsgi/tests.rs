//! Packets, each with what becomes of it.

use super::{Decoded, decode, encode};
use crate::request::{BodyLength, Known, Name, Request, Version};
use crate::{Limits, Peer};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

type Vars<'a> = &'a [(&'a str, &'a str)];

const GET: Vars<'_> = &[
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/x?y"),
    ("PATH_INFO", "/x"),
    ("QUERY_STRING", "y"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
];

fn packet(modifier1: u8, vars: Vars<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(encode(
        modifier1,
        0,
        vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        &mut out
    ));
    out
}

fn raw(modifier1: u8, block: &[u8]) -> Vec<u8> {
    let size = u16::try_from(block.len()).unwrap().to_le_bytes();
    let mut out = vec![modifier1, size[0], size[1], 0];
    out.extend_from_slice(block);
    out
}

fn outcome(input: &[u8], request: &mut Request) -> String {
    match decode(input, &Limits::default(), &Peer::default(), request) {
        Ok(Decoded::Request { used }) => format!("request {used}"),
        Ok(Decoded::Ping { used }) => format!("ping {used}"),
        Ok(Decoded::Incomplete) => "incomplete".into(),
        Err(error) => format!("{} {:?}", error.status(), error.fault),
    }
}

#[test]
fn packets_come_back_as_they_were_encoded() {
    let long = "v".repeat(60_000);
    for vars in [
        GET,
        &[("A", "")],
        &[("A", "1"), ("A", "2")],
        &[("X\u{e9}", "v\u{e9}"), ("HTTP_HOST", "h")],
        &[("HTTP_X", &long)],
    ] {
        for modifier1 in [0, 30] {
            let mut input = packet(modifier1, vars);
            let mut request = Request::new();
            for end in 0..input.len().min(100) {
                assert_eq!(outcome(&input[..end], &mut request), "incomplete");
            }
            assert_eq!(outcome(&input[..input.len() - 1], &mut request), "incomplete");
            let whole = format!("request {}", input.len());
            assert_eq!(outcome(&input, &mut request), whole);
            let found: Vec<_> = request.vars().map(|(name, value)| (name.as_bytes(), value)).collect();
            let sent: Vec<_> = vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            assert_eq!(found, sent);
            input.extend_from_slice(b"body");
            assert_eq!(outcome(&input, &mut request), whole);
        }
    }
}

#[test]
fn too_much_for_a_packet_is_not_encoded() {
    let long = "v".repeat(65_535);
    let mut out = b"x".to_vec();
    assert!(!encode(0, 0, [(&b"A"[..], long.as_bytes())].into_iter(), &mut out));
    let longer = "v".repeat(65_536);
    assert!(!encode(0, 0, [(&b"A"[..], longer.as_bytes())].into_iter(), &mut out));
    assert_eq!(out, b"x");
    let fits = "v".repeat(65_530);
    assert!(encode(0, 0, [(&b"A"[..], fits.as_bytes())].into_iter(), &mut out));
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for block in [
        &b"\x01"[..],
        b"\x01\x00",
        b"\x01\x00K",
        b"\x01\x00K\x01",
        b"\x01\x00K\x01\x00",
        b"\x01\x00K\x02\x00v",
        b"\x05\x00K\x01\x00v",
        b"\xff\xffK\x01\x00v",
        b"\x01\x00K\x01\x00v\x01",
        b"\x01\x00K\x01\x00v\x01\x00L",
        b"\x01\x00K\x01\x00v\x00",
        b"\x01\x00K\xff\xffv",
    ] {
        assert_eq!(
            outcome(&raw(0, block), &mut Request::new()),
            "400 PacketTruncated",
            "{}",
            block.escape_ascii()
        );
    }
    for block in [&b"\x00\x00\x01\x00v"[..], b"\x01\x00K\x00\x00\x00\x00\x00\x00"] {
        assert_eq!(outcome(&raw(0, block), &mut Request::new()), "400 VariableName");
    }
    assert_eq!(outcome(&raw(0, b""), &mut Request::new()), "400 PacketEmpty");
    assert_eq!(outcome(&raw(30, b""), &mut Request::new()), "400 PacketEmpty");
}

/// What uWSGI's manual ("The uwsgi Protocol") lists beside 0, 30 and 100, and a word that the log must say of it.
const LISTED: &[(u8, &str)] = &[
    (5, "PSGI"),
    (6, "Lua"),
    (7, "Rack"),
    (8, "JVM"),
    (9, "CGI"),
    (10, "management"),
    (14, "PHP"),
    (15, "Mono"),
    (17, "spooler"),
    (18, "symbol"),
    (22, "code"),
    (23, "XSLT"),
    (24, "V8"),
    (25, "GridFS"),
    (26, "GlusterFS"),
    (27, "FastFuncs"),
    (31, "message"),
    (32, "array"),
    (33, "marshalled"),
    (48, "SNMP"),
    (72, "HTTP"),
    (73, "announcement"),
    (74, "multicast"),
    (95, "cluster"),
    (96, "logging"),
    (97, "brutal reload"),
    (98, "graceful reload"),
    (99, "configuration"),
    (101, "echo"),
    (109, "legion"),
    (110, "signal"),
    (111, "cache"),
    (173, "RPC"),
    (200, "close"),
    (224, "subscription"),
    (255, "response"),
];

#[test]
fn every_modifier_of_the_manual_is_served_or_named() {
    for modifier1 in (0..=255).filter(|modifier1| !matches!(modifier1, 0 | 30 | 100)) {
        let listed = LISTED.iter().find(|(number, _)| *number == modifier1);
        let word = listed.map_or("not in the protocol", |(_, word)| word);
        let found =
            decode(&packet(modifier1, GET), &Limits::default(), &Peer::default(), &mut Request::new());
        let said = format!("{}", found.unwrap_err());
        assert!(said.contains(&format!("modifier {modifier1} (")) && said.contains(word), "{said}");
    }
}

#[test]
fn modifiers_that_are_not_served_are_refused_by_name() {
    for modifier1 in 0..=255 {
        let found = outcome(&packet(modifier1, GET), &mut Request::new());
        let served = matches!(modifier1, 0 | 30 | 100);
        assert_eq!(found.starts_with("501 Modifier"), !served, "{modifier1}: {found}");
        // The first byte is enough.
        assert_eq!(outcome(&[modifier1], &mut Request::new()) == "incomplete", served);
    }
    let error = decode(&[5], &Limits::default(), &Peer::default(), &mut Request::new()).unwrap_err();
    assert_eq!(format!("{error}"), "uwsgi modifier 5 (PSGI) is not served here (byte 0)");
}

#[test]
fn a_ping_is_a_ping() {
    assert_eq!(outcome(&[100, 0, 0, 0], &mut Request::new()), "ping 4");
    assert_eq!(outcome(&packet(100, GET), &mut Request::new()), format!("ping {}", packet(100, GET).len()));
    assert_eq!(outcome(&packet(100, GET)[..20], &mut Request::new()), "incomplete");
}

#[test]
fn the_body_is_as_long_as_content_length_says() {
    for (value, expected) in [
        ("", Ok(BodyLength::None)),
        ("0", Ok(BodyLength::Known(0))),
        ("5", Ok(BodyLength::Known(5))),
        ("9223372036854775807", Ok(BodyLength::Known(i64::MAX as u64))),
        ("9223372036854775808", Err(413)),
        ("18446744073709551616", Err(413)),
        ("abc", Err(400)),
        ("-1", Err(400)),
        ("+1", Err(400)),
        ("1 ", Err(400)),
        ("1,1", Err(400)),
        ("0x1", Err(400)),
    ] {
        let mut request = Request::new();
        let input = packet(0, &[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", value)]);
        let found = decode(&input, &Limits::default(), &Peer::default(), &mut request);
        assert_eq!(found.map(|_| request.body).map_err(|error| error.status()), expected, "{value}");
    }
    for (sent, seen) in
        [("0".repeat(5000) + "5", "5"), ("00".into(), "0"), ("0".into(), "0"), ("50".into(), "50")]
    {
        let mut request = Request::new();
        outcome(&packet(0, &[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", &sent)]), &mut request);
        assert_eq!(request.var(Known::ContentLength), Some(seen.as_bytes()), "leading zeros are dropped");
    }
    let limits = Limits { body: Some(4), ..Limits::default() };
    let input = packet(0, &[("CONTENT_LENGTH", "5")]);
    let error = decode(&input, &limits, &Peer::default(), &mut Request::new()).unwrap_err();
    assert_eq!(error.status(), 413);
}

#[test]
fn of_a_variable_given_twice_the_last_counts() {
    let mut request = Request::new();
    let vars = &[("CONTENT_LENGTH", "9"), ("X", "1"), ("CONTENT_LENGTH", "5"), ("X", "2")];
    outcome(&packet(0, vars), &mut request);
    assert_eq!(request.body, BodyLength::Known(5));
    assert_eq!(request.find(b"X"), Some(&b"2"[..]));
    assert_eq!(request.var(Known::ContentLength), Some(&b"5"[..]));
}

#[test]
fn the_version_is_the_one_the_client_spoke_or_the_nearest() {
    for (protocol, expected) in [
        ("HTTP/1.1", Version::Http11),
        ("HTTP/1.0", Version::Http10),
        ("HTTP/2.0", Version::Http11),
        ("HTTP/1.1\nHost:", Version::Http11),
        ("", Version::Http10),
    ] {
        let mut request = Request::new();
        outcome(&packet(0, &[("SERVER_PROTOCOL", protocol)]), &mut request);
        assert_eq!(request.version, expected, "{protocol:?}");
        assert!(!request.keep_alive);
    }
    let mut request = Request::new();
    outcome(&packet(0, &[("PATH_INFO", "/")]), &mut request);
    assert_eq!(request.version, Version::Http10);
}

#[test]
fn app_loading_variables_need_dynamic_apps() {
    for name in ["UWSGI_FILE", "UWSGI_MODULE", "UWSGI_CALLABLE", "UWSGI_SCRIPT", "UWSGI_PYHOME", "UWSGI_HOME"]
    {
        let input = packet(0, &[("PATH_INFO", "/"), (name, "x")]);
        for dynamic_apps in [false, true] {
            let mut request = Request::new();
            let peer = Peer { dynamic_apps, ..Peer::default() };
            decode(&input, &Limits::default(), &peer, &mut request).unwrap();
            assert_eq!(request.find(name.as_bytes()).is_some(), dynamic_apps, "{name}");
        }
    }
}

#[test]
fn a_packet_larger_than_the_limit_is_refused_by_its_header() {
    let limits = Limits { head: 10, ..Limits::default() };
    let error = decode(&[0, 11, 0, 0], &limits, &Peer::default(), &mut Request::new()).unwrap_err();
    assert_eq!(error.status(), 431);
    let mut many = Request::new();
    let block = b"\x01\x00K\x00\x00".repeat(65_535 / 5);
    assert!(outcome(&raw(0, &block), &mut many).starts_with("request"));
    assert_eq!(many.len(), 65_535 / 5);
}

#[test]
fn variables_are_set_found_and_removed() {
    let mut request = Request::new();
    outcome(&packet(0, GET), &mut request);
    request.set(Known::ScriptName, b"/app");
    request.set(Known::PathInfo, b"/longer than before");
    request.push(Name::Other(b"MY"), b"1");
    assert_eq!(request.find(b"SCRIPT_NAME"), Some(&b"/app"[..]));
    assert_eq!(request.var(Known::PathInfo), Some(&b"/longer than before"[..]));
    assert!(request.remove(b"REQUEST_URI"));
    assert!(!request.remove(b"REQUEST_URI"));
    assert!(request.remove(b"MY"));
    assert_eq!(request.find(b"MY"), None);
    assert_eq!(request.find(b"REQUEST_URI"), None);
    assert_eq!(request.var(Known::QueryString), Some(&b"y"[..]));
    assert_eq!(request.len(), 5);
    // uWSGI counts names and values each, and two bytes of length before each.
    let bytes = request.vars().map(|(name, value)| 4 + name.as_bytes().len() + value.len()).sum();
    assert_eq!(request.vars_bytes(), (10, bytes));
}
