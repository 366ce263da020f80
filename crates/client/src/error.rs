//! What can go wrong with a request, and the exit code of each, which are curl's.

use margrave_sys::dial::DialError;
use margrave_wire::answer::AnswerError;
use std::io;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The arguments are the operator's to mend.
    #[error("{0}")]
    Usage(String),
    /// The request cannot be put in the protocol's form.
    #[error("the request does not fit {protocol}: {reason}")]
    Unsendable {
        /// The protocol.
        protocol: &'static str,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// The data to send cannot be read.
    #[error("cannot read the data to send from {name}: {error}")]
    Data {
        /// A file, or `standard input`.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// Nobody took the connection.
    #[error("cannot connect to {address}: {error}{}", hint(.error))]
    Connect {
        /// As given.
        address: String,
        /// Why.
        error: DialError,
    },
    /// Time is over.
    #[error("no answer from {address} within {seconds} s; see `--timeout`")]
    Timeout {
        /// As given.
        address: String,
        /// `--timeout`.
        seconds: f64,
    },
    /// Time is over in the midst of an answer.
    #[error("the answer was not complete after {seconds} s; see `--timeout`")]
    Slow {
        /// `--timeout`.
        seconds: f64,
    },
    /// The server closed without a word.
    #[error("{address} closed the connection without an answer; does it speak {protocol}?")]
    Empty {
        /// As given.
        address: String,
        /// What was spoken.
        protocol: &'static str,
    },
    /// The answer is none.
    #[error("{address} does not answer in {protocol}: {error}")]
    Foreign {
        /// As given.
        address: String,
        /// What was spoken.
        protocol: &'static str,
        /// What is wrong with the answer.
        error: Foreign,
    },
    /// The answer broke off.
    #[error("the answer broke off after {0} bytes of its body")]
    Partial(u64),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// FastCGI: the server did not serve the request.
    #[error("the server refused the request: {0}")]
    Refused(&'static str),
    /// `--fail`: the status is one of an error.
    #[error("the status is {0}")]
    Status(u16),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// The head.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Records or chunks.
    #[error(transparent)]
    Framing(#[from] margrave_wire::WireError),
    /// A ping was answered by something else.
    #[error("the answer to a ping is a packet of four bytes")]
    NoPong,
}

impl ClientError {
    /// The exit code: curl's for the same.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Unsendable { .. } => 2,
            Self::Connect { error: DialError::Resolve(_), .. } => 6,
            Self::Connect { error: DialError::Timeout, .. } | Self::Timeout { .. } | Self::Slow { .. } => 28,
            Self::Connect { .. } => 7,
            Self::Foreign { .. } | Self::Refused(_) => 8,
            Self::Partial(_) => 18,
            Self::Status(_) => 22,
            Self::Output(_) => 23,
            Self::Data { .. } => 26,
            Self::Empty { .. } => 52,
            Self::Broken(_) => 56,
        }
    }
}

fn hint(error: &DialError) -> &'static str {
    match error {
        DialError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "; nothing listens there: start the server, or correct the address"
        }
        DialError::Connect(error) if error.kind() == io::ErrorKind::NotFound => {
            "; there is no such socket: start the server, or correct the path"
        }
        DialError::Connect(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            "; the socket's mode and owner keep this user out (see `chmod-socket`)"
        }
        _ => "",
    }
}
