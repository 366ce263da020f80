//! Encodes packets: for clients, proxies and tests.

use alloc::vec::Vec;

/// The answer to a ping: an empty packet of the same modifier, with modifier2 set.
pub const PONG: &[u8] = &[100, 0, 0, 1];

/// Encodes a packet of `vars`; `false` and nothing encoded when they do not fit one packet (64 KiB).
pub fn encode<'a>(
    modifier1: u8,
    modifier2: u8,
    vars: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    out.extend_from_slice(&[modifier1, 0, 0, modifier2]);
    for (name, value) in vars {
        for part in [name, value] {
            let Ok(length) = u16::try_from(part.len()) else {
                out.truncate(start);
                return false;
            };
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    let Ok(size) = u16::try_from(out.len() - start - 4) else {
        out.truncate(start);
        return false;
    };
    out[start + 1..start + 3].copy_from_slice(&size.to_le_bytes());
    true
}
