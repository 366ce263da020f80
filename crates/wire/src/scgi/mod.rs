//! SCGI 1: a netstring of variables, then the body, as nginx's `scgi_pass` sends them.
//!
//! The head is `length ":" strings ","`, where the strings, each ended by NUL, are names and values in turn. The first
//! name is `CONTENT_LENGTH`, one is `SCGI` with the value `1`. The answer is that of a CGI script
//! ([`crate::Protocol::Cgi`]), and the end of the connection ends it.

mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::encode;
