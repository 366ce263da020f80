//! What must hold of any bytes given as a chunked body; compared with a decoder that is plain and slow.

use super::BodyDecoder;
use crate::request::BodyLength;
use crate::{Fault, Limits};
use alloc::vec::Vec;

const LIMITS: Limits = Limits {
    head: 4096,
    fields: 64,
    field: 2048,
    variables: 64,
    target: 1024,
    body: Some(1 << 16),
    chunk_line: 32,
    trailers: 64,
};

#[derive(Debug, PartialEq)]
enum Outcome {
    /// Body and bytes consumed.
    Done(Vec<u8>, usize),
    Incomplete(Vec<u8>),
    Refused(Fault),
}

/// Checks one input. Its first byte says where the rest is cut.
pub fn check(input: &[u8]) {
    let Some((&cut, body)) = input.split_first() else { return };
    let whole = decode([body].into_iter());
    assert_eq!(decode(body.chunks(1)), whole);
    assert_eq!(decode(body.chunks(usize::from(cut).max(1))), whole);
    match whole {
        Outcome::Done(data, used) => assert_eq!(plain(body), Some((data, used))),
        Outcome::Incomplete(data) => {
            assert!(data.len() <= body.len());
            assert_eq!(plain(body), None);
        }
        Outcome::Refused(fault) => {
            // The plain decoder has no limits.
            let limit =
                matches!(fault, Fault::BodyTooLarge | Fault::ChunkLineTooLong | Fault::TrailersTooLarge);
            assert!(limit || plain(body).is_none());
        }
    }
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &LIMITS);
    let (mut body, mut consumed) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        loop {
            let step = match decoder.decode(rest) {
                Ok(step) => step,
                Err(error) => return Outcome::Refused(error.fault),
            };
            assert!(step.data.end <= step.used && step.used <= rest.len());
            body.extend_from_slice(&rest[step.data]);
            consumed += step.used;
            rest = &rest[step.used..];
            if step.done {
                return Outcome::Done(body, consumed);
            }
            if step.used == 0 {
                assert!(rest.is_empty());
                break;
            }
        }
    }
    Outcome::Incomplete(body)
}

/// A complete body and its length on the wire.
fn plain(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut rest = input;
    loop {
        let size = line(&mut rest)?;
        // Space may stand before a semicolon, not before the end of the line.
        let digits = match size.iter().position(|&byte| byte == b';') {
            Some(end) => size[..end].trim_ascii_end(),
            None => size,
        };
        if digits.is_empty()
            || digits.len() > 16
            || !digits.iter().all(u8::is_ascii_hexdigit)
            || has_control(size)
        {
            return None;
        }
        let size = u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        let (data, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n")?;
    }
    loop {
        let field = line(&mut rest)?;
        if field.is_empty() {
            return Some((body, input.len() - rest.len()));
        }
        let colon = field.iter().position(|&byte| byte == b':')?;
        let name = &field[..colon];
        if name.is_empty()
            || !name.iter().all(|&byte| crate::http1::scan::is_token_byte(byte))
            || has_control(field)
        {
            return None;
        }
    }
}

/// Up to CR LF, which it takes away.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

fn has_control(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control())
}
