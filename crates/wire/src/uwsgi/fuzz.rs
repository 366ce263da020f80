//! What must hold of any bytes given as a uwsgi packet.

use super::{Decoded, decode, encode};
use crate::request::Request;
use crate::{Limits, Peer};
use alloc::vec::Vec;

/// Checks one input.
pub fn check(input: &[u8]) {
    let limits = Limits::default();
    let peer = Peer { dynamic_apps: true, ..Peer::default() };
    let mut request = Request::new();
    match decode(input, &limits, &peer, &mut request) {
        Ok(Decoded::Request { used }) => {
            assert_eq!(used, request.head_len);
            let mut packet = Vec::new();
            let vars = request.vars().map(|(name, value)| (name.as_bytes(), value));
            assert!(encode(input[0], input[3], vars, &mut packet));
            if packet.len() == used {
                assert_eq!(packet, input[..used]);
            } else {
                // Leading zeros of a CONTENT_LENGTH are dropped, and nothing else.
                let mut again = Request::new();
                let decoded = decode(&packet, &limits, &peer, &mut again);
                assert_eq!(decoded, Ok(Decoded::Request { used: packet.len() }));
                assert!(packet.len() < used && again.vars().eq(request.vars()));
            }
            for (name, _) in request.vars() {
                assert!(request.find(name.as_bytes()).is_some());
            }
            for cut in [1, 2, 3, used / 2] {
                let part = decode(&input[..used.saturating_sub(cut)], &limits, &peer, &mut Request::new());
                assert_eq!(part, Ok(Decoded::Incomplete));
            }
        }
        Ok(Decoded::Ping { used }) => assert!(used >= 4 && used <= input.len()),
        Ok(Decoded::Incomplete) => assert!(input.len() < 4 + usize::from(u16::MAX)),
        Err(error) => assert!(error.position <= input.len() && error.status() >= 400),
    }
}
