//! What must hold of any bytes that a front server sends.

use super::{
    Body, Capacity, Decoder, Head, Kind, encode_begin, encode_param, encode_stream, encode_stream_end,
};
use crate::request::{BodyLength, Request};
use crate::{Fault, Limits, Peer};
use alloc::vec::Vec;

const LIMITS: Limits = Limits {
    head: 2048,
    fields: 64,
    field: 2048,
    variables: 64,
    target: 1024,
    body: Some(1 << 16),
    chunk_line: 32,
    trailers: 64,
};
pub(super) const CAPACITY: Capacity = Capacity { connections: 100, requests: 8 };

/// What happened on a connection.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transcript {
    pub(super) requests: Vec<Seen>,
    pub(super) replies: Vec<u8>,
    pub(super) aborted: usize,
    pub(super) closed: bool,
    pub(super) refused: Option<Fault>,
    /// The last request's body is not complete.
    pub(super) in_body: bool,
}

/// One request.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) id: u16,
    pub(super) keep: bool,
    pub(super) vars: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) length: BodyLength,
    pub(super) body: Vec<u8>,
}

/// Checks one input. Its first byte says where the rest is cut.
pub fn check(input: &[u8]) {
    let Some((&cut, records)) = input.split_first() else { return };
    let whole = listen([records].into_iter(), &LIMITS);
    assert_eq!(listen(records.chunks(1), &LIMITS), whole);
    assert_eq!(listen(records.chunks(usize::from(cut).max(1)), &LIMITS), whole);
    assert!(whole.replies.len().is_multiple_of(8) && whole.replies.len() <= 3 * records.len());
    for seen in &whole.requests {
        if let BodyLength::Known(length) = seen.length {
            assert!(seen.body.len() as u64 <= length);
        }
        let again = listen([&encode(seen)[..]].into_iter(), &LIMITS);
        assert_eq!((&again.requests[0].vars, again.requests[0].length), (&seen.vars, seen.length));
        assert_eq!((&again.requests[0].body, again.requests[0].keep), (&seen.body, seen.keep));
    }
}

/// Decodes a connection that brings `pieces`.
pub(super) fn listen<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Transcript {
    let peer = Peer { dynamic_apps: true, ..Peer::default() };
    let (mut decoder, mut request) = (Decoder::new(CAPACITY), Request::new());
    let mut found = Transcript::default();
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() && !found.closed && found.refused.is_none() {
            let used = if found.in_body {
                read_body(&mut decoder, rest, &mut found)
            } else {
                read_head(&mut decoder, rest, limits, &peer, &mut request, &mut found)
            };
            rest = &rest[used..];
        }
    }
    found.replies = decoder.take_replies();
    found
}

fn read_head(
    decoder: &mut Decoder,
    input: &[u8],
    limits: &Limits,
    peer: &Peer<'_>,
    request: &mut Request,
    found: &mut Transcript,
) -> usize {
    match decoder.head(input, limits, peer, request) {
        Ok(Head::Incomplete) => input.len(),
        Ok(Head::Request { used }) => {
            found.requests.push(Seen {
                id: decoder.id(),
                keep: request.keep_alive,
                vars: request
                    .vars()
                    .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
                    .collect(),
                length: request.body,
                body: Vec::new(),
            });
            found.in_body = request.body != BodyLength::Known(0);
            assert_eq!(decoder.is_within_request(), found.in_body);
            used
        }
        Ok(Head::Close { used }) => {
            found.closed = true;
            used
        }
        Err(error) => {
            assert!(error.position <= input.len() && error.status() >= 400);
            found.refused = Some(error.fault);
            0
        }
    }
}

fn read_body(decoder: &mut Decoder, input: &[u8], found: &mut Transcript) -> usize {
    match decoder.body(input) {
        Ok(Body::Step(step)) => {
            assert!(step.data.end <= step.used && step.used <= input.len());
            assert!(step.used > 0, "input that is not consumed");
            if let Some(seen) = found.requests.last_mut() {
                seen.body.extend_from_slice(&input[step.data]);
            }
            found.in_body = !step.done;
            assert_eq!(decoder.is_within_request(), found.in_body);
            step.used
        }
        Ok(Body::Aborted { used, keep }) => {
            found.aborted += 1;
            found.in_body = false;
            found.closed = !keep;
            used
        }
        Err(error) => {
            assert!(error.position <= input.len() && error.status() >= 400);
            found.refused = Some(error.fault);
            0
        }
    }
}

/// The records of a request, without the end of STDIN when a part of the body is missing.
fn encode(seen: &Seen) -> Vec<u8> {
    let (mut params, mut out) = (Vec::new(), Vec::new());
    for (name, value) in &seen.vars {
        encode_param(name, value, &mut params);
    }
    encode_begin(seen.id, seen.keep, &mut out);
    encode_stream(Kind::Params, seen.id, &params, &mut out);
    encode_stream_end(Kind::Params, seen.id, &mut out);
    encode_stream(Kind::Stdin, seen.id, &seen.body, &mut out);
    out
}
