//! Syslog: the machine's own over its socket, and one of the network over UDP (RFC 3164).

use margrave_config::settings::RemoteSyslog;
use margrave_sys::{clock, net, process};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Where the system's logger listens.
pub const SYSLOG_SOCKET: &str = "/dev/log";

/// How often a system logger that does not listen is looked for.
const SYSLOG_RETRY: Duration = Duration::from_secs(1);

/// Severity "informational".
const SYSLOG_INFO: u8 = 6;

/// Facilities by number; those between 12 and 15 have no name that all systems share.
const FACILITIES: [&str; 12] =
    ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"];

/// The first of the facilities `local0` to `local7`.
const LOCAL0: u8 = 16;

/// The system's logger, which need not run yet: until it does, lines go to standard error.
#[derive(Debug)]
pub struct Syslog {
    socket: Option<UnixDatagram>,
    /// Not tried again before this time.
    retry: Duration,
    /// Begins each message: `<30>`.
    head: String,
    /// Follows its date: `name[pid]: `.
    name: String,
}

impl Syslog {
    /// `[ident][,facility]`.
    ///
    /// # Errors
    /// When there is no such facility.
    pub fn open(options: &str) -> io::Result<Self> {
        let (ident, facility) = options.split_once(',').unwrap_or((options, "daemon"));
        let ident = if ident.is_empty() { "uwsgi" } else { ident };
        let facility = facility_number(facility).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            socket: unix_datagram(SYSLOG_SOCKET).ok(),
            retry: Duration::ZERO,
            head: format!("<{}>", facility * 8 + SYSLOG_INFO),
            name: format!("{ident}[{}]: ", process::id()),
        })
    }

    /// What to warn of: nobody listens.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.socket.is_none().then(|| {
            format!("logger: no system logger listens on {SYSLOG_SOCKET}; lines go to standard error until one does")
        })
    }

    /// Sends a line, given without its end.
    ///
    /// # Errors
    /// When the line is lost: the logger's queue is full, or standard error cannot be written instead.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let now = clock::monotonic();
        if self.socket.is_none() && now >= self.retry {
            self.socket = unix_datagram(SYSLOG_SOCKET).ok();
            self.retry = now + SYSLOG_RETRY;
        }
        let message = [self.head.as_bytes(), date().as_bytes(), self.name.as_bytes(), line].concat();
        match self.socket.as_ref().map(|socket| socket.send(&message)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            _ => {
                self.socket = None;
                io::stderr().write_all(&[line, b"\n"].concat())
            }
        }
    }
}

/// A syslog server of the network.
#[derive(Debug)]
pub struct Remote {
    socket: UdpSocket,
    /// Begins each message: `<29>`.
    head: String,
    /// Follows its date.
    name: String,
    packet: usize,
    splits: bool,
}

impl Remote {
    /// Finds the server.
    ///
    /// # Errors
    /// When its name has no address.
    pub fn open(settings: &RemoteSyslog) -> io::Result<Self> {
        let name = match &settings.ident {
            Some(ident) => format!("{ident}: "),
            None => format!("{} uwsgi: ", net::host_name()),
        };
        Ok(Self {
            socket: udp(&settings.address)?,
            head: format!("<{}>", settings.priority),
            name,
            packet: settings.packet,
            splits: settings.splits,
        })
    }

    /// Sends a line, given without its end.
    ///
    /// # Errors
    /// When a packet cannot be sent.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let head = [self.head.as_bytes(), date().as_bytes(), self.name.as_bytes()].concat();
        let room = self.packet.saturating_sub(head.len()).max(1);
        let pieces = line.chunks(room).take(if self.splits { usize::MAX } else { 1 });
        for piece in pieces {
            self.socket.send(&[&head, piece].concat())?;
        }
        Ok(())
    }
}

fn date() -> String {
    clock::format_local("%b %e %H:%M:%S ", clock::wall().as_secs())
}

/// A datagram socket that never waits, connected to `path`.
///
/// # Errors
/// When nobody listens there.
pub fn unix_datagram(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A UDP socket that never waits, connected to `host:port`.
///
/// # Errors
/// When the name has no address.
pub fn udp(address: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address).or_else(|_| UdpSocket::bind("[::]:0")?.connect(address))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn facility_number(name: &str) -> Option<u8> {
    let local =
        name.strip_prefix("local").and_then(|number| number.parse().ok()).filter(|number| *number < 8);
    let known = FACILITIES.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok());
    known.or(local.map(|number: u8| LOCAL0 + number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_known_by_name() {
        for (name, expected) in [
            ("kern", Some(0)),
            ("daemon", Some(3)),
            ("local3", Some(19)),
            ("local8", None),
            ("nonsense", None),
        ] {
            assert_eq!(facility_number(name), expected, "{name}");
        }
    }

    #[test]
    fn a_long_line_is_cut_or_split() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let settings = |splits| RemoteSyslog {
            address: server.local_addr().unwrap().to_string(),
            ident: Some("me".into()),
            priority: 29,
            // "<29>Nov 24 18:06:53 me: " and ten bytes.
            packet: 34,
            splits,
        };
        let received = |splits, count| -> Vec<String> {
            Remote::open(&settings(splits)).unwrap().write(b"0123456789abcde").unwrap();
            let mut buffer = [0; 100];
            let mut one = || {
                let length = server.recv(&mut buffer).unwrap();
                let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                assert!(text.starts_with("<29>") && text.len() <= 34);
                text.split_once("me: ").unwrap().1.to_owned()
            };
            (0..count).map(|_| one()).collect()
        };
        assert_eq!(received(false, 1), ["0123456789"]);
        assert_eq!(received(true, 2), ["0123456789", "abcde"]);
    }
}
