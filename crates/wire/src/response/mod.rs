//! One encoder for the answers of applications, over HTTP, uwsgi, SCGI and FastCGI.
//!
//! It decides the framing (RFC 9112, 6): Content-Length is computed when the body is known, chunks are used on HTTP/1.1
//! when it is not, and a body never exceeds what its head said. Nothing that an application puts in a field can end the
//! head. It does not keep the body: [`ResponseEncoder::chunk`] says what goes around bytes that somebody else sends.

mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod refusal;
#[cfg(test)]
mod tests;

pub use encode::ResponseEncoder;
pub use refusal::encode_refusal;

/// Which protocol the answer goes out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1
    Http,
    /// uwsgi, and SCGI and FastCGI in their nph forms: an HTTP head, and the front server frames.
    Uwsgi,
    /// SCGI and FastCGI: the head of a CGI script (RFC 3875, 6.3), which begins with `Status`; the front server frames.
    Cgi,
}

/// What an application must not put in its answer's head. The application is at fault in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// Not three digits from 200 (or 101), or with a control character.
    #[error(
        "the status must be three digits, a space and a reason, such as \"200 OK\"; 1xx is no final answer"
    )]
    Status,
    /// Empty or not a token.
    #[error("field {index} of the response has a name that is not a token")]
    FieldName {
        /// Position in the list, from 0.
        index: usize,
    },
    /// A control character.
    #[error("field {index} of the response has a line break or another control character in its value")]
    FieldValue {
        /// Position in the list, from 0.
        index: usize,
    },
    /// The body's framing is the server's.
    #[error("field {index} of the response is Transfer-Encoding; the server chooses it, leave it out")]
    TransferEncoding {
        /// Position in the list, from 0.
        index: usize,
    },
    /// Not a number, or a second one that differs.
    #[error("Content-Length of the response is not one number")]
    ContentLength,
    /// Body bytes went out already.
    #[error("the response has been started already")]
    Started,
}

/// A few bytes by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ArrayBuf {
    bytes: [u8; 18],
    len: u8,
}

impl ArrayBuf {
    /// `length` in hexadecimal, CR LF.
    fn chunk_size(length: u64) -> Self {
        let digits = (u64::BITS - length.leading_zeros()).div_ceil(4).max(1) as usize;
        let mut bytes = [0; 18];
        for (place, byte) in bytes[..digits].iter_mut().rev().enumerate() {
            *byte = b"0123456789abcdef"[(length >> (4 * place)) as usize & 15];
        }
        bytes[digits..digits + 2].copy_from_slice(b"\r\n");
        Self { bytes, len: digits as u8 + 2 }
    }
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
    /// How many of the bytes may be sent, from the first; the others are dropped.
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
