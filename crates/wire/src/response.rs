//! One encoder for the answers of applications, over HTTP and over uwsgi.
//!
//! It decides the framing: Content-Length is computed when the body is known, chunks are used on HTTP/1.1 when it is
//! not, and a body never exceeds what its head said. Nothing that an application puts in a field can end the head.

use crate::{Known, Request, Version};
use alloc::vec::Vec;

/// Which protocol the answer goes out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1
    Http,
    /// uwsgi: the front server frames.
    Uwsgi,
}

/// What an application must not put in its answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// Not three digits, or with a control character.
    #[error("the status must be three digits, a space and a reason, such as \"200 OK\"")]
    Status,
    /// Empty or not a token.
    #[error("field {index} of the response has a name that is not a token")]
    FieldName {
        /// Position in the list, from 0.
        index: usize,
    },
    /// CR, LF or NUL.
    #[error("field {index} of the response has CR, LF or NUL in its value")]
    FieldValue {
        /// Position in the list, from 0.
        index: usize,
    },
    /// Connection fields are the server's.
    #[error("field {index} of the response is for one connection only; the server sets it")]
    HopByHop {
        /// Position in the list, from 0.
        index: usize,
    },
    /// Not a number, or a second one that differs.
    #[error("Content-Length of the response is not one number")]
    ContentLength,
    /// The head was encoded and sent already.
    #[error("the response has been started already")]
    Started,
}

/// A few bytes by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ArrayBuf {
    bytes: [u8; 20],
    len: u8,
}

impl core::ops::Deref for ArrayBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Framing of one piece of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Goes before the bytes.
    pub prefix: ArrayBuf,
    /// How many of the bytes may be sent.
    pub take: u64,
    /// Goes after the bytes.
    pub suffix: &'static [u8],
}

/// The end of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Finish {
    /// Bytes to send.
    pub tail: &'static [u8],
    /// The connection may carry another request.
    pub keep_alive: bool,
    /// Fewer bytes were sent than Content-Length said.
    pub short: bool,
}

/// Encodes one answer.
#[derive(Clone, Debug)]
pub struct ResponseEncoder {
    protocol: Protocol,
    version: Version,
    head_request: bool,
    keep_alive: bool,
    status: u16,
    head_len: usize,
    body_sent: u64,
}

impl ResponseEncoder {
    /// An encoder for the answer to `request`.
    #[must_use]
    pub fn new(protocol: Protocol, request: &Request) -> Self {
        Self {
            protocol,
            version: request.version,
            head_request: request.var(Known::RequestMethod) == Some(b"HEAD"),
            keep_alive: request.keep_alive,
            status: 0,
            head_len: 0,
            body_sent: 0,
        }
    }

    /// Encodes the head into `out`.
    ///
    /// # Errors
    /// When the application's status or fields cannot be sent; `out` is unchanged.
    pub fn head<'a>(
        &mut self,
        status: &[u8],
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        known: Option<u64>,
        date: &[u8],
        close: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ResponseError> {
        let _ =
            (status, fields.count(), known, date, close, out, self.protocol, self.version, self.head_request);
        Ok(())
    }

    /// Framing around `len` bytes of body.
    pub fn chunk(&mut self, len: u64) -> Chunk {
        self.body_sent += len;
        Chunk { take: len, ..Chunk::default() }
    }

    /// Ends the body.
    pub fn finish(&mut self) -> Finish {
        Finish { keep_alive: self.keep_alive, ..Finish::default() }
    }

    /// The body cannot be completed: the connection must close, and the end must not look valid.
    pub fn abort(&mut self) {
        self.keep_alive = false;
    }

    /// Bytes of the head.
    #[must_use]
    pub fn head_len(&self) -> usize {
        self.head_len
    }
    /// Bytes of body given out, without framing.
    #[must_use]
    pub fn body_sent(&self) -> u64 {
        self.body_sent
    }
    /// The status; 0 before the head.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }
}
