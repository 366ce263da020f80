//! One place that lines go to: a file that may be rotated, standard error, a descriptor, syslog, a datagram socket.
//!
//! A target that fails loses its line and nothing else: no log may stop a worker.

use crate::error::StartError;
use margrave_config::settings::{LogSettings, LogTarget};
use margrave_sys::{clock, process};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// Where the system's logger listens.
const SYSLOG_SOCKET: &str = "/dev/log";

/// How often a system logger that does not listen is looked for.
const SYSLOG_RETRY: Duration = Duration::from_secs(1);

/// Severity "informational".
const SYSLOG_INFO: u8 = 6;

/// Most rotations in one second that keep their own backup.
const MAX_PER_SECOND: u32 = 1000;

/// One place that lines go to.
#[derive(Debug)]
pub enum Target {
    /// A file.
    File(LogFile),
    /// Any open descriptor.
    Descriptor(File),
    /// The system's logger.
    Syslog(Syslog),
    /// A UNIX datagram socket.
    Unix(UnixDatagram),
    /// A UDP address.
    Udp(UdpSocket),
}

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

/// A log file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: Option<u64>,
    backup: Option<String>,
    mode: Option<u32>,
    /// Standard error is this file too, and follows it.
    is_main: bool,
}

impl Target {
    /// Opens a target.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(target: &LogTarget, settings: &LogSettings) -> Result<Self, StartError> {
        Self::try_open(target, settings)
            .map_err(|error| StartError::Logger { target: describe(target), error })
    }

    /// The file that standard error has been redirected to.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn main_file(path: PathBuf, settings: &LogSettings) -> Result<Self, StartError> {
        let target = LogTarget::File(path.clone());
        let opened = LogFile::open(path, settings, true);
        Ok(Self::File(opened.map_err(|error| StartError::Logger { target: describe(&target), error })?))
    }

    fn try_open(target: &LogTarget, settings: &LogSettings) -> io::Result<Self> {
        Ok(match target {
            LogTarget::File(path) => Self::File(LogFile::open(path.clone(), settings, false)?),
            LogTarget::Stdio => Self::Descriptor(margrave_sys::file::duplicate(2)?),
            LogTarget::Fd(number) => Self::Descriptor(margrave_sys::file::duplicate(*number)?),
            LogTarget::Syslog(options) => {
                let (ident, facility) = options.split_once(',').unwrap_or((options, "daemon"));
                let ident = if ident.is_empty() { "uwsgi" } else { ident };
                let facility = facility_number(facility).ok_or(io::ErrorKind::InvalidInput)?;
                Self::Syslog(Syslog {
                    socket: unix_datagram(SYSLOG_SOCKET).ok(),
                    retry: Duration::ZERO,
                    head: format!("<{}>", facility * 8 + SYSLOG_INFO),
                    name: format!("{ident}[{}]: ", process::id()),
                })
            }
            LogTarget::Socket(address) if address.starts_with('/') => Self::Unix(unix_datagram(address)?),
            LogTarget::Socket(address) => {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                socket.connect(address)?;
                socket.set_nonblocking(true)?;
                Self::Udp(socket)
            }
        })
    }

    /// Writes one line, given without its newline.
    pub fn write(&mut self, line: &[u8]) {
        let _ = match self {
            Self::File(file) => file.write(line),
            Self::Descriptor(file) => file.write_all(&[line, b"\n"].concat()),
            Self::Syslog(syslog) => syslog.write(line),
            Self::Unix(socket) => socket.send(&[line, b"\n"].concat()).map(drop),
            Self::Udp(socket) => socket.send(&[line, b"\n"].concat()).map(drop),
        };
    }
}

impl Syslog {
    /// What to warn of: nobody listens.
    pub fn trouble(&self) -> Option<String> {
        self.socket.is_none().then(|| {
            format!("logger: no system logger listens on {SYSLOG_SOCKET}; lines go to standard error until one does")
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let now = clock::monotonic();
        if self.socket.is_none() && now >= self.retry {
            self.socket = unix_datagram(SYSLOG_SOCKET).ok();
            self.retry = now + SYSLOG_RETRY;
        }
        let date = clock::format_local("%b %e %H:%M:%S ", clock::wall().as_secs());
        let message = [self.head.as_bytes(), date.as_bytes(), self.name.as_bytes(), line].concat();
        match self.socket.as_ref().map(|socket| socket.send(&message)) {
            Some(Ok(_)) => Ok(()),
            // Its queue is full: the line is lost, as with syslog(3).
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            _ => {
                self.socket = None;
                io::stderr().write_all(&[line, b"\n"].concat())
            }
        }
    }
}

impl LogFile {
    fn open(path: PathBuf, settings: &LogSettings, is_main: bool) -> io::Result<Self> {
        let file = process::open_log(&path, settings.file_mode)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            max_size: settings.max_size,
            backup: settings.backup_name.clone(),
            mode: settings.file_mode,
            is_main,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(&[line, b"\n"].concat())?;
        self.size += line.len() as u64 + 1;
        if self.max_size.is_some_and(|most| self.size > most) {
            self.rotate()?;
        }
        Ok(())
    }

    /// Renames the file and goes on with a new one. When that fails, the old one goes on.
    fn rotate(&mut self) -> io::Result<()> {
        let backup = self.backup.as_ref().map_or_else(
            || {
                let dated = |extra: String| {
                    let mut name = self.path.clone().into_os_string();
                    name.push(format!(".{}{extra}", clock::wall().as_secs()));
                    PathBuf::from(name)
                };
                // Several rotations in one second get names of their own.
                let free =
                    (1..MAX_PER_SECOND).map(|number| dated(format!(".{number}"))).find(|path| !path.exists());
                Some(dated(String::new()))
                    .filter(|path| !path.exists())
                    .or(free)
                    .unwrap_or_else(|| dated(String::new()))
            },
            PathBuf::from,
        );
        // Not again with every line, should it fail.
        self.size = 0;
        fs::rename(&self.path, backup)?;
        self.file = process::open_log(&self.path, self.mode)?;
        if self.is_main {
            process::redirect_output(&self.file)?;
        }
        Ok(())
    }
}

fn unix_datagram(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn facility_number(name: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 20] = [
        ("kern", 0),
        ("user", 1),
        ("mail", 2),
        ("daemon", 3),
        ("auth", 4),
        ("syslog", 5),
        ("lpr", 6),
        ("news", 7),
        ("uucp", 8),
        ("cron", 9),
        ("authpriv", 10),
        ("ftp", 11),
        ("local0", 16),
        ("local1", 17),
        ("local2", 18),
        ("local3", 19),
        ("local4", 20),
        ("local5", 21),
        ("local6", 22),
        ("local7", 23),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

fn describe(target: &LogTarget) -> String {
    match target {
        LogTarget::File(path) => format!("file {}", path.display()),
        LogTarget::Stdio => "standard error".to_owned(),
        LogTarget::Syslog(options) => format!("syslog:{options}"),
        LogTarget::Fd(number) => format!("fd:{number}"),
        LogTarget::Socket(address) => format!("socket:{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_past_its_size_is_kept_under_its_backup_name() {
        let root = tempfile::tempdir().unwrap();
        let (path, backup) = (root.path().join("log"), root.path().join("old"));
        let settings = LogSettings {
            max_size: Some(8),
            backup_name: Some(backup.display().to_string()),
            ..LogSettings::default()
        };
        let mut target = Target::open(&LogTarget::File(path.clone()), &settings).unwrap();
        target.write(b"12345678");
        target.write(b"new");
        assert_eq!(fs::read_to_string(&backup).unwrap(), "12345678\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn rotations_within_a_second_overwrite_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let settings = LogSettings { max_size: Some(8), ..LogSettings::default() };
        let mut target = Target::open(&LogTarget::File(path), &settings).unwrap();
        (0..10).for_each(|_| target.write(b"12345678"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 11);
    }

    #[test]
    fn a_datagram_socket_gets_each_line_and_one_that_vanished_is_no_trouble() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        let server = UnixDatagram::bind(&path).unwrap();
        let address = LogTarget::Socket(path.display().to_string());
        let mut target = Target::open(&address, &LogSettings::default()).unwrap();
        target.write(b"line");
        let mut buffer = [0; 16];
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"line\n");
        drop(server);
        target.write(b"lost");
    }

    #[test]
    fn facilities_are_known_by_name() {
        assert_eq!(facility_number("local3"), Some(19));
        assert_eq!(facility_number("nonsense"), None);
    }
}
