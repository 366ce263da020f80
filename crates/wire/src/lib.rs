//! Pure codecs: HTTP/1.1 (RFC 9112) and uwsgi; the request value every protocol ends in; body framing.
//!
//! Bytes in, events out: no I/O, no clock, no `unsafe`. Limits are arguments.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod error;
pub mod http1;
mod known;
pub mod limits;
pub mod peer;
pub mod request;
pub mod response;
pub mod uwsgi;

pub use body::{BodyDecoder, BodyStep};
pub use error::{Fault, WireError};
pub use limits::Limits;
pub use peer::Peer;
pub use request::{BodyLength, Decoded, Known, Name, Request, Version};
pub use response::{ArrayBuf, Chunk, Finish, Protocol, ResponseEncoder, ResponseError};
