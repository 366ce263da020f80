//! Encodes heads and frames bodies.

use super::{ArrayBuf, Chunk, Finish, Protocol, ResponseError};
use crate::http1::{content_length, is_token, reason, scan};
use crate::request::{Known, Request, Version};
use crate::same::is_same_token;
use alloc::vec::Vec;

/// Encodes one answer.
#[derive(Clone, Debug)]
pub struct ResponseEncoder {
    protocol: Protocol,
    version: Version,
    /// The request was HEAD.
    is_head: bool,
    /// The client would keep the connection.
    client_keeps: bool,
    framing: Framing,
    keep_alive: bool,
    aborted: bool,
    status: u16,
    head_len: usize,
    fields: usize,
    sent: u64,
    excess: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No head yet.
    Unstarted,
    /// The answer has no body, whatever the head says.
    Bodyless,
    /// So many bytes are left.
    Length(u64),
    Chunked,
    /// The end of the connection ends the body.
    Close,
}

/// What the fields said that the framing depends on.
#[derive(Default)]
struct Seen {
    count: usize,
    length: Option<u64>,
    date: bool,
    close: bool,
}

impl ResponseEncoder {
    /// An encoder for the answer to `request`.
    #[must_use]
    pub fn new(protocol: Protocol, request: &Request) -> Self {
        Self {
            protocol,
            version: request.version,
            is_head: request.var(Known::RequestMethod) == Some(b"HEAD"),
            client_keeps: request.keep_alive && protocol == Protocol::Http,
            framing: Framing::Unstarted,
            keep_alive: false,
            aborted: false,
            status: 0,
            head_len: 0,
            fields: 0,
            sent: 0,
            excess: 0,
        }
    }

    /// Encodes the head, at the end of `out`. May be called again as long as nothing has been sent.
    ///
    /// `known` is the length of the body when all of it is there; `date` the value of Date, used when the application
    /// gives none (empty = none); `close` forces the connection to end with this answer. `Connection` and the other
    /// fields that are for one connection only are the server's: of the application's, `close` is honoured.
    ///
    /// # Errors
    /// When the application's status or fields cannot be sent; `out` is then as it was.
    pub fn head<'a>(
        &mut self,
        status: &[u8],
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        known: Option<u64>,
        date: &[u8],
        close: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ResponseError> {
        if self.sent > 0 || self.aborted {
            return Err(ResponseError::Started);
        }
        let start = out.len();
        let encoded = self.status_line(status, out).and_then(|status| {
            self.status = status;
            self.encode_fields(fields, out)
        });
        let mut seen = match encoded {
            Ok(seen) => seen,
            Err(error) => {
                out.truncate(start);
                self.framing = Framing::Unstarted;
                self.status = 0;
                return Err(error);
            }
        };
        seen.close |= close;
        self.frame(seen, known, date, out);
        out.extend_from_slice(b"\r\n");
        self.head_len = out.len() - start;
        Ok(())
    }

    /// Framing around `len` bytes of body.
    pub fn chunk(&mut self, len: u64) -> Chunk {
        let chunk = match &mut self.framing {
            Framing::Length(left) => {
                let take = len.min(*left);
                *left -= take;
                Chunk { take, ..Chunk::default() }
            }
            Framing::Chunked if len > 0 => {
                Chunk { prefix: ArrayBuf::chunk_size(len), take: len, suffix: b"\r\n" }
            }
            Framing::Close => Chunk { take: len, ..Chunk::default() },
            Framing::Unstarted | Framing::Bodyless | Framing::Chunked => Chunk::default(),
        };
        self.sent += chunk.take;
        self.excess += len - chunk.take;
        chunk
    }

    /// Ends the body.
    pub fn finish(&mut self) -> Finish {
        if self.aborted {
            return Finish::default();
        }
        let short = matches!(self.framing, Framing::Length(left) if left > 0);
        Finish {
            tail: if self.framing == Framing::Chunked { b"0\r\n\r\n" } else { b"" },
            keep_alive: self.keep_alive && !short,
            short,
        }
    }

    /// The body cannot be completed: [`finish`](Self::finish) will not end it in a valid way, and the connection must
    /// close, so that nobody takes the part for the whole.
    pub fn abort(&mut self) {
        self.aborted = true;
        self.keep_alive = false;
    }

    /// The connection may carry another request, as far as is known before the body's end.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }
    /// The whole body of the announced length has been given.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.framing == Framing::Length(0)
    }
    /// The answer has no body: nothing that the application yields is sent.
    #[must_use]
    pub fn is_bodyless(&self) -> bool {
        self.framing == Framing::Bodyless
    }
    /// Only the end of the connection ends the body, so that a cut body looks like a whole one.
    #[must_use]
    pub fn ends_by_close(&self) -> bool {
        self.framing == Framing::Close
    }
    /// Bytes of the head.
    #[must_use]
    pub fn head_len(&self) -> usize {
        self.head_len
    }
    /// Fields in the head.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.fields
    }
    /// Bytes of body given out, without framing.
    #[must_use]
    pub fn body_sent(&self) -> u64 {
        self.sent
    }
    /// Bytes of body dropped, because the head had promised fewer or none.
    #[must_use]
    pub fn body_excess(&self) -> u64 {
        self.excess
    }
    /// The status; 0 before the head.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    fn status_line(&self, status: &[u8], out: &mut Vec<u8>) -> Result<u16, ResponseError> {
        let (digits, rest) = status.split_first_chunk::<3>().ok_or(ResponseError::Status)?;
        if !digits.iter().all(u8::is_ascii_digit) || is_interim(*digits) {
            return Err(ResponseError::Status);
        }
        let number = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        let text = match rest {
            [] | [b' '] => reason(number).as_bytes(),
            [b' ', text @ ..] if scan::value_len(text) == text.len() => text,
            _ => return Err(ResponseError::Status),
        };
        out.extend_from_slice(match (self.protocol, self.version) {
            (Protocol::Cgi, _) => b"Status: ",
            (_, Version::Http10) => b"HTTP/1.0 ",
            (_, Version::Http11) => b"HTTP/1.1 ",
        });
        out.extend_from_slice(digits);
        out.push(b' ');
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        Ok(number)
    }

    fn encode_fields<'a>(
        &self,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<Seen, ResponseError> {
        let mut seen = Seen::default();
        for (index, (name, value)) in fields.enumerate() {
            if !is_token(name) {
                return Err(ResponseError::FieldName { index });
            }
            if scan::value_len(value) != value.len() {
                return Err(ResponseError::FieldValue { index });
            }
            if self.keep(index, name, value, &mut seen)? {
                push_field(name, value, out);
                seen.count += 1;
            }
        }
        Ok(seen)
    }

    /// Looks at the fields that concern the server; says whether this one is passed on. `name` is a token.
    fn keep(&self, index: usize, name: &[u8], value: &[u8], seen: &mut Seen) -> Result<bool, ResponseError> {
        let is = |known: &str| is_same_token(known.as_bytes(), name);
        Ok(match name.len() {
            4 if is("date") => {
                seen.date = true;
                true
            }
            10 if is("connection") => {
                let mut options = value.split(|&byte| byte == b',').map(scan::trim);
                seen.close |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
                false
            }
            14 if is("content-length") => {
                let length = content_length(scan::trim(value)).map_err(|_| ResponseError::ContentLength)?;
                match seen.length.replace(length) {
                    Some(other) if other != length => return Err(ResponseError::ContentLength),
                    Some(_) => false,
                    None => self.may_have_length(),
                }
            }
            17 if is("transfer-encoding") => return Err(ResponseError::TransferEncoding { index }),
            2 if is("te") => false,
            // The status is in the head already, and there it is a field.
            6 if is("status") => self.protocol != Protocol::Cgi,
            7 if is("trailer") => false,
            7 if is("upgrade") => matches!(self.status, 101 | 426),
            10 if is("keep-alive") => false,
            16 if is("proxy-connection") => false,
            _ => true,
        })
    }

    /// RFC 9110, 8.6: none with 1xx and 204. 205 gets its own, zero.
    fn may_have_length(&self) -> bool {
        !matches!(self.status, 100..200 | 204 | 205)
    }

    /// Chooses the framing and encodes the fields that the server adds.
    fn frame(&mut self, seen: Seen, known: Option<u64>, date: &[u8], out: &mut Vec<u8>) {
        self.fields = seen.count;
        let bodyless = self.is_head || matches!(self.status, 100..200 | 204 | 205 | 304);
        // The application's number stands even when the body has another: what is sent is cut, or known to be short.
        self.framing = match (bodyless, seen.length.or(known)) {
            (true, _) => Framing::Bodyless,
            (false, Some(length)) if seen.length.is_some() || self.protocol == Protocol::Http => {
                Framing::Length(length)
            }
            (false, _) if self.protocol == Protocol::Http && self.version == Version::Http11 => {
                Framing::Chunked
            }
            (false, _) => Framing::Close,
        };
        self.keep_alive = self.client_keeps
            && !seen.close
            && self.framing != Framing::Close
            && !matches!(self.status, 100..200);
        if self.protocol == Protocol::Http {
            self.add_fields(&seen, known, date, out);
        }
    }

    fn add_fields(&mut self, seen: &Seen, known: Option<u64>, date: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        if !seen.date && !date.is_empty() {
            push_field(b"Date", date, out);
        }
        match self.framing {
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Length(length) if seen.length.is_none() => push_length(length, out),
            Framing::Bodyless if self.status == 205 => push_length(0, out),
            // An empty body for HEAD says nothing about the length for GET.
            Framing::Bodyless if self.is_head && seen.length.is_none() && self.may_have_length() => {
                if let Some(length) = known.filter(|&length| length > 0 && self.status != 304) {
                    push_length(length, out);
                }
            }
            _ => {}
        }
        match (self.keep_alive, self.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        self.fields += memchr::memchr_iter(b'\n', &out[before..]).count();
    }
}

/// Below 200, an answer is no final one (RFC 9110, 15.2), and its client would wait for that; except 101, behind which
/// the connection is another protocol's.
fn is_interim(digits: [u8; 3]) -> bool {
    digits[0] == b'0' || digits[0] == b'1' && digits != *b"101"
}

fn push_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_length(length: u64, out: &mut Vec<u8>) {
    push_field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes(), out);
}
