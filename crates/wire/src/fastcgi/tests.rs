//! Connections, each with what becomes of it.

use super::fuzz::{CAPACITY, Seen, Transcript, listen};
use super::{
    Body, Decoder, Head, Kind, ProtocolStatus, encode_begin, encode_end, encode_param, encode_stream,
    encode_stream_end, frame,
};
use crate::request::{BodyLength, Request};
use crate::{Limits, Peer};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const GET: &[(&str, &str)] = &[("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x"), ("CONTENT_LENGTH", "")];
const POST: &[(&str, &str)] = &[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "5")];

/// One record of any kind, with padding as given.
fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let id = id.to_be_bytes();
    let mut out = vec![1, kind, id[0], id[1], length[0], length[1], padding, 0];
    out.extend_from_slice(content);
    out.extend(core::iter::repeat_n(b'p', usize::from(padding)));
    out
}

fn begin(id: u16, role: u16, flags: u8) -> Vec<u8> {
    record(1, id, &[role.to_be_bytes()[0], role.to_be_bytes()[1], flags, 0, 0, 0, 0, 0], 0)
}

fn params(vars: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in vars {
        encode_param(name.as_bytes(), value.as_bytes(), &mut out);
    }
    out
}

/// A whole request of id 1.
fn request(vars: &[(&str, &str)], keep: bool, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_begin(1, keep, &mut out);
    encode_stream(Kind::Params, 1, &params(vars), &mut out);
    encode_stream_end(Kind::Params, 1, &mut out);
    encode_stream(Kind::Stdin, 1, body, &mut out);
    encode_stream_end(Kind::Stdin, 1, &mut out);
    out
}

fn show(seen: &Seen) -> String {
    let length = match seen.length {
        BodyLength::Known(length) => format!("{length}"),
        BodyLength::Chunked => "?".into(),
        BodyLength::None => "none".into(),
    };
    let keep = if seen.keep { " keep" } else { "" };
    format!("{}:{}/{length}{keep}", seen.id, String::from_utf8_lossy(&seen.body))
}

fn replies(mut bytes: &[u8]) -> String {
    let mut out = String::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        assert_eq!(header[0], 1);
        let content = &rest[..length];
        match header[1] {
            3 => out += &format!(" end {} {}", header[3], content[4]),
            10 => out += &format!(" values {}", content.escape_ascii()),
            11 => out += &format!(" unknown {}", content[0]),
            other => out += &format!(" {other}"),
        }
        bytes = &rest[length + usize::from(header[6])..];
    }
    assert!(bytes.is_empty());
    out
}

fn outcome(found: &Transcript) -> String {
    let mut out = Vec::new();
    out.extend(found.requests.iter().map(show));
    if found.in_body && found.refused.is_none() {
        out.push("...".into());
    }
    out.extend((found.aborted > 0).then(|| format!("aborted {}", found.aborted)));
    out.extend((!found.replies.is_empty()).then(|| replies(&found.replies).trim().into()));
    out.extend(found.closed.then(|| "closed".into()));
    out.extend(found.refused.map(|fault| format!("{} {fault:?}", fault.status())));
    out.join(", ")
}

/// Checks the records in one piece, in single bytes, and split at every byte.
fn check(records: &[Vec<u8>], expected: &str) {
    let input = records.concat();
    let found = |pieces: &[&[u8]]| outcome(&listen(pieces.iter().copied(), &Limits::default()));
    assert_eq!(found(&[&input]), expected);
    assert_eq!(found(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    for at in 0..input.len() {
        assert_eq!(found(&[&input[..at], &input[at..]]), expected, "split at {at}");
    }
}

#[test]
fn requests_are_decoded_one_after_the_other() {
    check(&[request(GET, false, b"")], "1:/?");
    check(&[request(GET, true, b"")], "1:/? keep");
    check(&[request(POST, true, b"hello")], "1:hello/5 keep");
    check(&[request(&[("A", "b")], false, b"hello")], "1:hello/?");
    check(&[request(&[("CONTENT_LENGTH", "0")], false, b"")], "1:/0");
    check(&[request(POST, true, b"hello"), request(GET, false, b"")], "1:hello/5 keep, 1:/?");
    let other =
        [begin(300, 1, 0), record(4, 300, &params(GET), 0), record(4, 300, b"", 0), record(5, 300, b"", 0)];
    check(&[request(GET, true, b""), other.concat()], "1:/? keep, 300:/?");
    check(&[], "");
    check(&[begin(1, 1, 0)], "");
    check(&[begin(1, 1, 0), record(4, 1, &params(GET), 0), record(4, 1, b"", 0)], "1:/?, ...");
    check(
        &[begin(1, 1, 0), record(4, 1, &params(POST), 0), record(4, 1, b"", 0), record(5, 1, b"he", 0)],
        "1:he/5, ...",
    );
}

#[test]
fn streams_may_be_split_anywhere_and_records_padded() {
    let vars = params(POST);
    for size in [1, 2, 3, 7, vars.len()] {
        for padding in [0, 1, 7, 255] {
            let mut records = vec![record(1, 1, &[0, 1, 0, 0, 0, 0, 0, 0], padding)];
            records.extend(vars.chunks(size).map(|piece| record(4, 1, piece, padding)));
            records.push(record(4, 1, b"", padding));
            records.extend(b"hello".chunks(size).map(|piece| record(5, 1, piece, padding)));
            records.push(record(5, 1, b"", padding));
            let input = records.concat();
            for step in [1, 5, input.len()] {
                let found = listen(input.chunks(step), &Limits::default());
                assert_eq!(outcome(&found), "1:hello/5");
                assert_eq!(found.requests[0].vars.len(), 2);
            }
        }
    }
}

#[test]
fn names_and_values_may_be_long() {
    for length in [0, 1, 127, 128, 255, 256, 60_000] {
        let value = "v".repeat(length);
        let name = "N".repeat(length.clamp(1, 300));
        let found = listen([&request(&[(&name, &value)], false, b"")[..]].into_iter(), &Limits::default());
        assert_eq!(found.requests[0].vars, [(name.into_bytes(), value.into_bytes())]);
    }
    // A short length may be written in four bytes as well.
    let pair = b"\x80\x00\x00\x01\x80\x00\x00\x02Kvv";
    check(&[begin(1, 1, 0), record(4, 1, pair, 0), record(4, 1, b"", 0), record(5, 1, b"", 0)], "1:/?");
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    for (content, expected) in [
        (&b"\x01"[..], "400 ParamsTruncated"),
        (b"\x01\x01", "400 ParamsTruncated"),
        (b"\x01\x01K", "400 ParamsTruncated"),
        (b"\x02\x01Kv", "400 ParamsTruncated"),
        (b"\x01\x01Kv\x01", "400 ParamsTruncated"),
        (b"\x80\x00\x00", "400 ParamsTruncated"),
        (b"\x80\x00\x00\x01", "400 ParamsTruncated"),
        (b"\x01\x80\x00\x00K", "400 ParamsTruncated"),
        (b"\xff\xff\xff\xff\x01K", "400 ParamsTruncated"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xffK", "400 ParamsTruncated"),
        (b"\x00\x01v", "400 VariableName"),
        (b"\x00\x00", "400 VariableName"),
        (b"", "400 ParamsEmpty"),
        (b"\x0e\x03CONTENT_LENGTHabc", "400 ContentLength"),
        (b"\x0e\x02CONTENT_LENGTH-1", "400 ContentLength"),
        (b"\x0e\x03CONTENT_LENGTH1,1", "400 ContentLength"),
        (b"\x0e\x14CONTENT_LENGTH18446744073709551616", "413 BodyTooLarge"),
    ] {
        let mut records = vec![begin(1, 1, 0)];
        records.extend((!content.is_empty()).then(|| record(4, 1, content, 0)));
        records.push(record(4, 1, b"", 0));
        check(&records, expected);
    }
}

#[test]
fn records_out_of_place_are_refused() {
    let head = [begin(1, 1, 0), record(4, 1, &params(POST), 0), record(4, 1, b"", 0)].concat();
    for (records, expected) in [
        (vec![b"GET / HTTP/1.1\r\n".to_vec()], "400 RecordVersion(71)"),
        (vec![vec![0; 8]], "400 RecordVersion(0)"),
        (vec![vec![2, 1, 0, 1, 0, 8, 0, 0]], "400 RecordVersion(2)"),
        (vec![record(1, 1, &[0, 1, 0, 0, 0, 0, 0], 0)], "400 RecordLength"),
        (vec![record(1, 1, b"", 0)], "400 RecordLength"),
        (vec![record(1, 1, &[0; 9], 0)], "400 RecordLength"),
        (vec![begin(0, 1, 0)], "400 RecordOutOfPlace(1)"),
        (vec![begin(1, 1, 0), begin(1, 1, 0)], "400 RecordOutOfPlace(1)"),
        (vec![begin(1, 1, 0), record(5, 1, b"hello", 0)], "400 RecordOutOfPlace(5)"),
        (vec![begin(1, 1, 0), record(5, 1, b"", 0)], "400 RecordOutOfPlace(5)"),
        (vec![begin(1, 1, 0), record(4, 0, b"\x01\x01Kv", 0)], "400 RecordOutOfPlace(4)"),
        (vec![head.clone(), record(4, 1, b"\x01\x01Kv", 0)], "1:/5, 400 RecordOutOfPlace(4)"),
        (vec![head.clone(), record(6, 1, b"x", 0)], "1:/5, 400 RecordOutOfPlace(6)"),
        (vec![head.clone(), record(7, 1, b"x", 0)], "1:/5, 400 RecordOutOfPlace(7)"),
        (vec![record(3, 1, &[0; 8], 0)], "400 RecordOutOfPlace(3)"),
        (vec![record(9, 1, b"", 0)], "400 RecordOutOfPlace(9)"),
        (vec![record(10, 0, b"", 0)], "400 RecordOutOfPlace(10)"),
        (vec![record(11, 0, &[0; 8], 0)], "400 RecordOutOfPlace(11)"),
        (vec![head, record(5, 1, b"he", 0), record(5, 1, b"", 0)], "1:he/5, 400 BodyShort"),
    ] {
        check(&records, expected);
    }
}

#[test]
fn a_second_request_within_the_first_is_refused_and_the_first_goes_on() {
    let second = [begin(2, 1, 1), record(4, 2, &params(GET), 0), record(4, 2, b"", 0), record(5, 2, b"", 0)];
    check(
        &[
            begin(1, 1, 1),
            record(4, 1, &params(POST)[..9], 0),
            second[0].clone(),
            record(4, 1, &params(POST)[9..], 0),
            second[1].clone(),
            record(4, 1, b"", 0),
            record(5, 1, b"he", 0),
            second[2].clone(),
            record(5, 1, b"llo", 0),
            second[3].clone(),
            record(5, 1, b"", 0),
        ],
        "1:hello/5 keep, end 2 1",
    );
}

#[test]
fn only_responders_are_served() {
    for role in [0, 2, 3, 4, 256] {
        check(&[begin(1, role, 0), record(4, 1, b"", 0)], "end 1 3, closed");
        check(&[begin(7, role, 1), record(4, 7, b"", 0), request(GET, false, b"")], "1:/?, end 7 3");
    }
}

#[test]
fn a_request_may_be_taken_back() {
    let abort = record(2, 1, b"", 0);
    check(&[begin(1, 1, 0), abort.clone()], "end 1 0, closed");
    check(&[begin(1, 1, 1), abort.clone(), request(GET, true, b"")], "1:/? keep, end 1 0");
    let head = [begin(1, 1, 1), record(4, 1, &params(POST), 0), record(4, 1, b"", 0)].concat();
    check(
        &[head, record(5, 1, b"he", 0), abort.clone(), request(GET, false, b"")],
        "1:he/5 keep, 1:/?, aborted 1, end 1 0",
    );
    let head = [begin(1, 1, 0), record(4, 1, &params(POST), 0), record(4, 1, b"", 0)].concat();
    check(&[head, abort.clone()], "1:/5, aborted 1, end 1 0, closed");
    // Too late, or for another request.
    check(&[request(GET, true, b""), abort.clone(), record(2, 9, b"", 0)], "1:/? keep");
}

#[test]
fn management_records_are_answered_at_any_point() {
    let ask =
        |names: &[&str]| record(9, 0, &params(&names.iter().map(|name| (*name, "")).collect::<Vec<_>>()), 0);
    check(
        &[ask(&["FCGI_MPXS_CONNS", "FCGI_MAX_CONNS", "OTHER", "FCGI_MAX_REQS", "FCGI_MAX_REQS"])],
        r"values \x0e\x03FCGI_MAX_CONNS100\r\x01FCGI_MAX_REQS8\x0f\x01FCGI_MPXS_CONNS0",
    );
    check(&[ask(&["OTHER"]), ask(&[])], "values  values");
    check(&[record(9, 0, b"\x05\x00FC", 0)], "400 ParamsTruncated");
    check(
        &[record(12, 0, b"xyz", 5), record(255, 0, b"", 0), record(0, 0, b"", 0)],
        "unknown 12 unknown 255 unknown 0",
    );
    check(
        &[
            begin(1, 1, 0),
            record(77, 1, b"x", 0),
            record(4, 1, &params(POST), 0),
            ask(&["FCGI_MPXS_CONNS"]),
            record(4, 1, b"", 0),
            record(5, 1, b"he", 0),
            record(12, 0, b"", 3),
            record(5, 1, b"llo", 0),
        ],
        r"1:hello/5, unknown 77 values \x0f\x01FCGI_MPXS_CONNS0 unknown 12",
    );
}

#[test]
fn what_stdin_holds_beyond_the_announced_length_is_dropped() {
    check(&[request(POST, true, b"hello, world"), request(GET, false, b"")], "1:hello/5 keep, 1:/?");
    check(
        &[request(&[("CONTENT_LENGTH", "0")], true, b"hello"), request(GET, false, b"")],
        "1:/0 keep, 1:/?",
    );
}

#[test]
fn a_connection_can_go_on_elsewhere_behind_any_request() {
    let input = [request(POST, true, b"hello, world"), request(POST, false, b"abcde")].concat();
    let (limits, peer) = (Limits::default(), Peer::default());
    let mut request = Request::new();
    let mut first = Decoder::new(CAPACITY);
    assert_eq!(first.suspend(), Some((0, 0)));
    let Ok(Head::Request { used }) = first.head(&input, &limits, &peer, &mut request) else { panic!() };
    assert_eq!(first.suspend(), None);
    let Ok(Body::Step(step)) = first.body(&input[used..]) else { panic!() };
    assert!(step.done);
    let state = first.suspend().unwrap();
    // The rest of the body's record, with its padding.
    assert_eq!(state, (1, 7 + 4));
    let mut second = Decoder::new(CAPACITY);
    second.resume(state);
    assert_eq!((second.id(), second.is_idle()), (1, false));
    let rest = &input[used + step.used..];
    let Ok(Head::Request { used }) = second.head(rest, &limits, &peer, &mut request) else { panic!() };
    let Ok(Body::Step(step)) = second.body(&rest[used..]) else { panic!() };
    assert_eq!(&rest[used..][step.data], b"abcde");
}

#[test]
fn what_serves_no_request_is_bounded() {
    let limits = Limits { head: 100, ..Limits::default() };
    for records in [
        record(12, 0, b"", 0).repeat(13),
        record(9, 0, b"", 0).repeat(13),
        record(5, 3, b"", 0).repeat(13),
        record(5, 3, &[0; 93], 0),
        begin(1, 2, 1).repeat(7),
        [begin(1, 1, 1), begin(2, 1, 1).repeat(7)].concat(),
        [request(&[("CONTENT_LENGTH", "1")], true, &[0; 120])].concat(),
    ] {
        let found = listen([&records[..]].into_iter(), &limits);
        assert!(outcome(&found).ends_with("400 RecordsIgnored"), "{}", outcome(&found));
    }
    let long = record(4, 1, &[0; 101], 0);
    let found = listen([&begin(1, 1, 0)[..], &long[..8]].into_iter(), &limits);
    assert_eq!(outcome(&found), "431 HeadTooLarge");
    let twice = record(4, 1, &[0; 51], 0).repeat(2);
    let found = listen([&begin(1, 1, 0)[..], &twice].into_iter(), &limits);
    assert_eq!(outcome(&found), "431 HeadTooLarge");
}

#[test]
fn bodies_of_either_kind_have_a_limit() {
    let limits = Limits { body: Some(4), ..Limits::default() };
    let found = listen([&request(POST, false, b"hello")[..]].into_iter(), &limits);
    assert_eq!(outcome(&found), "413 BodyTooLarge");
    let found = listen([&request(GET, false, b"hello")[..]].into_iter(), &limits);
    assert_eq!(outcome(&found), "1:/?, 413 BodyTooLarge");
    let found = listen([&request(GET, false, b"hell")[..]].into_iter(), &limits);
    assert_eq!(outcome(&found), "1:hell/?");
}

#[test]
fn streams_are_encoded_in_records_of_whole_words() {
    for (length, records) in [(0, 0), (1, 1), (8, 1), (65_528, 1), (65_529, 2), (200_000, 4)] {
        let bytes = vec![b'x'; length];
        let mut out = Vec::new();
        encode_stream(Kind::Stdout, 513, &bytes, &mut out);
        let (mut found, mut count, mut rest) = (Vec::new(), 0, &out[..]);
        while let Some((header, after)) = rest.split_first_chunk::<8>() {
            assert_eq!((header[0], header[1], header[2], header[3]), (1, 6, 2, 1));
            let content = usize::from(u16::from_be_bytes([header[4], header[5]]));
            let padding = usize::from(header[6]);
            assert!((content + padding).is_multiple_of(8) && padding < 8);
            found.extend_from_slice(&after[..content]);
            rest = &after[content + padding..];
            count += 1;
        }
        assert_eq!((found, count), (bytes, records));
    }
    assert_eq!(frame(Kind::Stderr, 1, u16::MAX), ([1, 7, 0, 1, 255, 255, 1, 0], &[0][..]));
}

#[test]
fn an_answer_ends_with_an_empty_record_and_its_status() {
    let mut out = Vec::new();
    encode_stream_end(Kind::Stdout, 1, &mut out);
    assert_eq!(out, [1, 6, 0, 1, 0, 0, 0, 0]);
    out.clear();
    encode_end(1, 0x0102_0304, ProtocolStatus::Overloaded, &mut out);
    assert_eq!(out, [1, 3, 0, 1, 0, 8, 0, 0, 1, 2, 3, 4, 2, 0, 0, 0]);
}

#[test]
fn an_abort_behind_a_complete_request_is_seen_and_not_consumed() {
    let whole = request(&[("CONTENT_LENGTH", "0")], true, b"");
    let (abort, other) = (record(2, 1, b"", 3), record(2, 2, b"", 0));
    let cases = [
        (vec![], false),
        (abort.clone(), true),
        (abort[..7].to_vec(), false),
        ([&other[..], &abort].concat(), true),
        ([&begin(1, 1, 1)[..], &abort].concat(), false),
        (vec![0; 16], false),
    ];
    // The request is complete with its PARAMS; the record of STDIN behind them may be decoded in part.
    for decoded in whole.len() - 8..whole.len() {
        let mut decoder = Decoder::new(CAPACITY);
        let mut filled = Request::new();
        let head = decoder.head(&whole[..decoded], &Limits::default(), &Peer::default(), &mut filled);
        assert_eq!(head, Ok(Head::Request { used: whole.len() - 8 }));
        for (behind, expected) in &cases {
            let input = [&whole[whole.len() - 8..], behind].concat();
            assert_eq!(decoder.takes_back(&input), *expected, "{behind:?}");
        }
        assert!(decoder.keeps());
    }
}
