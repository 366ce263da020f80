//! Replacing the running executable: a new master is started beside this one, on the same sockets. When it serves, this
//! one lets go of what has a name, passes its connections on and ends; when it fails, nothing has happened.
//!
//! The two speak over one packet socket, JSON a packet, so that another version can follow.

use crate::error::StartError;
use crate::listeners::{Heirloom, Listeners, Socket};
use margrave_sys::channel::Channel;
use margrave_sys::child::take_inherited;
use margrave_sys::process::{self, Program};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// Names the descriptor of the packet socket to the new master; not for our other children.
pub const VARIABLE: &str = "MARGRAVE_UPGRADE";

/// Longest packet.
const MAX_PACKET: usize = 256 * 1024;

/// What the two masters say to each other.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// The old one's first: its sockets, whose descriptors come along.
    Sockets(Vec<Heirloom>),
    /// The new one serves. Descriptor: where it adopts connections.
    Serving,
    /// The old one has let go of pidfiles, FIFOs and addresses.
    Yours,
}

fn say(channel: &Channel, word: &Word, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    channel.send(&serde_json::to_vec(word).map_err(io::Error::other)?, descriptors)
}

/// The next word; `None` when the other one has gone.
fn hear(channel: &Channel) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
    let mut packet = vec![0; MAX_PACKET];
    let Some((length, descriptors)) = channel.recv(&mut packet)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(&packet[..length]).map_err(io::Error::other)?, descriptors)))
}

/// Whether this master was started to replace another one.
#[must_use]
pub fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The new master, as the old one sees it.
#[derive(Debug)]
pub struct Successor {
    /// Its process id.
    pub pid: i32,
    channel: Channel,
    /// Where it adopts connections, once it serves.
    pub adoption: Option<Channel>,
}

impl Successor {
    /// Starts the executable that is at `path` now, with our arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(path: &Path, listeners: &Listeners) -> Result<Self, StartError> {
        let (channel, theirs) = Channel::pair().map_err(StartError::system("make a socket pair"))?;
        channel.set_nonblocking().map_err(StartError::system("set up a socket pair"))?;
        let heirlooms = listeners.heirlooms();
        let descriptors: Vec<BorrowedFd<'_>> =
            heirlooms.iter().map(|(_, socket)| socket.fd.as_fd()).collect();
        let described = heirlooms.iter().map(|(heirloom, _)| heirloom.clone()).collect();
        say(&channel, &Word::Sockets(described), &descriptors)
            .map_err(StartError::system("describe the sockets"))?;
        let number = OsString::from(theirs.as_fd().as_raw_fd().to_string());
        let program = Program {
            path,
            arguments: std::env::args_os().skip(1).collect(),
            environment: process::environment_with(&[], &[(VARIABLE.into(), number)]),
            directory: None,
            inherited: vec![theirs.as_fd()],
            output: None,
            traits: process::Traits::default(),
        };
        let started = process::spawn(&program);
        let pid = started.map_err(StartError::system("start the new executable"))?;
        Ok(Self { pid, channel, adoption: None })
    }

    /// Whether it has said just now that it serves.
    pub fn has_begun(&mut self) -> bool {
        while let Ok(Some((word, descriptors))) = hear(&self.channel) {
            if matches!(word, Word::Serving) {
                self.adoption = descriptors.into_iter().next().map(Channel::from);
                return true;
            }
        }
        false
    }

    /// Tells it that what has a name is its own now.
    pub fn yield_names(&self) {
        // One that has died meanwhile needs no telling.
        let _ = say(&self.channel, &Word::Yours, &[]);
    }
}

impl AsFd for Successor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// The old master, as the new one sees it.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    /// Keeps what was inherited open until the configuration has chosen from it.
    sockets: Vec<Rc<Socket>>,
}

impl Predecessor {
    /// Takes the sockets of the master that started this one to replace it; `None` when nobody did.
    ///
    /// # Errors
    /// When what it left is not usable.
    pub fn find(listeners: &mut Listeners) -> Result<Option<Self>, StartError> {
        let Some(number) = std::env::var(VARIABLE).ok() else { return Ok(None) };
        let taken = || -> io::Result<(Channel, Vec<Heirloom>, Vec<OwnedFd>)> {
            let number = number.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
            let channel = Channel::from(take_inherited(number)?);
            match hear(&channel)? {
                Some((Word::Sockets(heirlooms), descriptors)) if heirlooms.len() == descriptors.len() => {
                    Ok((channel, heirlooms, descriptors))
                }
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        let (channel, heirlooms, descriptors) =
            taken().map_err(StartError::system("take over from the running master"))?;
        channel.set_nonblocking().map_err(StartError::system("set up a socket pair"))?;
        let sockets = heirlooms
            .into_iter()
            .zip(descriptors)
            .map(|(heirloom, fd)| listeners.inherit(heirloom, fd))
            .collect();
        Ok(Some(Self { channel, sockets }))
    }

    /// Tells the old master that this one serves, and where it takes connections over.
    pub fn announce(&mut self, adoption: &Channel) {
        self.sockets.clear();
        // Should it have gone, its end of the channel says so.
        let _ = say(&self.channel, &Word::Serving, &[adoption.as_fd()]);
    }

    /// Whether the names are ours now: it has said so, or has gone.
    #[must_use]
    pub fn has_yielded(&self) -> bool {
        match hear(&self.channel) {
            Ok(Some((word, _))) => matches!(word, Word::Yours),
            Ok(None) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl AsFd for Predecessor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
