//! Listening sockets that a service manager has opened for us, as `sd_listen_fds(3)` describes.

use crate::net::resolve;
use margrave_config::settings::Address;
use rustix::net::sockopt;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The variables that tell of the sockets; not for our children.
pub const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The first descriptor.
const FIRST: RawFd = 3;

/// Most sockets that are looked at.
const MOST: RawFd = 240;

/// The sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Activated {
    sockets: Vec<(OwnedFd, String, Option<SocketAddr>)>,
}

impl Activated {
    /// The sockets that the environment promises to this process. It takes the descriptors: a second call finds none.
    #[must_use]
    pub fn from_environment() -> Self {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
        if number("LISTEN_PID") != Some(crate::process::id()) {
            return Self::default();
        }
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Self::default();
        }
        let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST);
        let sockets = (FIRST..FIRST + count).filter_map(|number| {
            // SAFETY: `fcntl` takes any number; the descriptor becomes ours only if it is open, the manager has
            // opened it for this process, in which nothing else knows it, and it becomes ours once.
            let fd = unsafe {
                if libc::fcntl(number, libc::F_GETFD) < 0 {
                    return None;
                }
                OwnedFd::from_raw_fd(number)
            };
            prepare(fd)
        });
        Self { sockets: sockets.collect() }
    }

    /// The socket bound to an address, with the address as bound.
    pub fn take(&mut self, wanted: &Address) -> Option<(OwnedFd, String)> {
        let place = self.sockets.iter().position(|(_, name, address)| is_at(wanted, name, *address))?;
        let (fd, name, _) = self.sockets.remove(place);
        Some((fd, name))
    }

    /// The addresses of those that nobody has taken.
    #[must_use]
    pub fn left(&self) -> Vec<&str> {
        self.sockets.iter().map(|(_, name, _)| name.as_str()).collect()
    }
}

/// Makes a descriptor like a listener of ours, and finds out where it is; `None` when it does not listen.
fn prepare(fd: OwnedFd) -> Option<(OwnedFd, String, Option<SocketAddr>)> {
    if !sockopt::socket_acceptconn(&fd).ok()? {
        return None;
    }
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    crate::process::set_nonblocking(&fd).ok()?;
    let address = rustix::net::getsockname(&fd).ok()?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        sockopt::set_tcp_nodelay(&fd, true).ok()?;
        return Some((fd, address.to_string(), Some(address)));
    }
    let unix = rustix::net::SocketAddrUnix::try_from(address).ok()?;
    let name = match (unix.path(), unix.abstract_name()) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (_, Some(name)) => format!("@{}", String::from_utf8_lossy(name)),
        _ => return None,
    };
    Some((fd, name, None))
}

fn is_at(wanted: &Address, name: &str, address: Option<SocketAddr>) -> bool {
    match (wanted, address) {
        (Address::Tcp { host, port }, Some(bound)) => {
            let any = bound.ip().is_unspecified() && (host.is_empty() || host == "*" || host == "::");
            bound.port() == *port && (any || resolve(host, *port) == Some(bound))
        }
        (Address::Unix(path), None) => std::path::absolute(path).is_ok_and(|path| path == Path::new(name)),
        (Address::Abstract(wanted), None) => name.strip_prefix('@') == Some(wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_is_found_by_its_address_and_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let descriptors = [OwnedFd::from(tcp), OwnedFd::from(UnixListener::bind(&path).unwrap())];
        let mut activated = Activated { sockets: descriptors.into_iter().filter_map(prepare).collect() };
        assert_eq!(activated.left(), [format!("127.0.0.1:{port}").as_str(), path.to_str().unwrap()]);
        assert!(activated.take(&Address::Tcp { host: String::new(), port }).is_none());
        let wanted = Address::Tcp { host: "127.0.0.1".into(), port };
        assert_eq!(activated.take(&wanted).unwrap().1, format!("127.0.0.1:{port}"));
        assert!(activated.take(&wanted).is_none());
        assert!(activated.take(&Address::Unix(path)).is_some());
        assert!(activated.left().is_empty());
    }

    #[test]
    fn every_address_matches_every_address() {
        let bound: SocketAddr = "[::]:80".parse().unwrap();
        assert!(is_at(&Address::Tcp { host: String::new(), port: 80 }, "[::]:80", Some(bound)));
        assert!(!is_at(&Address::Tcp { host: String::new(), port: 81 }, "[::]:80", Some(bound)));
    }

    #[test]
    fn what_does_not_listen_is_left_alone() {
        let (read, _write) = crate::process::pipe().unwrap();
        assert!(prepare(read).is_none());
    }
}
