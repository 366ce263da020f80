//! Why an instance cannot be steered.

use std::io;
use std::path::PathBuf;

/// Why an instance cannot be steered. All of it is the operator's to mend, and reads as one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nothing is registered for this user.
    #[error(
        "no instance of this user runs on this machine; start one with `margrave site.ini`, or name its socket with --socket"
    )]
    NoInstance,
    /// No instance has that name.
    #[error("no instance is named `{wanted}`; {known}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// Which there are.
        known: String,
    },
    /// Several could be meant.
    #[error("several instances run: {0}; name one of them, by its name or its pid")]
    Ambiguous(String),
    /// The socket cannot be reached.
    #[error("cannot reach the instance at {}: {error}; is it running?", socket.display())]
    Unreachable {
        /// Its control socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Whoever made the socket is not to be trusted with an order.
    #[error("{} belongs to another user, so it is not spoken to; run this as that user or as root", .0.display())]
    Foreign(PathBuf),
    /// A pidfile that cannot be used.
    #[error("{0}")]
    Pidfile(String),
    /// It ended the conversation early, or said what nobody understands.
    #[error("the instance gave no answer that makes sense: {0}")]
    Garbled(String),
    /// The instance has no control socket, and there is no signal for this order.
    #[error(
        "the instance {name} (pid {pid}) has no control socket, and `{order}` needs one; give it one with `control-socket`"
    )]
    NoSocket {
        /// Its name.
        name: String,
        /// Its master.
        pid: i32,
        /// What was to be ordered.
        order: String,
    },
}

impl ControlError {
    /// The exit code of the command: 2 when it was written wrongly, else 1.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Ambiguous(_) => 2,
            Self::NoInstance
            | Self::Unknown { .. }
            | Self::Unreachable { .. }
            | Self::Foreign(_)
            | Self::Pidfile(_)
            | Self::Garbled(_)
            | Self::NoSocket { .. } => 1,
        }
    }
}
