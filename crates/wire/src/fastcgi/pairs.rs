//! Names and values, as PARAMS and GET_VALUES hold them: length and length, name and value.

use crate::Fault;
use alloc::vec::Vec;

/// From here on a length takes four bytes, of which the first bit says so.
const LONG: usize = 128;

/// Walks over the pairs in `bytes`, which they must fill.
pub(super) struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, rest) = length(self.rest)?;
        let (value, rest) = length(rest)?;
        let (name, rest) = rest.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.rest = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_none() {
            self.rest = &[];
        }
        Some(pair.ok_or(Fault::ParamsTruncated))
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if usize::from(first) < LONG {
        return Some((usize::from(first), rest));
    }
    let (long, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*long) & 0x7fff_ffff).ok()?, rest))
}

/// Encodes one pair; of a name or value the first 2 GiB count.
pub(super) fn encode(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    const MOST: usize = 0x7fff_ffff;
    let (name, value) = (&name[..name.len().min(MOST)], &value[..value.len().min(MOST)]);
    for part in [name, value] {
        match part.len() {
            length if length < LONG => out.push(length as u8),
            length => out.extend_from_slice(&(length as u32 | 1 << 31).to_be_bytes()),
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}
