//! One place that lines go to: a file, standard error, a descriptor, syslog, a datagram socket, a command.

use super::file::LogFile;
use super::syslog::{Remote, Syslog, udp, unix_datagram};
use crate::error::StartError;
use margrave_config::settings::{LogSettings, LogTarget};
use margrave_sys::file::longest_write;
use margrave_sys::{clock, process};
use std::fs::File;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// Pause before a command that has ended is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// One place that lines go to.
#[derive(Debug)]
pub enum Target {
    /// A file.
    File(LogFile),
    /// The file that standard error is: it follows when the file is another one.
    MainFile(LogFile),
    /// Standard error, whatever it is.
    StandardError,
    /// Any open descriptor.
    Descriptor(File),
    /// The system's logger.
    Syslog(Syslog),
    /// A logger of the network.
    Remote(Remote),
    /// A UNIX datagram socket, found by its path, and what begins each datagram.
    Unix(UnixDatagram, Vec<u8>),
    /// A UDP address, and what begins each datagram.
    Udp(UdpSocket, Vec<u8>),
    /// A command that reads them.
    Command(Command),
}

/// A command that reads lines, started again when it ends.
#[derive(Debug)]
pub struct Command {
    line: String,
    input: Option<File>,
    retry: Duration,
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
        let opened = LogFile::open(path, settings);
        Ok(Self::MainFile(opened.map_err(|error| StartError::Logger { target: describe(&target), error })?))
    }

    /// What to warn of at the start.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Syslog(syslog) => syslog.trouble(),
            _ => None,
        }
    }

    fn try_open(target: &LogTarget, settings: &LogSettings) -> io::Result<Self> {
        Ok(match target {
            LogTarget::File(path) => Self::File(LogFile::open(path.clone(), settings)?),
            LogTarget::Stdio => Self::Descriptor(margrave_sys::file::duplicate(2)?),
            LogTarget::Fd(number) => Self::Descriptor(margrave_sys::file::duplicate(*number)?),
            LogTarget::Syslog(options) => Self::Syslog(Syslog::open(options)?),
            LogTarget::RemoteSyslog(remote) => Self::Remote(Remote::open(remote)?),
            LogTarget::Socket { address, prefix } if address.starts_with('/') => {
                Self::Unix(unix_datagram(address)?, prefix.clone().into_bytes())
            }
            LogTarget::Socket { address, prefix } => Self::Udp(udp(address)?, prefix.clone().into_bytes()),
            LogTarget::Pipe(command) => {
                let input = process::spawn_reader(command)?;
                let input = Some(File::from(input));
                Self::Command(Command { line: command.clone(), input, retry: Duration::ZERO })
            }
        })
    }

    /// Writes what the encoders have made of a line. `true` when standard error has become another file.
    ///
    /// # Errors
    /// When it is lost.
    pub fn write(&mut self, line: &[u8]) -> io::Result<bool> {
        match self {
            Self::File(file) => file.write(line).map(|_| false),
            Self::MainFile(file) => {
                let rotated = file.write(line)?;
                follow(file, rotated)
            }
            Self::StandardError => io::stderr().write_all(line).map(|()| false),
            Self::Descriptor(file) => write_whole(file, line).map(|()| false),
            Self::Syslog(syslog) => syslog.write(without_end(line)).map(|()| false),
            Self::Remote(remote) => remote.write(without_end(line)).map(|()| false),
            Self::Unix(socket, prefix) => socket.send(&[prefix, line].concat()).map(|_| false),
            Self::Udp(socket, prefix) => socket.send(&[prefix, line].concat()).map(|_| false),
            Self::Command(command) => command.write(line).map(|()| false),
        }
    }

    /// Writes whole lines, those of a file together. Whether standard error has become another file, and how many lines
    /// were lost.
    pub fn write_lines(&mut self, lines: &[u8]) -> (bool, u64) {
        match self {
            Self::File(file) | Self::MainFile(file) if !file.is_bounded() => (false, file.write_lines(lines)),
            _ => {
                let (mut moved, mut lost) = (false, 0);
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    match self.write(line) {
                        Ok(changed) => moved |= changed,
                        Err(_) => lost += 1,
                    }
                }
                (moved, lost)
            }
        }
    }

    /// Renames a file and goes on with a new one. `true` when standard error has become another file.
    ///
    /// # Errors
    /// When the file system refuses; the old file goes on.
    pub fn rotate(&mut self) -> io::Result<bool> {
        match self {
            Self::File(file) => file.rotate().map(|()| false),
            Self::MainFile(file) => file.rotate().and_then(|()| follow(file, true)),
            _ => Ok(false),
        }
    }

    /// Opens a file anew. `true` when standard error has become another file.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub fn reopen(&mut self) -> io::Result<bool> {
        match self {
            Self::File(file) => file.reopen().map(|()| false),
            Self::MainFile(file) => file.reopen().and_then(|()| follow(file, true)),
            _ => Ok(false),
        }
    }
}

fn follow(file: &LogFile, changed: bool) -> io::Result<bool> {
    if changed {
        process::redirect_output(file.file())?;
    }
    Ok(changed)
}

/// Lines of other processes come between two writes, not within one.
fn write_whole(file: &mut File, line: &[u8]) -> io::Result<()> {
    for piece in line.chunks(longest_write(file.as_raw_fd())) {
        file.write_all(piece)?;
    }
    Ok(())
}

/// A line without its newline.
pub fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

impl Command {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let now = clock::monotonic();
        if self.input.is_none() && now >= self.retry {
            self.retry = now + RESTART_PAUSE;
            self.input = Some(process::spawn_reader(&self.line).map(|input: OwnedFd| File::from(input))?);
        }
        let Some(input) = &mut self.input else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let written = input.write_all(line);
        if written.is_err() {
            self.input = None;
        }
        written
    }
}

fn describe(target: &LogTarget) -> String {
    match target {
        LogTarget::File(path) => format!("file {}", path.display()),
        LogTarget::Stdio => "standard error".to_owned(),
        LogTarget::Syslog(options) => format!("syslog:{options}"),
        LogTarget::RemoteSyslog(remote) => format!("rsyslog:{}", remote.address),
        LogTarget::Fd(number) => format!("fd:{number}"),
        LogTarget::Socket { address, .. } => format!("socket:{address}"),
        LogTarget::Pipe(command) => format!("pipe:{command}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_socket_gets_each_line_and_one_that_vanished_is_no_trouble() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        let server = UnixDatagram::bind(&path).unwrap();
        let address = LogTarget::Socket { address: path.display().to_string(), prefix: "P ".into() };
        let mut target = Target::open(&address, &LogSettings::default()).unwrap();
        target.write(b"line\n").unwrap();
        let mut buffer = [0; 16];
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"P line\n");
        drop(server);
        assert!(target.write(b"lost\n").is_err());
    }

    #[test]
    fn a_full_disk_is_an_error_and_nothing_else() {
        let full = LogTarget::File("/dev/full".into());
        let mut target = Target::open(&full, &LogSettings::default()).unwrap();
        assert!(target.write(b"line\n").is_err());
        assert!(target.write(b"line\n").is_err());
    }
}
