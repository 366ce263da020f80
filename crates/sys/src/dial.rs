//! Connecting to somebody else's listener, with a bound on every wait.

use margrave_config::settings::Address;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_nodelay};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io;
use std::net::{Ipv4Addr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A connection whose reads and writes may be shared between two threads.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The host has no address.
    #[error("{0}")]
    Resolve(io::Error),
    /// Nobody took the connection in time.
    #[error("nobody took the connection in time")]
    Timeout,
    /// Nobody listens, or not for us.
    #[error("{0}")]
    Connect(io::Error),
}

/// Connects, to the first address of a host that answers; an empty host is this machine.
///
/// # Errors
/// See [`DialError`].
pub fn dial(address: &Address, timeout: Duration) -> Result<Link, DialError> {
    match address {
        Address::Tcp { host, port } => {
            let host = if host.is_empty() { Ipv4Addr::LOCALHOST.to_string() } else { host.clone() };
            let found = (host.as_str(), *port).to_socket_addrs().map_err(DialError::Resolve)?;
            let mut last = DialError::Resolve(io::Error::other("the host has no address"));
            for address in found {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                match connect(&address.into(), family, timeout) {
                    Ok(link) => return Ok(link),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Address::Unix(path) => {
            let address = SocketAddrUnix::new(path).map_err(|error| DialError::Connect(error.into()))?;
            connect(&address.into(), AddressFamily::UNIX, timeout)
        }
        Address::Abstract(name) => {
            let address = SocketAddrUnix::new_abstract_name(name.as_bytes())
                .map_err(|error| DialError::Connect(error.into()))?;
            connect(&address.into(), AddressFamily::UNIX, timeout)
        }
    }
}

fn connect(address: &SocketAddrAny, family: AddressFamily, timeout: Duration) -> Result<Link, DialError> {
    let attempt = || -> rustix::io::Result<Link> {
        let fd = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // The bound on sending bounds the connect too, on TCP as on UNIX sockets (whose backlog may be full).
        set_socket_timeout(&fd, Timeout::Send, Some(timeout))?;
        rustix::net::connect(&fd, address)?;
        if family != AddressFamily::UNIX {
            set_tcp_nodelay(&fd, true)?;
        }
        Ok(Link { fd })
    };
    attempt().map_err(|error| match error {
        Errno::INPROGRESS | Errno::AGAIN | Errno::TIMEDOUT => DialError::Timeout,
        error => DialError::Connect(error.into()),
    })
}

impl Link {
    /// Reads what has arrived, waiting for `timeout` at the longest; 0 is the end.
    ///
    /// # Errors
    /// `TimedOut`; a broken connection.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        set_socket_timeout(&self.fd, Timeout::Recv, Some(timeout.max(Duration::from_millis(1))))?;
        let received =
            rustix::io::retry_on_intr(|| rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty()));
        received.map(|(_, count)| count).map_err(in_time)
    }

    /// Sends all bytes, waiting for `timeout` at the longest each time the peer takes none.
    ///
    /// # Errors
    /// `TimedOut`; a broken connection.
    pub fn send_all(&self, mut bytes: &[u8], timeout: Duration) -> io::Result<()> {
        set_socket_timeout(&self.fd, Timeout::Send, Some(timeout.max(Duration::from_millis(1))))?;
        while !bytes.is_empty() {
            let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL));
            bytes = &bytes[sent.map_err(in_time)?..];
        }
        Ok(())
    }

    /// Ends the connection in both directions, so that a thread that waits for it goes on.
    pub fn shut_down(&self) {
        // A peer that has gone already needs no telling.
        let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Both);
    }
}

/// What the system says when a socket's time is over.
fn in_time(error: Errno) -> io::Error {
    if error == Errno::AGAIN { io::ErrorKind::TimedOut.into() } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::UnixListener;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);

    fn exchange(address: &Address, accept: impl FnOnce() -> Box<dyn ReadWrite>) {
        let link = dial(address, LONG).unwrap();
        let mut peer = accept();
        link.send_all(b"ping", LONG).unwrap();
        let mut four = [0; 4];
        peer.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"ping");
        let silence = link.receive(&mut four, SHORT).map_err(|error| error.kind());
        assert_eq!(silence, Err(io::ErrorKind::TimedOut));
        peer.write_all(b"pong").unwrap();
        drop(peer);
        assert_eq!((link.receive(&mut four, LONG).unwrap(), &four), (4, b"pong"));
        assert_eq!(link.receive(&mut four, LONG).unwrap(), 0);
    }

    trait ReadWrite: Read + Write {}
    impl<T: Read + Write> ReadWrite for T {}

    #[test]
    fn every_kind_of_address_is_reached() {
        for (bound, host) in [("127.0.0.1:0", "127.0.0.1"), ("127.0.0.1:0", ""), ("[::1]:0", "::1")] {
            let listener = TcpListener::bind(bound).unwrap();
            let port = listener.local_addr().unwrap().port();
            let address = Address::Tcp { host: host.into(), port };
            exchange(&address, || Box::new(listener.accept().unwrap().0));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        exchange(&Address::Unix(path), || Box::new(listener.accept().unwrap().0));
        let name = format!("margrave-dial-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        exchange(&Address::Abstract(name), || Box::new(listener.accept().unwrap().0));
    }

    #[test]
    fn nobody_there_is_told_from_a_name_without_an_address() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let refused = dial(&Address::Tcp { host: "127.0.0.1".into(), port }, LONG);
        assert!(
            matches!(refused, Err(DialError::Connect(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
        );
        let missing = dial(&Address::Unix("/nonexistent/x.sock".into()), LONG);
        assert!(matches!(missing, Err(DialError::Connect(error)) if error.kind() == io::ErrorKind::NotFound));
        let unknown = dial(&Address::Tcp { host: "no such host".into(), port: 1 }, LONG);
        assert!(matches!(unknown, Err(DialError::Resolve(_))));
    }

    #[test]
    fn a_full_backlog_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&_listener, 0).unwrap();
        let address = Address::Unix(path);
        let waiting = dial(&address, LONG).unwrap();
        assert!(matches!(dial(&address, SHORT), Err(DialError::Timeout)));
        drop(waiting);
    }
}
