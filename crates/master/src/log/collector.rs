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

/// Bytes one read can take, and bytes that the pipe should hold: workers write what has gathered in some milliseconds.
const READ_BUFFER: usize = 64 * 1024;
const PIPE: usize = 1 << 20;

/// Both ends of the pipe; the write end is given to every zygote.
#[derive(Debug)]
pub struct Collector {
    read: File,
    write: OwnedFd,
    buffer: Box<[u8]>,
    /// What has arrived without the end of its line.
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
        process::widen_pipe(&read, PIPE);
        let buffer = vec![0; READ_BUFFER].into_boxed_slice();
        Ok(Some(Self { read: File::from(read), write, buffer, partial: Vec::new() }))
    }

    /// What zygotes and workers write to.
    #[must_use]
    pub fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// Passes on the lines that have arrived.
    pub fn drain(&mut self, log: &Log) {
        let mut taken = 0;
        while taken < TURN {
            match self.read.read(&mut self.buffer) {
                Ok(0) => return,
                Ok(length) => {
                    taken += length;
                    self.partial.extend_from_slice(&self.buffer[..length]);
                    self.pass_on_whole(log);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Passes on everything, a last line without an end too: nobody is left to end it.
    pub fn finish(&mut self, log: &Log) {
        self.drain(log);
        self.end_line(log);
    }

    fn pass_on_whole(&mut self, log: &Log) {
        if let Some(end) = memchr::memrchr(b'\n', &self.partial) {
            pass_on(&self.partial[..=end], log);
            self.partial.drain(..=end);
        }
        if self.partial.len() > LONGEST_LINE {
            self.end_line(log);
        }
    }

    fn end_line(&mut self, log: &Log) {
        if !self.partial.is_empty() {
            self.partial.push(b'\n');
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

/// Passes on whole lines, those of one kind that follow each other together and without their marks.
fn pass_on(lines: &[u8], log: &Log) {
    let mut run = Vec::with_capacity(lines.len());
    let (mut start, mut of_requests) = (0, false);
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = &lines[start..=end];
        start = end + 1;
        let (is_request, line) = match line {
            [REQUEST_MARK, line @ ..] => (true, line),
            _ => (false, line),
        };
        if is_request != of_requests && !run.is_empty() {
            log.pass_on(&run, of_requests);
            run.clear();
        }
        of_requests = is_request;
        run.extend_from_slice(line);
    }
    log.pass_on(&run, of_requests);
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
