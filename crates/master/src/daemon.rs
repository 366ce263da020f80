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

/// What stands in the pipe when the daemon serves; else the exit code and, on the next line, the reason why it does not.
const KEPT: &str = "serving";

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
    pub fn broken(&mut self, code: i32, reason: &str) {
        if self.open {
            self.settle(&format!("{code}\n{reason}"));
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

/// Why a daemon never served.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// The exit code for the command.
    pub code: i32,
    /// One sentence.
    pub reason: String,
}

/// Which process goes on after [`detach`].
#[derive(Debug)]
pub enum Detached {
    /// The daemon.
    Daemon(Promise),
    /// The command that waited: how the start went.
    Command(Result<(), Broken>),
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
            // What came before an error, which pipes do not have, is all there is to know.
            let _ = File::from(read).read_to_string(&mut text);
            Ok(Detached::Command(outcome(&text)))
        }
    }
}

fn outcome(text: &str) -> Result<(), Broken> {
    if text == KEPT {
        return Ok(());
    }
    let told = text
        .split_once('\n')
        .and_then(|(code, reason)| Some(Broken { code: code.parse().ok()?, reason: reason.to_owned() }));
    Err(told.unwrap_or_else(|| Broken {
        code: 1,
        reason: "the daemon ended before it served; its log says why".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(act: impl FnOnce(&mut Promise)) -> Result<(), Broken> {
        let (read, write) = process::pipe().unwrap();
        let mut promise = Promise { pipe: Some(write), open: true };
        act(&mut promise);
        drop(promise);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        outcome(&text)
    }

    #[test]
    fn the_command_learns_how_the_start_went() {
        assert_eq!(told(Promise::kept), Ok(()));
        let broken = told(|promise| promise.broken(22, "no app"));
        assert_eq!(broken, Err(Broken { code: 22, reason: "no app".to_owned() }));
        assert_eq!(told(|_| {}).unwrap_err().code, 1);
    }

    #[test]
    fn what_goes_wrong_after_it_served_is_not_told() {
        let both = |promise: &mut Promise| {
            promise.kept();
            promise.broken(1, "later");
        };
        assert_eq!(told(both), Ok(()));
    }
}
