//! What must hold of any bytes given as an SCGI head.

use super::{decode, encode};
use crate::request::{BodyLength, Decoded, Known, Request};
use crate::{Limits, Peer};
use alloc::vec::Vec;

/// Checks one input.
pub fn check(input: &[u8]) {
    let limits = Limits::default();
    let peer = Peer { dynamic_apps: true, ..Peer::default() };
    let mut request = Request::new();
    match decode(input, &limits, &peer, &mut request) {
        Ok(Decoded::Complete { used }) => {
            assert_eq!((used, input[used - 1]), (request.head_len, b','));
            let again = encode_again(&request);
            let mut second = Request::new();
            assert!(matches!(decode(&again, &limits, &peer, &mut second), Ok(Decoded::Complete { .. })));
            assert_eq!((second.body, second.version), (request.body, request.version));
            assert_eq!(second.var(Known::PathInfo), request.var(Known::PathInfo));
            for cut in [1, 2, 3, used / 2, used - 1] {
                let part = decode(&input[..used - cut], &limits, &peer, &mut Request::new());
                assert_eq!(part, Ok(Decoded::Incomplete));
            }
        }
        Ok(Decoded::Incomplete) => assert!(input.len() < limits.head + 16),
        Err(error) => assert!(error.position <= input.len() && error.status() >= 400),
    }
}

fn encode_again(request: &Request) -> Vec<u8> {
    let body = match request.body {
        BodyLength::Known(length) => length,
        BodyLength::None | BodyLength::Chunked => unreachable!("every head has a length"),
    };
    let own = |name: &[u8]| matches!(name, b"CONTENT_LENGTH" | b"SCGI");
    let vars = request.vars().map(|(name, value)| (name.as_bytes(), value)).filter(|(name, _)| !own(name));
    let mut out = Vec::new();
    assert!(encode(body, vars, &mut out));
    out
}
