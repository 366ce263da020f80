//! Answers as a client reads them: the head and what ends the body.
//!
//! Two forms of head: HTTP's (RFC 9112, 4), which HTTP and uwsgi servers send, and a CGI script's (RFC 3875, 6.2), which
//! SCGI and FastCGI servers send. The first bytes tell them apart. Interim answers (1xx) are heads like any other. The
//! body's bytes are [`crate::BodyDecoder`]'s, with the length that [`Head::body`] gives.

mod decode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use decode::decode;

use crate::http1::{content_length, scan};
use alloc::vec::Vec;

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which form it has.
    pub form: Form,
    /// The status.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Vec<u8>,
    /// Names and values, as they came; a script's `Status` is not among them.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of input that the head took.
    pub used: usize,
}

/// The form of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `HTTP/1.` and this digit, status and reason in the first line.
    Http {
        /// The minor version.
        minor: u8,
    },
    /// Fields alone; the status is one of them, or 200.
    Script,
}

/// What ends the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// The last chunk.
    Chunked,
    /// The end of the connection, or of the stream that carries the answer.
    Close,
}

/// Why bytes are no answer. The server is at fault, or speaks another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The first line is neither a status line nor a field.
    #[error("the answer begins with neither an HTTP status line nor a CGI field")]
    NoAnswer,
    /// A line that is no field.
    #[error("line {line} of the answer's head is no field")]
    Field {
        /// Counted from 1.
        line: usize,
    },
    /// The status is not three digits.
    #[error("the answer's status is not three digits")]
    Status,
    /// Longer than the bound given.
    #[error("the answer's head is longer than {0} bytes")]
    TooLong(usize),
    /// Lengths that contradict each other, or are none.
    #[error("the answer says in contradicting ways how long it is")]
    Length,
}

impl Head {
    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields_named(name).next()
    }

    /// Every field of this name.
    pub fn fields_named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |(found, _): &&(Vec<u8>, Vec<u8>)| found.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(same).map(|(_, value)| &value[..])
    }

    /// What ends the body of this answer to a request with `method` (RFC 9112, 6.3).
    ///
    /// # Errors
    /// When the fields contradict each other.
    pub fn body(&self, method: &[u8]) -> Result<Body, AnswerError> {
        if method == b"HEAD" || matches!(self.status, 100..200 | 204 | 304) {
            return Ok(Body::None);
        }
        let is_http11 = matches!(self.form, Form::Http { minor } if minor > 0);
        let mut coding = self.fields_named("Transfer-Encoding").peekable();
        if is_http11 && coding.peek().is_some() {
            let chunked =
                coding.all(|value| value.eq_ignore_ascii_case(b"chunked")) && self.length()?.is_none();
            return if chunked { Ok(Body::Chunked) } else { Err(AnswerError::Length) };
        }
        Ok(self.length()?.map_or(Body::Close, Body::Length))
    }

    fn length(&self) -> Result<Option<u64>, AnswerError> {
        let mut found = None;
        for value in self.fields_named("Content-Length") {
            let length = content_length(scan::trim(value)).map_err(|_| AnswerError::Length)?;
            if found.replace(length).is_some_and(|other| other != length) {
                return Err(AnswerError::Length);
            }
        }
        Ok(found)
    }
}
