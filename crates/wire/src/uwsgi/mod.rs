//! The uwsgi protocol: packets of variables, as nginx's `uwsgi_pass` sends them.
//!
//! A packet is four bytes (modifier1, datasize as little-endian 16 bits, modifier2) and datasize bytes of pairs:
//! length and name, length and value. The body follows, by `CONTENT_LENGTH`. Served: 0 (WSGI), 30 (the same with
//! `SCRIPT_NAME`) and 100 (ping).

mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use decode::{Decoded, decode};
pub use encode::{PONG, encode};
