//! Sockets: binding listeners as the configuration asks, accepting, and non-blocking transfer.
//!
//! Listeners are made non-blocking once, here: the flag belongs to the open socket that all generations share.

use crate::users::{group_id, user_id};
use margrave_config::settings::{Address, ListenSettings, ListenerSettings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Bytes in the path of a UNIX socket: what fits `sockaddr_un` with the NUL that clients put behind it.
const LONGEST_PATH: usize = 107;
/// Backlog asked for when `listen` is not set and the system allows it.
const DEFAULT_BACKLOG: u32 = 4096;
/// Bytes that a TCP connection takes beyond what is on its way to the peer. The kernel would take megabytes for a
/// client that reads nothing, and copying them is what a burst of such clients costs the others.
const UNSENT: u32 = 1024 * 1024;

/// Why a listener could not be bound, and which; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("{}{option}: {}", place(origin), problem.sentence(address))]
pub struct BindError {
    /// `file:line` of the option; empty when there is none.
    pub origin: String,
    /// The option that asked for it.
    pub option: String,
    /// The address as written.
    pub address: String,
    /// What is wrong.
    pub problem: BindProblem,
}

/// What is wrong with an address.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindProblem {
    /// Somebody listens there.
    InUse,
    /// A port below 1024.
    Privileged,
    /// A directory we may not write to.
    ReadOnly,
    /// A file that is not a socket is in the way.
    NotASocket,
    /// The directory does not exist.
    NoDirectory,
    /// A host name without an address, or an address this machine does not have.
    NotOurs,
    /// The path of a UNIX socket does not fit its address.
    TooLong,
    /// `chown-socket` names nobody.
    Owner(String),
    /// Anything else.
    Other(io::Error),
}

impl BindError {
    /// Whether only the directory of a socket file is missing.
    #[must_use]
    pub fn is_missing_directory(&self) -> bool {
        matches!(self.problem, BindProblem::NoDirectory)
    }
}

impl BindProblem {
    fn sentence(&self, address: &str) -> String {
        match self {
            Self::InUse => {
                format!("{address} is in use by another process; stop it or choose another address")
            }
            Self::Privileged => {
                format!("no permission to bind {address}; ports below 1024 need root or CAP_NET_BIND_SERVICE")
            }
            Self::ReadOnly => {
                format!("no permission to create {address}; its directory must be writable for this user")
            }
            Self::NotASocket => {
                format!("{address} exists and is not a socket; remove it or choose another path")
            }
            Self::NoDirectory => format!("the directory of {address} does not exist; create it first"),
            Self::NotOurs => format!(
                "{address} is no address of this machine; use one of its addresses, or :PORT for all of them"
            ),
            Self::TooLong => format!(
                "{address} has {} bytes, and the path of a UNIX socket may have {LONGEST_PATH}; choose a shorter one",
                address.len()
            ),
            Self::Owner(owner) => {
                format!("chown-socket: no user or group `{owner}` for {address}; write USER or USER:GROUP")
            }
            Self::Other(error) => format!("cannot bind {address}: {error}"),
        }
    }
}

fn place(origin: &str) -> String {
    if origin.is_empty() { String::new() } else { format!("{origin}: ") }
}

/// Binds one listener and starts listening. Gives the socket and the address as bound, in the form the
/// summary shows (`127.0.0.1:8000`, `[::1]:80`, `/run/x.sock`, `@name`).
///
/// # Errors
/// One sentence that names option, address and what to do.
pub fn bind(listener: &ListenerSettings, all: &ListenSettings) -> Result<(OwnedFd, String), BindError> {
    let site = Site { listener };
    let (fd, bound) = match &listener.address {
        Address::Tcp { host, port } => bind_tcp(&site, host, *port, all)?,
        Address::Unix(path) => bind_unix(&site, path, all)?,
        Address::Abstract(name) => {
            let address =
                SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(|error| site.error(error))?;
            let fd = site.open(AddressFamily::UNIX, &address.into(), all)?;
            (fd, format!("@{name}"))
        }
    };
    // Last: nobody connects before a socket file has its owner and permissions.
    rustix::net::listen(&fd, backlog(all.backlog)).map_err(|error| site.error(error))?;
    Ok((fd, bound))
}

/// The system's cap on a backlog (`net.core.somaxconn`).
#[must_use]
pub fn somaxconn() -> u32 {
    fs::read_to_string("/proc/sys/net/core/somaxconn")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_BACKLOG)
}

fn backlog(asked: Option<u32>) -> i32 {
    let backlog = asked.unwrap_or(DEFAULT_BACKLOG).min(somaxconn());
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

/// What every message about one listener names.
struct Site<'a> {
    listener: &'a ListenerSettings,
}

impl Site<'_> {
    fn address(&self) -> String {
        match &self.listener.address {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(path) => path.display().to_string(),
            Address::Abstract(name) => format!("@{name}"),
        }
    }

    fn open(
        &self,
        family: AddressFamily,
        address: &SocketAddrAny,
        all: &ListenSettings,
    ) -> Result<OwnedFd, BindError> {
        open(family, address, all).map_err(|error| self.error(error))
    }

    fn problem(&self, problem: BindProblem) -> BindError {
        BindError {
            origin: self.listener.origin.clone(),
            option: self.listener.option.clone(),
            address: self.address(),
            problem,
        }
    }

    fn error(&self, error: Errno) -> BindError {
        self.problem(match error {
            Errno::ADDRINUSE => BindProblem::InUse,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => match self.listener.address {
                Address::Tcp { .. } => BindProblem::Privileged,
                _ => BindProblem::ReadOnly,
            },
            Errno::NOENT | Errno::NOTDIR => BindProblem::NoDirectory,
            Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT => BindProblem::NotOurs,
            other => BindProblem::Other(other.into()),
        })
    }
}

fn bind_tcp(
    site: &Site<'_>,
    host: &str,
    port: u16,
    all: &ListenSettings,
) -> Result<(OwnedFd, String), BindError> {
    let address = resolve(host, port).ok_or_else(|| site.error(Errno::ADDRNOTAVAIL))?;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = site.open(family, &address.into(), all)?;
    let bound = rustix::net::getsockname(&fd).map_err(|error| site.error(error))?;
    let bound = SocketAddr::try_from(bound).map_err(|error| site.error(error))?;
    Ok((fd, bound.to_string()))
}

/// IPv4 first, as uWSGI resolves names; an empty host or `*` is every IPv4 address.
pub(crate) fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    if host.is_empty() || host == "*" {
        return Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    found.iter().find(|address| address.is_ipv4()).or_else(|| found.first()).copied()
}

fn bind_unix(site: &Site<'_>, path: &Path, all: &ListenSettings) -> Result<(OwnedFd, String), BindError> {
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(site.problem(BindProblem::TooLong));
    }
    remove_stale_socket(site, path)?;
    let address = SocketAddrUnix::new(path).map_err(|error| site.error(error))?;
    let fd = site.open(AddressFamily::UNIX, &address.into(), all)?;
    finish_socket_file(site, path, all).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })?;
    Ok((fd, path.display().to_string()))
}

/// A socket file that nobody listens on is left over from a process that ended badly; a live one is not ours to take.
fn remove_stale_socket(site: &Site<'_>, path: &Path) -> Result<(), BindError> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(site.problem(BindProblem::NotASocket));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(site.error(Errno::ADDRINUSE));
    }
    fs::remove_file(path).map_err(|error| site.error(Errno::from_io_error(&error).unwrap_or(Errno::ACCESS)))
}

fn finish_socket_file(site: &Site<'_>, path: &Path, all: &ListenSettings) -> Result<(), BindError> {
    let other = |error| site.problem(BindProblem::Other(error));
    if let Some(owner) = &all.chown {
        let (user, group) =
            owner.split_once(':').map_or((owner.as_str(), None), |(user, group)| (user, Some(group)));
        let unknown = || site.problem(BindProblem::Owner(owner.clone()));
        let user = (!user.is_empty()).then(|| user_id(user).ok_or_else(unknown)).transpose()?;
        let group = group.map(|group| group_id(group).ok_or_else(unknown)).transpose()?;
        std::os::unix::fs::chown(path, user, group).map_err(other)?;
    }
    if let Some(mode) = all.chmod {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(other)?;
    }
    Ok(())
}

/// A socket with its options, bound to `address`, that does not listen yet.
fn open(family: AddressFamily, address: &SocketAddrAny, all: &ListenSettings) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(bytes) = all.send_buffer {
        sockopt::set_socket_send_buffer_size(&fd, bytes)?;
    }
    if let Some(bytes) = all.receive_buffer {
        sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
    }
    if family != AddressFamily::UNIX {
        sockopt::set_socket_reuseaddr(&fd, true)?;
        // Accepted connections inherit these, which saves system calls for each.
        sockopt::set_tcp_nodelay(&fd, true)?;
        sockopt::set_socket_keepalive(&fd, all.keepalive)?;
        if all.send_buffer.is_none() {
            set_tcp_number(&fd, libc::TCP_NOTSENT_LOWAT, UNSENT)?;
        }
        if all.reuse_port {
            sockopt::set_socket_reuseport(&fd, true)?;
        }
        if all.freebind {
            sockopt::set_ip_freebind(&fd, true)?;
        }
    }
    rustix::net::bind(&fd, address)?;
    if let Some(length) = all.fast_open.filter(|_| family != AddressFamily::UNIX) {
        // So many connections may begin with data in their first packet.
        set_tcp_number(&fd, libc::TCP_FASTOPEN, length)?;
    }
    Ok(fd)
}

fn set_tcp_number(fd: &OwnedFd, option: libc::c_int, value: u32) -> Result<(), Errno> {
    let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer is to one number of the size that is given, and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

/// A listening socket that nobody can find: what stands in where a worker must not accept.
///
/// # Errors
/// When descriptors are exhausted.
pub fn mute_listener() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new_unnamed();
    rustix::net::bind(&fd, &address)?;
    rustix::net::listen(&fd, 1)?;
    Ok(fd)
}

/// The machine's name, as the system knows it.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// A TCP peer.
    Ip(SocketAddr),
    /// A process of this machine.
    Unix,
}

impl From<SocketAddrAny> for PeerAddress {
    fn from(address: SocketAddrAny) -> Self {
        SocketAddr::try_from(address).map_or(Self::Unix, Self::Ip)
    }
}

/// Accepts one connection, non-blocking and close-on-exec.
///
/// # Errors
/// `WouldBlock` when none waits; descriptor exhaustion.
pub fn accept(listener: impl AsFd) -> io::Result<(OwnedFd, PeerAddress)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match rustix::net::acceptfrom_with(listener, flags) {
        Ok((fd, address)) => Ok((fd, address.map_or(PeerAddress::Unix, PeerAddress::from))),
        Err(error) => Err(error.into()),
    }
}

/// Bytes that a connection's kernel buffer holds for a peer that has not taken them: not acknowledged ones of TCP, or not read
/// ones with what the kernel needs to keep them.
///
/// # Errors
/// When the descriptor is no socket.
pub fn queued(connection: BorrowedFd<'_>) -> io::Result<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a number of ours, which the call fills.
    if unsafe { libc::ioctl(connection.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(bytes.unsigned_abs())
}

/// Whether an error of [`accept`] says that this process has no descriptor left.
#[must_use]
pub fn are_descriptors_used_up(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::MFILE)
}

/// Whether a connection waits to be accepted, or something is wrong with the listener. To accept in vain costs five times as
/// much: the kernel makes a socket and a file before it looks.
#[must_use]
pub fn has_waiting(listener: impl AsFd) -> bool {
    let mut listeners = [PollFd::new(&listener, PollFlags::IN)];
    // Interrupted: whoever asks finds out by accepting.
    poll(&mut listeners, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
}

/// The peer of a connection that was passed to us.
#[must_use]
pub fn peer_of(connection: BorrowedFd<'_>) -> PeerAddress {
    rustix::net::getpeername(connection).ok().flatten().map_or(PeerAddress::Unix, PeerAddress::from)
}

/// The user at the other end of a UNIX connection, as the kernel knows it.
///
/// # Errors
/// When the connection is none.
pub fn peer_user(connection: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(sockopt::socket_peercred(connection)?.uid.as_raw())
}

/// Reads what has arrived; 0 is the end.
///
/// # Errors
/// `WouldBlock` when nothing has arrived; a broken connection.
pub fn receive(connection: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::net::recv(connection, &mut *buffer, RecvFlags::empty()) {
            Ok((_, length)) => return Ok(length),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the peer is still there: no end of stream and no error waits. Bytes that wait are left where they are.
#[must_use]
pub fn is_connected(connection: BorrowedFd<'_>) -> bool {
    let looked = rustix::io::retry_on_intr(|| {
        rustix::net::recv(connection, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT)
    });
    match looked {
        Ok((_, length)) => length > 0,
        Err(error) => error == Errno::AGAIN,
    }
}

/// Sends what the socket takes at once, and says how much that was. No SIGPIPE.
///
/// # Errors
/// `WouldBlock` when it takes nothing; a broken connection.
pub fn send(connection: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::net::send(connection, bytes, SendFlags::NOSIGNAL))?)
}

/// Sends several pieces in one call, like [`send`].
///
/// # Errors
/// As [`send`].
pub fn send_vectored(connection: BorrowedFd<'_>, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
    send_pieces(connection, pieces, SendFlags::NOSIGNAL)
}

/// Sends the last bytes of a connection, and when the socket takes them all, the end of our side in the same packet.
///
/// # Errors
/// As [`send`].
pub fn send_last(connection: BorrowedFd<'_>, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
    let count = send_before_file(connection, pieces)?;
    if count == pieces.iter().map(|piece| piece.len()).sum::<usize>() {
        shutdown_write(connection);
    }
    Ok(count)
}

/// Like [`send_vectored`] when a file follows at once: the bytes may wait for it, so that they share a packet.
///
/// # Errors
/// As [`send`].
pub fn send_before_file(connection: BorrowedFd<'_>, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
    send_pieces(connection, pieces, SendFlags::NOSIGNAL | SendFlags::MORE)
}

fn send_pieces(
    connection: BorrowedFd<'_>,
    pieces: &[io::IoSlice<'_>],
    flags: SendFlags,
) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| {
        let ancillary = &mut rustix::net::SendAncillaryBuffer::default();
        rustix::net::sendmsg(connection, pieces, ancillary, flags)
    })?)
}

/// Sends up to `length` bytes of `file` from `offset` on without copying them through user space; 0 is the file's end.
///
/// # Errors
/// As [`send`]; a file that cannot be read.
pub fn send_file(
    connection: BorrowedFd<'_>,
    file: &File,
    offset: &mut u64,
    length: usize,
) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::sendfile(connection, file, Some(offset), length))?)
}

/// Makes the coming close a reset, so that the peer of a TCP connection does not take what it has for the whole.
pub fn reset_on_close(connection: BorrowedFd<'_>) {
    // Without effect on UNIX sockets, which know no reset.
    let _ = sockopt::set_socket_linger(connection, Some(std::time::Duration::ZERO));
}

/// Tells the peer that no more bytes will come, while its own may still be read.
pub fn shutdown_write(connection: BorrowedFd<'_>) {
    // A peer that has gone already needs no telling.
    let _ = rustix::net::shutdown(connection, rustix::net::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_config::settings::Protocol;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn listener(address: Address) -> ListenerSettings {
        ListenerSettings {
            protocol: Protocol::Http,
            address,
            option: "http-socket".into(),
            origin: "a.ini:3".into(),
        }
    }

    #[test]
    fn a_connection_waits_until_it_is_accepted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!has_waiting(&listener));
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The client may go on before the last packet of the handshake has been handled.
        while !has_waiting(&listener) {
            std::thread::yield_now();
        }
        accept(&listener).unwrap();
        assert!(!has_waiting(&listener));
    }

    #[test]
    fn port_zero_is_bound_to_a_free_port_and_named() {
        let all = ListenSettings::default();
        let (fd, bound) = bind(&listener(Address::Tcp { host: "127.0.0.1".into(), port: 0 }), &all).unwrap();
        let mut client = TcpStream::connect(&bound).unwrap();
        client.write_all(b"hi").unwrap();
        let (connection, peer) = loop {
            match accept(&fd) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        };
        assert_eq!(peer, PeerAddress::Ip(client.local_addr().unwrap()));
        assert_eq!(peer_of(connection.as_fd()), peer);
        send(connection.as_fd(), b"ho").unwrap();
        drop(connection);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer, b"ho");
    }

    #[test]
    fn a_port_in_use_is_one_sentence_with_file_line_and_address() {
        let all = ListenSettings::default();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&listener(Address::Tcp { host: "127.0.0.1".into(), port }), &all).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "a.ini:3: http-socket: 127.0.0.1:{port} is in use by another process; stop it or choose another address"
            )
        );
    }

    #[test]
    fn a_stale_socket_file_is_replaced_but_a_live_one_and_a_plain_file_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let all = ListenSettings { chmod: Some(0o660), ..Default::default() };
        let settings = listener(Address::Unix(path.clone()));
        let (first, bound) = bind(&settings, &all).unwrap();
        assert_eq!(bound, path.display().to_string());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(bind(&settings, &all), Err(BindError { problem: BindProblem::InUse, .. })));
        drop(first);
        let second = bind(&settings, &all).unwrap();
        drop(second);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&settings, &all), Err(BindError { problem: BindProblem::NotASocket, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn nobody_connects_before_a_socket_file_has_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let settings = listener(Address::Unix(path.clone()));
        // With an owner to give as well, a client has the time to get through.
        let owner =
            format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let all = ListenSettings { chmod: Some(0o606), chown: Some(owner), ..Default::default() };
        for _ in 0..300 {
            let permissions = std::thread::scope(|scope| {
                let client = scope.spawn(|| {
                    while UnixStream::connect(&path).is_err() {
                        std::hint::spin_loop();
                    }
                    fs::metadata(&path).unwrap().permissions().mode() & 0o777
                });
                let _listener = bind(&settings, &all).unwrap();
                client.join().unwrap()
            });
            assert_eq!(permissions, 0o606);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn errors_name_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = listener(Address::Unix(folder.path().join("no/x.sock")));
        assert!(matches!(
            bind(&missing, &ListenSettings::default()),
            Err(BindError { problem: BindProblem::NoDirectory, .. })
        ));
        let long = listener(Address::Unix(folder.path().join("x".repeat(108))));
        assert!(matches!(
            bind(&long, &ListenSettings::default()),
            Err(BindError { problem: BindProblem::TooLong, .. })
        ));
        let owner = ListenSettings { chown: Some("nobody-here".into()), ..Default::default() };
        let path = folder.path().join("y.sock");
        assert!(matches!(
            bind(&listener(Address::Unix(path.clone())), &owner),
            Err(BindError { problem: BindProblem::Owner(_), .. })
        ));
        assert!(!path.exists());
    }
}
