//! HTTP/1.0 and 1.1 (RFC 9110, RFC 9112): request heads in, error answers out, and a client's request heads.
//!
//! Strict where leniency lets one request hide in another. Bodies are framed by [`crate::body`], answers of
//! applications by [`crate::response`].

mod decode;
mod encode;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub(crate) mod scan;
mod target;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{CONTINUE, encode_error, encode_request, path_info_and_query, reason};
pub use fields::{asks_for_head, largest_field};
pub(crate) use fields::{content_length, without_zeros};
pub use scan::is_token;
