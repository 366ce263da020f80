//! Tells the service manager how the instance is, as `sd_notify(3)` describes. Without `$NOTIFY_SOCKET` nobody is told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variable that names the manager's socket; not for our children.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// Further variables of the manager that are not for our children.
pub const OTHERS: [&str; 2] = ["WATCHDOG_USEC", "WATCHDOG_PID"];

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    heartbeat: Option<Duration>,
}

impl Notifier {
    /// Opens the way that the environment names. One that cannot be opened is the same as none.
    #[must_use]
    pub fn from_environment() -> Self {
        let name = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0);
        Self {
            socket: name.and_then(|name| connect(&name).ok()),
            // Twice in the time after which the manager loses its patience, as it recommends.
            heartbeat: patience.map(|micros| Duration::from_micros(micros / 2)),
        }
    }

    /// How often the manager wants to hear that all is well; `None` = never.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat.filter(|_| self.socket.is_some())
    }

    /// Sends assignments, one a line: `READY=1`.
    pub fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen is not our trouble.
            let _ = socket.send(state.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().split_first() {
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_reached_by_path_and_by_abstract_name() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("manager");
        let name = format!("margrave-test-{}", std::process::id());
        let addresses = [
            (SocketAddr::from_pathname(&path).unwrap(), path.display().to_string()),
            (SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}")),
        ];
        for (address, written) in addresses {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            let notifier = Notifier { socket: Some(connect(OsStr::new(&written)).unwrap()), heartbeat: None };
            notifier.tell("READY=1");
            let mut buffer = [0; 32];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Notifier::default().tell("READY=1");
        assert!(connect(OsStr::new("/no/such/socket")).is_err());
    }
}
