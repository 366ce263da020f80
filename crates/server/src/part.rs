//! What a thread sends in one system call, and what of it is left to the reactor.

use crate::delivery::Rest;
use crate::kept::{COPIED, Kept, Owner, Tally};
use margrave_sys::net;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Most parts of what goes out in one system call.
const PARTS: usize = 3;

/// Gives an owner to bytes of the application.
pub(crate) type Keep<'d> = &'d dyn Fn() -> Owner;

/// A part of what is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Part<'d> {
    pub(crate) bytes: &'d [u8],
    /// What can be made to own the bytes, and where they begin in it.
    source: Option<(Keep<'d>, usize)>,
}

impl<'d> Part<'d> {
    pub(crate) fn of(block: &'d [u8], keep: Option<Keep<'d>>) -> Self {
        Self { bytes: block, source: keep.map(|keep| (keep, 0)) }
    }

    /// A part of it.
    pub(crate) fn cut(self, part: Range<usize>) -> Self {
        let source = self.source.map(|(keep, start)| (keep, start + part.start));
        Self { bytes: &self.bytes[part], source }
    }

    /// The part without its first bytes, as the reactor is to have it.
    pub(crate) fn rest(self, skipped: usize, tally: &Arc<Tally>) -> Rest<'d> {
        let bytes = &self.bytes[skipped..];
        match self.source {
            Some((keep, start)) if bytes.len() > COPIED => {
                let start = start + skipped;
                Rest::Kept(Kept::new(keep(), start..start + bytes.len(), tally))
            }
            _ => Rest::Bytes(bytes),
        }
    }
}

impl<'d> From<&'d [u8]> for Part<'d> {
    fn from(bytes: &'d [u8]) -> Self {
        Self::of(bytes, None)
    }
}

/// No bytes.
pub(crate) const NOTHING: Part<'static> = Part { bytes: &[], source: None };

/// Sends what the socket takes of them; says how many bytes that was. Our side of the connection `closes` with them.
///
/// # Errors
/// As [`net::send`].
pub(crate) fn send_now(connection: BorrowedFd<'_>, parts: &[Part<'_>], closes: bool) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); PARTS];
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part.bytes);
    }
    match &slices[..parts.len()] {
        all if closes => net::send_last(connection, all),
        [one] => net::send(connection, one),
        several => net::send_vectored(connection, several),
    }
}
