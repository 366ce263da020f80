//! `py-tracebacker`: a UNIX socket for each worker; who connects gets the stacks of its threads.

use crate::error::StartError;
use crate::event::Source;
use crate::listeners::Socket;
use margrave_config::Settings;
use margrave_sys::net;
use margrave_sys::poller::Poller;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The sockets, by worker number from 1.
#[derive(Debug, Default)]
pub struct Tracebacker {
    sockets: Vec<Socket>,
}

impl Tracebacker {
    /// Binds and watches a socket for each worker.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn open(settings: &Settings, poller: &Poller) -> Result<Self, StartError> {
        let mut made = Self::default();
        let Some(prefix) = &settings.reload.tracebacker else { return Ok(made) };
        for worker in 1..=settings.process.workers {
            let mut path = prefix.clone().into_os_string();
            path.push(worker.to_string());
            let socket = Socket::private("py-tracebacker", Path::new(&path))?;
            let added = poller.add_readable(&socket.fd, Source::Tracebacker(worker.into()).token());
            added.map_err(StartError::system("watch a socket of py-tracebacker"))?;
            made.sockets.push(socket);
        }
        Ok(made)
    }

    /// The next client of a worker's socket.
    #[must_use]
    pub fn accept(&self, worker: u32) -> Option<UnixStream> {
        let index = usize::try_from(worker).ok()?.checked_sub(1)?;
        let socket = self.sockets.get(index)?;
        net::accept(&socket.fd).ok().map(|(client, _)| client.into())
    }
}

/// Gives a client its answer and the end of the connection. What its socket does not take at once is lost to it: nobody
/// here waits for a client, and the answer is small.
pub fn answer(mut client: UnixStream, text: &str) {
    let _ = client.set_nonblocking(true).and_then(|()| client.write_all(text.as_bytes()));
}
