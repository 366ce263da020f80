//! What can go wrong between the master and a Python process.

use margrave_lifecycle::message::MessageError;
use pyo3::PyErr;
use pyo3::exceptions::PyOSError;
use std::io;

/// A zygote or worker cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The control socket or a descriptor does not work.
    #[error("talking to the master: {0}")]
    Control(#[from] io::Error),
    /// The master and this extension do not understand each other.
    #[error("{0}; the margrave executable and the margrave package must be of one version")]
    Message(#[from] MessageError),
    /// The settings cannot be read.
    #[error(
        "reading the settings: {0}; the margrave executable and the margrave package must be of one version"
    )]
    Settings(#[from] serde_json::Error),
    /// The first packet is not the one that starts a zygote.
    #[error(
        "the first message of the master is not Boot with its descriptors; start `margrave`, not `margrave.zygote`"
    )]
    Boot,
    /// A method was called in the wrong order.
    #[error("{0}")]
    Order(&'static str),
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyOSError::new_err(error.to_string())
    }
}
