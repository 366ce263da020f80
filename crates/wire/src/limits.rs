//! Bounds on what a decoder accepts; each has a name, a default and a status.

use crate::Fault;

/// No body is longer, whatever the limits: no file could hold it, and a length that is larger is no honest one (413).
pub(crate) const LARGEST_BODY: u64 = i64::MAX as u64;

/// Bounds on one request. Every one has the status with which a larger request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head, from the request line to the empty line, of a uwsgi packet, an SCGI
    /// netstring or a FastCGI parameter stream (431).
    pub head: usize,
    /// Fields in a head (431).
    pub fields: usize,
    /// Bytes of one field, name and value together (431).
    pub field: usize,
    /// Variables in a front server's request (431).
    pub variables: usize,
    /// Bytes of a request target (414).
    pub target: usize,
    /// Bytes of a body; `None` = no bound (413).
    pub body: Option<u64>,
    /// Bytes of a line that begins a chunk: size and extensions (400).
    pub chunk_line: usize,
    /// Bytes of all trailers of one body together (431).
    pub trailers: usize,
}

impl Limits {
    /// Whether a head of so many bytes is taken; where its size is told before it comes, it is refused by that.
    pub(crate) fn check_head(&self, size: usize) -> Result<(), Fault> {
        if size > self.head { Err(Fault::HeadTooLarge) } else { Ok(()) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            fields: 256,
            field: 64 * 1024,
            variables: 16 * 1024,
            target: 32 * 1024,
            body: None,
            chunk_line: 4096,
            trailers: 16 * 1024,
        }
    }
}
