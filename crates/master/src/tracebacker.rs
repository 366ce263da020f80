//! `py-tracebacker`: a UNIX socket for each worker; who connects gets the stacks of its threads.

use crate::error::StartError;
use crate::event::Source;
use margrave_config::Settings;
use margrave_sys::poller::Poller;
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::{fs, os::unix::fs::PermissionsExt};

/// The sockets, by worker number from 1.
#[derive(Debug, Default)]
pub struct Tracebacker {
    sockets: Vec<(PathBuf, UnixListener)>,
}

impl Tracebacker {
    /// Binds and watches a socket for each worker.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn open(settings: &Settings, poller: &Poller) -> Result<Self, StartError> {
        let mut made = Self::default();
        let Some(prefix) = &settings.reload.tracebacker else { return Ok(made) };
        let prefix = std::path::absolute(prefix).unwrap_or_else(|_| prefix.clone());
        for worker in 1..=settings.process.workers {
            let mut path = prefix.clone().into_os_string();
            path.push(worker.to_string());
            let path = PathBuf::from(path);
            let listener = bind(&path, worker, poller).map_err(|error| StartError::Unwritable {
                option: "py-tracebacker",
                path: path.clone(),
                error,
            })?;
            made.sockets.push((path, listener));
        }
        Ok(made)
    }

    /// The next client of a worker's socket.
    #[must_use]
    pub fn accept(&self, worker: u32) -> Option<UnixStream> {
        let index = usize::try_from(worker).ok()?.checked_sub(1)?;
        self.sockets.get(index).and_then(|(_, listener)| listener.accept().ok()).map(|(client, _)| client)
    }
}

fn bind(path: &PathBuf, worker: u16, poller: &Poller) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    poller.add_readable(&listener, Source::Tracebacker(worker.into()).token())?;
    Ok(listener)
}

/// Gives a client its answer and the end of the connection. What its socket does not take at once is lost to it: nobody
/// here waits for a client, and the answer is small.
pub fn answer(mut client: UnixStream, text: &str) {
    let _ = client.set_nonblocking(true).and_then(|()| client.write_all(text.as_bytes()));
}

impl Drop for Tracebacker {
    fn drop(&mut self) {
        for (path, _) in &self.sockets {
            // Its directory may not be ours any more.
            let _ = fs::remove_file(path);
        }
    }
}
