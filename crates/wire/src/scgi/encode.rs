//! Encodes heads: for clients, proxies and tests.

use alloc::vec::Vec;

/// Encodes a head with the body's length, `SCGI` and then `vars`; `false` and nothing encoded when a name or value has a NUL,
/// which SCGI cannot carry, or is one of those two names.
pub fn encode<'a>(body: u64, vars: impl Iterator<Item = (&'a [u8], &'a [u8])>, out: &mut Vec<u8>) -> bool {
    let mut strings = Vec::new();
    strings.extend_from_slice(b"CONTENT_LENGTH\0");
    strings.extend_from_slice(itoa::Buffer::new().format(body).as_bytes());
    strings.extend_from_slice(b"\0SCGI\x001\0");
    for (name, value) in vars {
        if name == b"CONTENT_LENGTH" || name == b"SCGI" {
            return false;
        }
        for part in [name, value] {
            if memchr::memchr(0, part).is_some() {
                return false;
            }
            strings.extend_from_slice(part);
            strings.push(0);
        }
    }
    out.extend_from_slice(itoa::Buffer::new().format(strings.len()).as_bytes());
    out.push(b':');
    out.append(&mut strings);
    out.push(b',');
    true
}
