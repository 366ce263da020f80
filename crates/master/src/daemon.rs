//! `daemonize`: the command that the operator typed ends when the instance serves, or says why it does not.

use crate::error::StartError;
use margrave_sys::fork::Forked;
use margrave_sys::process;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// What a daemon owes the command that started it: word that it serves, or why it never will.
#[derive(Debug)]
pub struct Promise {
    pipe: Option<OwnedFd>,
    open: bool,
}

/// What stands in the pipe when the daemon serves; anything else is the reason why it does not.
const KEPT: &str = "\0serving";

impl Promise {
    /// Nobody waits; what happens is in the log.
    #[must_use]
    pub fn to_nobody() -> Self {
        Self { pipe: None, open: true }
    }

    /// Whether the instance has neither served nor failed yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The instance serves.
    pub fn kept(&mut self) {
        self.settle(KEPT);
    }

    /// The instance will never serve.
    pub fn broken(&mut self, reason: &str) {
        if self.open {
            self.settle(reason);
        }
    }

    fn settle(&mut self, text: &str) {
        self.open = false;
        if let Some(pipe) = self.pipe.take() {
            // A command that was interrupted no longer waits.
            let _ = File::from(pipe).write_all(text.as_bytes());
        }
    }
}

/// Which process goes on after [`detach`].
#[derive(Debug)]
pub enum Detached {
    /// The daemon.
    Daemon(Promise),
    /// The command that waited: how the start went.
    Command(Result<(), String>),
}

/// Splits off a daemon; the command waits for its word.
///
/// # Errors
/// When the system is out of processes or descriptors.
pub fn detach() -> Result<Detached, StartError> {
    let (read, write) = process::pipe().map_err(StartError::system("make a pipe"))?;
    match process::daemonize().map_err(StartError::system("start a daemon"))? {
        Forked::Child => Ok(Detached::Daemon(Promise { pipe: Some(write), open: true })),
        Forked::Parent(_) => {
            drop(write);
            let mut text = String::new();
            let read = File::from(read).read_to_string(&mut text);
            Ok(Detached::Command(match (read, text.as_str()) {
                (Ok(_), KEPT) => Ok(()),
                (_, "") => Err("the daemon ended before it served; its log says why".to_owned()),
                (_, reason) => Err(reason.to_owned()),
            }))
        }
    }
}
