//! Where a request's body ends (RFC 9112, 6 and 7.1): by length or in chunks.
//!
//! Works in place: it says which bytes of the input are body and copies none. Trailers are checked,
//! bounded and dropped; they never become meta-variables.

use crate::http1::scan;
use crate::limits::LARGEST_BODY;
use crate::{BodyLength, Fault, Limits, WireError};
use core::ops::Range;

/// Hexadecimal digits of a chunk size: what 64 bits hold. More are refused even when they are zeros.
const SIZE_DIGITS: u8 = 16;

/// Finds the body in the bytes after a head. It consumes everything it is given until the body is done.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Body bytes announced so far, against `body_limit`.
    announced: u64,
    body_limit: Option<u64>,
    line_limit: usize,
    trailer_limit: usize,
    /// Bytes of the current size line, or of all trailers.
    line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are left, and they are all.
    Length(u64),
    /// Digits of a chunk size.
    Size {
        size: u64,
        digits: u8,
    },
    /// Spaces after a chunk size: a semicolon must follow.
    SizeSpace {
        size: u64,
    },
    /// After the semicolon of a size line.
    Extension {
        size: u64,
    },
    /// CR of a size line seen.
    SizeEnd {
        size: u64,
    },
    /// So many bytes of the chunk are left.
    Data(u64),
    /// The chunk's data are complete.
    DataCr,
    DataLf,
    /// At the start of a line after the last chunk.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    /// CR of the empty line seen.
    LastLf,
    Done,
    Failed(Fault),
}

/// What one call found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BodyStep {
    /// Bytes of input consumed, framing included.
    pub used: usize,
    /// Body bytes within the input; may be empty.
    pub data: Range<usize>,
    /// The body is complete.
    pub done: bool,
}

impl BodyDecoder {
    /// A decoder for a body of `length`.
    #[must_use]
    pub fn new(length: BodyLength, limits: &Limits) -> Self {
        Self {
            state: match length {
                BodyLength::None | BodyLength::Known(0) => State::Done,
                BodyLength::Known(length) => State::Length(length),
                BodyLength::Chunked => State::Size { size: 0, digits: 0 },
            },
            announced: 0,
            body_limit: limits.body,
            line_limit: limits.chunk_line,
            trailer_limit: limits.trailers,
            line: 0,
        }
    }

    /// Decodes up to the end of one piece of body; call again until nothing is used or the body is done.
    ///
    /// # Errors
    /// When the framing is malformed or passes a limit. The connection cannot be used any longer.
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, WireError> {
        let mut at = 0;
        loop {
            match self.state {
                State::Length(left) | State::Data(left) if at < input.len() => {
                    return Ok(self.data(input, at, left));
                }
                State::Failed(fault) => return Err(WireError::new(fault, at)),
                State::Done => break,
                _ => {}
            }
            let Some(&byte) = input.get(at) else { break };
            match self.framing(byte) {
                Ok(next) => self.state = next,
                Err(fault) => {
                    self.state = State::Failed(fault);
                    return Err(WireError::new(fault, at));
                }
            }
            at += 1;
        }
        Ok(BodyStep { used: at, data: at..at, done: self.is_done() })
    }

    /// Bytes of body still to come; `None` where only the last chunk will tell.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// The body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn data(&mut self, input: &[u8], at: usize, left: u64) -> BodyStep {
        let available = input.len() - at;
        let take = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left - take as u64;
        self.state = match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::DataCr,
            (_, left) => State::Data(left),
        };
        BodyStep { used: at + take, data: at..at + take, done: self.is_done() }
    }

    /// The state after one byte of framing.
    fn framing(&mut self, byte: u8) -> Result<State, Fault> {
        match self.state {
            State::Size { .. }
            | State::SizeSpace { .. }
            | State::Extension { .. }
            | State::SizeEnd { .. } => self.size_line(byte),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                self.line = 0;
                Ok(State::Size { size: 0, digits: 0 })
            }
            State::DataCr | State::DataLf => Err(Fault::Chunk),
            _ => self.trailers(byte),
        }
    }

    /// `chunk-size [ BWS ";" extensions ] CRLF`. The space before a semicolon is skipped, as RFC 9110, 5.6.3 has it;
    /// before the line's end, where it stands in no grammar, it is refused.
    fn size_line(&mut self, byte: u8) -> Result<State, Fault> {
        self.line += 1;
        if self.line > self.line_limit {
            return Err(Fault::ChunkLineTooLong);
        }
        match self.state {
            State::Size { size, digits } => match (char::from(byte).to_digit(16), byte) {
                (Some(_), _) if digits == SIZE_DIGITS => Err(Fault::Chunk),
                (Some(digit), _) => {
                    Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
                }
                (None, b';') if digits > 0 => Ok(State::Extension { size }),
                (None, b' ' | b'\t') if digits > 0 => Ok(State::SizeSpace { size }),
                (None, b'\r') if digits > 0 => Ok(State::SizeEnd { size }),
                _ => Err(Fault::Chunk),
            },
            State::SizeSpace { size } if byte == b';' => Ok(State::Extension { size }),
            State::SizeSpace { .. } if matches!(byte, b' ' | b'\t') => Ok(self.state),
            State::Extension { size } if byte == b'\r' => Ok(State::SizeEnd { size }),
            State::Extension { size } if scan::is_value(byte) => Ok(State::Extension { size }),
            State::SizeEnd { size } if byte == b'\n' => self.chunk(size),
            _ => Err(Fault::Chunk),
        }
    }

    fn chunk(&mut self, size: u64) -> Result<State, Fault> {
        self.line = 0;
        if size == 0 {
            return Ok(State::TrailerStart);
        }
        self.announced = self.announced.checked_add(size).ok_or(Fault::BodyTooLarge)?;
        if self.announced > self.body_limit.unwrap_or(LARGEST_BODY).min(LARGEST_BODY) {
            return Err(Fault::BodyTooLarge);
        }
        Ok(State::Data(size))
    }

    fn trailers(&mut self, byte: u8) -> Result<State, Fault> {
        self.line += 1;
        if self.line > self.trailer_limit.saturating_add(2) {
            return Err(Fault::TrailersTooLarge);
        }
        match self.state {
            State::TrailerStart if byte == b'\r' => Ok(State::LastLf),
            State::TrailerStart | State::TrailerName if scan::is_token_byte(byte) => Ok(State::TrailerName),
            State::TrailerName if byte == b':' => Ok(State::TrailerValue),
            State::TrailerValue if byte == b'\r' => Ok(State::TrailerEnd),
            State::TrailerValue if scan::is_value(byte) => Ok(State::TrailerValue),
            State::TrailerEnd if byte == b'\n' => Ok(State::TrailerStart),
            State::LastLf if byte == b'\n' => Ok(State::Done),
            _ => Err(Fault::Trailer),
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;
