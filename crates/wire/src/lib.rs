//! Pure codecs: HTTP/1.1 (RFC 9112), uwsgi, SCGI, FastCGI, PROXY; the request value that every protocol
//! ends in; body framing.
//!
//! Bytes in, events out: no I/O, no clock, no `unsafe`. Limits are arguments.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod answer;
pub mod body;
pub mod error;
pub mod fastcgi;
pub mod forwarded;
pub mod http1;
mod known;
pub mod limits;
pub mod peer;
pub mod proxy_protocol;
pub mod request;
pub mod response;
mod same;
pub mod scgi;
pub mod uwsgi;
mod variables;

pub use body::{BodyDecoder, BodyStep};
pub use error::{Fault, WireError};
pub use limits::Limits;
pub use peer::Peer;
pub use request::{BodyLength, Decoded, Known, Name, Request, Version};
pub use response::{ArrayBuf, Chunk, Finish, Protocol, ResponseEncoder, ResponseError, encode_refusal};
pub use same::is_same;

#[cfg(test)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod fuzz_smoke {
    //! The fuzz targets' checks, briefly.
    use crate::smoke::run;

    #[test]
    fn http1_head_holds() {
        run("http1_head", crate::http1::fuzz::check);
    }

    #[test]
    fn answer_holds() {
        run("answer", crate::answer::fuzz::check);
    }

    #[test]
    fn body_holds() {
        run("body", crate::body::fuzz::check);
    }

    #[test]
    fn uwsgi_packet_holds() {
        run("uwsgi_packet", crate::uwsgi::fuzz::check);
    }

    #[test]
    fn fastcgi_records_hold() {
        run("fastcgi_records", crate::fastcgi::fuzz::check);
    }

    #[test]
    fn proxy_header_holds() {
        run("proxy_header", crate::proxy_protocol::fuzz::check);
    }

    #[test]
    fn scgi_head_holds() {
        run("scgi_head", crate::scgi::fuzz::check);
    }

    #[test]
    fn response_head_holds() {
        run("response_head", crate::response::fuzz::check);
    }
}
