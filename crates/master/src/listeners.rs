//! Listening sockets: bound once, shared by all generations that want the same address, closed when the last has gone.

use crate::error::{MAX_LISTENERS, StartError};
use margrave_config::settings::{Address, ListenSettings, ListenerSettings, Protocol};
use margrave_sys::activation::Activated;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::fs;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

/// A listener of one generation: what its configuration asked for, on a socket that others may share.
#[derive(Debug)]
pub struct Bound {
    /// What the configuration asked for.
    pub settings: ListenerSettings,
    socket: Rc<Socket>,
}

/// A bound socket. Dropped with its last generation, it takes its socket file along.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub fd: OwnedFd,
    /// The address as bound.
    pub address: String,
    wanted: Address,
    file: Option<SocketFile>,
    /// Another master has it now, and sees to its file.
    given_away: Cell<bool>,
}

/// A socket as one master describes it to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heirloom {
    address: String,
    wanted: Address,
    file: Option<(PathBuf, u64)>,
}

/// A socket file that we made: its path, and the inode that proves it is still ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Deref for Bound {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Socket {
    /// A socket that the service manager has bound, and whose file is the manager's.
    fn activated(settings: &ListenerSettings, fd: OwnedFd, address: String) -> Self {
        Self { fd, address, wanted: settings.address.clone(), file: None, given_away: Cell::new(false) }
    }

    /// Binds a socket; with `vacuum` its file goes when it does.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(settings: &ListenerSettings, all: &ListenSettings, vacuum: bool) -> Result<Self, StartError> {
        let (fd, address) = margrave_sys::net::bind(settings, all)?;
        let file = match &settings.address {
            Address::Unix(path) if vacuum => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                fs::metadata(&path).ok().map(|found| SocketFile { inode: found.ino(), path })
            }
            _ => None,
        };
        Ok(Self { fd, address, wanted: settings.address.clone(), file, given_away: Cell::new(false) })
    }

    /// Binds a socket file of this program's own, for nobody but its owner; `option` names it in messages.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn private(option: &str, path: &Path) -> Result<Self, StartError> {
        let listener = ListenerSettings {
            protocol: Protocol::Http,
            address: Address::Unix(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())),
            option: option.to_owned(),
            origin: String::new(),
        };
        Self::bind(&listener, &ListenSettings { chmod: Some(0o600), ..ListenSettings::default() }, true)
    }
}

impl Bound {
    /// The address for a person: a URL where there is one.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.settings.address, self.settings.protocol) {
            (Address::Tcp { .. }, Protocol::Http) => {
                let local = self.address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
                if local == self.address {
                    format!("http://{local}")
                } else {
                    format!("http://{local} (every address of this machine)")
                }
            }
            (_, protocol) => format!("{} on {}", protocol.name(), self.address),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| !self.given_away.get())
            && fs::symlink_metadata(&file.path).is_ok_and(|found| found.ino() == file.inode)
        {
            // Its directory may not be ours any more after privileges were dropped; a dead socket file is harmless.
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// Finds or binds the sockets of a generation.
#[derive(Debug, Default)]
pub struct Listeners {
    known: Vec<Weak<Socket>>,
    /// What a service manager has bound for us.
    activated: Activated,
}

impl Listeners {
    /// With the sockets that a service manager has bound for this process. To be called once.
    #[must_use]
    pub fn activated() -> Self {
        Self { activated: Activated::from_environment(), ..Self::default() }
    }

    /// The addresses of sockets that the service manager has bound and no option names.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        self.activated.left()
    }

    /// The sockets in use, for the master that is to take over.
    #[must_use]
    pub fn heirlooms(&self) -> Vec<(Heirloom, Rc<Socket>)> {
        let sockets = self.known.iter().filter_map(Weak::upgrade);
        let describe = |socket: Rc<Socket>| {
            let file = socket.file.as_ref().map(|file| (file.path.clone(), file.inode));
            let (address, wanted) = (socket.address.clone(), socket.wanted.clone());
            (Heirloom { address, wanted, file }, socket)
        };
        sockets.map(describe).collect()
    }

    /// The files of the sockets are another master's affair from now on.
    pub fn give_away(&self) {
        self.known.iter().filter_map(Weak::upgrade).for_each(|socket| socket.given_away.set(true));
    }

    /// Takes over a socket of another master; it is used if the configuration wants its address.
    #[must_use]
    pub fn inherit(&mut self, heirloom: Heirloom, fd: OwnedFd) -> Rc<Socket> {
        let Heirloom { address, wanted, file } = heirloom;
        let file = file.map(|(path, inode)| SocketFile { path, inode });
        let socket = Rc::new(Socket { fd, address, wanted, file, given_away: Cell::new(true) });
        self.known.push(Rc::downgrade(&socket));
        socket
    }

    /// The inherited sockets are ours alone now.
    pub fn keep(&self) {
        self.known.iter().filter_map(Weak::upgrade).for_each(|socket| socket.given_away.set(false));
    }

    /// The sockets of a configuration in its order. Those that exist for the same address are shared, whatever was
    /// spoken on them before.
    ///
    /// # Errors
    /// The first address that cannot be bound; those bound before it are closed again.
    pub fn resolve(&mut self, settings: &ListenSettings, vacuum: bool) -> Result<Vec<Rc<Bound>>, StartError> {
        if settings.listeners.len() > MAX_LISTENERS {
            return Err(StartError::TooManyListeners(settings.listeners.len()));
        }
        self.known.retain(|socket| socket.strong_count() > 0);
        let mut free: Vec<Rc<Socket>> = self.known.iter().filter_map(Weak::upgrade).collect();
        let mut found = Vec::with_capacity(settings.listeners.len());
        let mut made = Vec::new();
        for wanted in &settings.listeners {
            // Each is taken once, so that two listeners on `:0` stay two.
            let socket = match free.iter().position(|socket| socket.wanted == wanted.address) {
                Some(index) => free.swap_remove(index),
                None => {
                    let socket = match self.activated.take(&wanted.address) {
                        Some((fd, address)) => Rc::new(Socket::activated(wanted, fd, address)),
                        None => Rc::new(Socket::bind(wanted, settings, vacuum)?),
                    };
                    made.push(Rc::downgrade(&socket));
                    socket
                }
            };
            found.push(Rc::new(Bound { settings: wanted.clone(), socket }));
        }
        self.known.extend(made);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn listen(addresses: Vec<Address>) -> ListenSettings {
        let listeners = addresses
            .into_iter()
            .map(|address| ListenerSettings {
                protocol: Protocol::Http,
                address,
                option: "http-socket".into(),
                origin: String::new(),
            })
            .collect();
        ListenSettings { listeners, ..ListenSettings::default() }
    }

    fn any_port() -> Address {
        Address::Tcp { host: "127.0.0.1".into(), port: 0 }
    }

    #[test]
    fn a_second_generation_gets_the_same_sockets_and_new_ones_beside_them() {
        let mut listeners = Listeners::default();
        let first = listeners.resolve(&listen(vec![any_port(), any_port()]), true).unwrap();
        assert_ne!(first[0].address, first[1].address);
        let second = listeners.resolve(&listen(vec![any_port(), any_port(), any_port()]), true).unwrap();
        let numbers = |list: &[Rc<Bound>]| {
            let mut numbers: Vec<_> = list.iter().map(|bound| bound.fd.as_raw_fd()).collect();
            numbers.sort_unstable();
            numbers
        };
        assert!(numbers(&first).iter().all(|number| numbers(&second).contains(number)));
        assert_eq!(second.len(), 3);
    }

    #[test]
    fn a_socket_is_kept_when_another_protocol_is_to_be_spoken_on_it() {
        let mut listeners = Listeners::default();
        let mut settings = listen(vec![any_port()]);
        let first = listeners.resolve(&settings, true).unwrap();
        settings.listeners[0].protocol = Protocol::Uwsgi;
        let second = listeners.resolve(&settings, true).unwrap();
        assert_eq!(first[0].fd.as_raw_fd(), second[0].fd.as_raw_fd());
        assert_eq!(second[0].settings.protocol, Protocol::Uwsgi);
    }

    #[test]
    fn a_socket_file_vanishes_with_its_last_generation_unless_it_is_no_longer_ours() {
        let root = tempfile::tempdir().unwrap();
        let (ours, taken) = (root.path().join("ours"), root.path().join("taken"));
        let mut listeners = Listeners::default();
        let settings = listen(vec![Address::Unix(ours.clone()), Address::Unix(taken.clone())]);
        let first = listeners.resolve(&settings, true).unwrap();
        let second = listeners.resolve(&settings, true).unwrap();
        drop(first);
        assert!(ours.exists());
        let _other = fs::File::create(root.path().join("other")).unwrap();
        fs::rename(root.path().join("other"), &taken).unwrap();
        drop(second);
        assert!(!ours.exists());
        assert!(taken.exists());
    }

    #[test]
    fn when_one_address_fails_the_others_are_closed_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        let settings =
            listen(vec![Address::Unix(path.clone()), Address::Unix(root.path().join("no/such/directory"))]);
        let error = Listeners::default().resolve(&settings, true).unwrap_err();
        assert!(error.to_string().contains("no/such/directory"), "{error}");
        assert!(!path.exists());
    }
}
