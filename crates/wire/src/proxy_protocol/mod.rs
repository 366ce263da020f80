//! The PROXY protocol, versions 1 and 2: what a balancer says of a connection's client, before the connection's own bytes.
//!
//! Whoever may connect can claim any address by it, so that it is to be believed of known balancers only.

use core::net::SocketAddr;

mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{encode_v1, encode_v2};

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The balancer's own (LOCAL), or one of which it knows nothing (UNKNOWN): the connection's addresses hold.
    Connection,
    /// A client that came by TCP. Both addresses are of one family.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// A client that came by a UNIX socket.
    Unix,
}

/// What a connection began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The header is not complete: call again with more input.
    Incomplete,
    /// The connection begins with something else.
    Absent,
    /// A header.
    Complete {
        /// Bytes of input that it took.
        used: usize,
        /// What it says.
        source: Source,
    },
}
