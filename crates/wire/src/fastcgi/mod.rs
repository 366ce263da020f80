//! FastCGI 1.0 as a responder, as nginx's `fastcgi_pass` and Apache's mod_proxy_fcgi speak it.
//!
//! A connection is a row of records, each of eight bytes of header, content and padding. A request is BEGIN_REQUEST, the
//! stream of PARAMS, which an empty record ends, and the stream of STDIN, likewise. The answer is a CGI script's
//! ([`crate::Protocol::Cgi`]) in a stream of STDOUT, and END_REQUEST.
//!
//! One request at a time: BEGIN_REQUEST within another request is answered with CANT_MPX_CONN, behind it with an answer
//! in turn. Authorizers and filters are not served.

mod answer;
mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod pairs;
mod record;
#[cfg(test)]
mod tests;

pub use answer::{AnswerDecoder, AnswerPart, AnswerStep};
pub use decode::{Body, Capacity, Decoder, Head};
pub use encode::{encode_begin, encode_end, encode_param, encode_stream, encode_stream_end};
pub use record::{CONTENT_MAX, Kind, ProtocolStatus, RESPONDER, frame};
