//! `margrave request`: one request over HTTP, uwsgi, FastCGI or SCGI, its answer and, when wanted, the whole exchange.
//!
//! For people and for tests, not for applications: one connection, one request, no redirects, no TLS. The bytes are
//! made and read by `margrave-wire`; connecting is `margrave-sys`'s.

mod arguments;
mod error;
mod exchange;
mod message;
mod reading;

pub use arguments::{Call, Data, Protocol, USAGE, parse};
pub use error::ClientError;
pub use exchange::perform;
