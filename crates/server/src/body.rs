//! A request body, read ahead by the reactor: in memory up to a bound, then in a temporary file.
//!
//! Complete before the application starts, so that reading it never waits for a client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// The body of one request, with a reading position.
#[derive(Debug, Default)]
pub struct Body {
    store: Store,
    length: u64,
    position: u64,
}

#[derive(Debug, Default)]
enum Store {
    #[default]
    Empty,
    Memory(Vec<u8>),
    File(File),
}

impl Body {
    /// Bytes in the body.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.length - self.position
    }

    /// The unread bytes, when the body is in memory; [`Self::advance`] marks them as read.
    #[must_use]
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Empty => Some(&[]),
            Store::Memory(bytes) => bytes.get(usize::try_from(self.position).ok()?..),
            Store::File(_) => None,
        }
    }

    /// Marks up to `count` bytes that [`Self::in_memory`] showed as read.
    pub fn advance(&mut self, count: usize) {
        self.position = self.length.min(self.position + count as u64);
    }

    /// Adds bytes that arrived. Past `memory` bytes the body moves to a temporary file.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written.
    pub(crate) fn push(&mut self, bytes: &[u8], memory: usize) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.store {
            Store::Empty if bytes.len() <= memory => self.store = Store::Memory(bytes.to_vec()),
            Store::Empty => self.store = Store::File(spill(&[], bytes)?),
            Store::Memory(held) if held.len() + bytes.len() <= memory => held.extend_from_slice(bytes),
            Store::Memory(held) => self.store = Store::File(spill(held, bytes)?),
            Store::File(file) => file.write_all(bytes)?,
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Seek for Body {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => i64::try_from(offset).ok(),
            SeekFrom::Current(delta) => {
                i64::try_from(self.position).ok().and_then(|here| here.checked_add(delta))
            }
            SeekFrom::End(delta) => i64::try_from(self.length).ok().and_then(|end| end.checked_add(delta)),
        };
        let target =
            target.and_then(|target| u64::try_from(target).ok()).ok_or(io::ErrorKind::InvalidInput)?;
        if let Store::File(file) = &mut self.store {
            file.seek(SeekFrom::Start(target))?;
        }
        // As in a file, a position behind the end reads as the end.
        self.position = target.min(self.length);
        Ok(target)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.store {
            Store::Empty => 0,
            Store::Memory(bytes) => {
                let start = usize::try_from(self.position).unwrap_or(bytes.len());
                bytes.get(start..).unwrap_or_default().read(buffer)?
            }
            Store::File(file) => file.read(buffer)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

fn spill(held: &[u8], more: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(held)?;
    file.write_all(more)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_the_same_from_memory_and_from_a_file() {
        for memory in [0, 3, 5, 8, 100] {
            let mut body = Body::default();
            for piece in [&b"abc"[..], b"", b"defgh", b"ij"] {
                body.push(piece, memory).unwrap();
            }
            body.rewind().unwrap();
            assert!(body.seek(SeekFrom::Current(-1)).is_err());
            assert_eq!((body.len(), body.remaining()), (10, 10));
            assert_eq!(body.in_memory().is_some(), memory >= 10, "memory bound {memory}");
            let mut start = [0; 4];
            body.read_exact(&mut start).unwrap();
            assert_eq!(body.remaining(), 6);
            let mut rest = Vec::new();
            body.read_to_end(&mut rest).unwrap();
            assert_eq!([&start[..], &rest].concat(), b"abcdefghij");
            assert_eq!(body.remaining(), 0);
            assert_eq!(body.seek(SeekFrom::End(-3)).unwrap(), 7);
            rest.clear();
            body.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"hij");
        }
    }
}
