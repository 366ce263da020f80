//! The pipe on which the processes of the instance write their lines, and its reader.

use super::Log;
use crate::error::StartError;
use margrave_config::settings::LogSettings;
use margrave_sys::process;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A request line begins with this byte when request lines have loggers of their own.
const REQUEST_MARK: u8 = 0x1e;

/// A line longer than this is passed on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// Bytes taken from the pipe before other events get their turn.
const TURN: usize = 256 * 1024;

/// Both ends of the pipe; the write end is given to every zygote.
#[derive(Debug)]
pub struct Collector {
    read: File,
    write: OwnedFd,
    partial: Vec<u8>,
}

impl Collector {
    /// A pipe, if these settings need one.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn new(settings: &LogSettings) -> Result<Option<Self>, StartError> {
        if !settings.is_collected() {
            return Ok(None);
        }
        let (read, write) = process::pipe().map_err(StartError::system("make a pipe"))?;
        process::set_nonblocking(&read).map_err(StartError::system("set up a pipe"))?;
        Ok(Some(Self { read: File::from(read), write, partial: Vec::new() }))
    }

    /// What zygotes and workers write to.
    #[must_use]
    pub fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// Passes on the lines that have arrived.
    pub fn drain(&mut self, log: &Log) {
        let mut buffer = [0; 16 * 1024];
        let mut taken = 0;
        while taken < TURN {
            match self.read.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    taken += length;
                    self.take(&buffer[..length], log);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Passes on everything, a last line without an end too: nobody is left to end it.
    pub fn finish(&mut self, log: &Log) {
        self.drain(log);
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            pass_on(&rest, log);
        }
    }

    fn take(&mut self, mut bytes: &[u8], log: &Log) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            if self.partial.is_empty() {
                pass_on(line, log);
            } else {
                self.partial.extend_from_slice(line);
                pass_on(&self.partial, log);
                self.partial.clear();
            }
            bytes = &rest[1..];
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > LONGEST_LINE {
            pass_on(&self.partial, log);
            self.partial.clear();
        }
    }
}

impl AsFd for Collector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

fn pass_on(line: &[u8], log: &Log) {
    match line.split_first() {
        Some((&REQUEST_MARK, line)) => log.pass_on(line, true),
        _ => log.pass_on(line, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_config::settings::{LogTarget, Logger};
    use std::fs;
    use std::io::Write;

    #[test]
    fn lines_in_pieces_become_whole_and_request_lines_go_their_own_way() {
        let root = tempfile::tempdir().unwrap();
        let (all, requests) = (root.path().join("all"), root.path().join("requests"));
        let settings = LogSettings {
            loggers: vec![Logger { name: None, target: LogTarget::File(all.clone()) }],
            request_loggers: vec![Logger { name: None, target: LogTarget::File(requests.clone()) }],
            ..LogSettings::default()
        };
        let log = Log::open(&settings, None).unwrap();
        let mut collector = Collector::new(&settings).unwrap().unwrap();
        let mut writer = File::from(collector.write_end().try_clone_to_owned().unwrap());
        for piece in ["hel", "lo\n\x1eGET /\nwor", "ld\nrest"] {
            writer.write_all(piece.as_bytes()).unwrap();
            collector.drain(&log);
        }
        assert_eq!(fs::read_to_string(&all).unwrap(), "hello\nworld\n");
        collector.finish(&log);
        assert_eq!(fs::read_to_string(&all).unwrap(), "hello\nworld\nrest\n");
        assert_eq!(fs::read_to_string(&requests).unwrap(), "GET /\n");
    }

    #[test]
    fn without_a_logger_there_is_no_pipe() {
        assert!(Collector::new(&LogSettings::default()).unwrap().is_none());
    }
}
