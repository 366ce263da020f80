//! A request body: in memory up to a bound, then in a temporary file.
//!
//! Most bodies are complete before their application starts, so that reading never waits for a client. One that is
//! not ([`Body::is_pending`]) grows while it is read; beyond the bound on what is read ahead, what has been read of it
//! is dropped.

use margrave_wire::BodyLength;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The body of one request, with a reading position.
#[derive(Debug, Default)]
pub struct Body {
    store: Store,
    /// Bytes that have arrived.
    length: u64,
    position: u64,
    /// Bytes from the start that have been read and dropped.
    dropped: u64,
    /// More may come.
    pending: bool,
}

#[derive(Debug, Default)]
enum Store {
    #[default]
    Empty,
    Memory(Vec<u8>),
    File(File),
}

impl Body {
    /// Nothing yet of a body of this length; room for all of it up to `memory` bytes, because a buffer that grows is
    /// copied over and over.
    pub(crate) fn announced(length: BodyLength, memory: usize) -> Self {
        let BodyLength::Known(length) = length else { return Self::default() };
        let room = usize::try_from(length).map_or(memory, |length| length.min(memory));
        Self { store: Store::Memory(Vec::with_capacity(room)), ..Self::default() }
    }

    /// Bytes in the body; of a pending one, those that have arrived.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that have arrived and were not read yet.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.length - self.position
    }

    /// More may come: [`crate::Exchange::await_body`] waits for it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// The unread bytes, when they are in memory; [`Self::advance`] marks them as read.
    #[must_use]
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Empty => Some(&[]),
            Store::Memory(bytes) => bytes.get(usize::try_from(self.position - self.dropped).ok()?..),
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
        let end = self.length - self.dropped;
        match &mut self.store {
            Store::Empty if bytes.len() <= memory => self.store = Store::Memory(bytes.to_vec()),
            Store::Empty => self.store = Store::File(spill(&[], bytes)?),
            Store::Memory(held) if held.len() + bytes.len() <= memory => held.extend_from_slice(bytes),
            Store::Memory(held) => self.store = Store::File(spill(held, bytes)?),
            Store::File(file) => file.write_all_at(bytes, end)?,
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// A body of up to `length` bytes that is in a file already.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no regular one.
    pub(crate) fn from_file(path: &Path, length: u64) -> io::Result<Self> {
        let found = path.metadata()?;
        // Opening anything else could wait for ever.
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let file = File::open(path)?;
        Ok(Self { store: Store::File(file), length: found.len().min(length), ..Self::default() })
    }

    /// Says whether more may come.
    pub(crate) fn set_pending(&mut self, pending: bool) {
        self.pending = pending;
    }

    /// Adds bytes that arrived while the body is read. Once it has more than `kept` bytes, those that have been read
    /// go, so that a body of any length takes little room.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written.
    pub(crate) fn push_late(&mut self, bytes: Vec<u8>, memory: usize, kept: u64) -> io::Result<()> {
        if self.position == self.length && (self.dropped > 0 || self.length >= kept) {
            self.dropped = self.length;
            self.length += bytes.len() as u64;
            self.store = Store::Memory(bytes);
            return Ok(());
        }
        self.push(&bytes, memory)
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
        if target < self.dropped {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "that part was read and dropped"));
        }
        // As in a file, a position behind the end reads as the end.
        self.position = target.min(self.length);
        Ok(target)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.position - self.dropped;
        let count = match &mut self.store {
            Store::Empty => 0,
            Store::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(bytes.len());
                bytes.get(start..).unwrap_or_default().read(buffer)?
            }
            Store::File(file) => file.read_at(buffer, start)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// Why something cannot be kept in a temporary file, and what to do.
pub(crate) struct NoStore<'a>(pub(crate) &'a io::Error);

impl fmt::Display for NoStore<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = std::env::temp_dir();
        write!(
            formatter,
            "{} in {}; free space there, or set TMPDIR to another directory",
            self.0,
            place.display()
        )
    }
}

fn spill(held: &[u8], more: &[u8]) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    file.write_all_at(held, 0)?;
    file.write_all_at(more, held.len() as u64)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_the_same_from_memory_and_from_a_file() {
        for memory in [0, 3, 5, 8, 100] {
            for length in [BodyLength::Chunked, BodyLength::Known(10)] {
                let mut body = Body::announced(length, memory);
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

    #[test]
    fn a_body_that_grows_while_it_is_read_keeps_its_start_up_to_a_bound_and_little_beyond_it() {
        let mut body = Body::default();
        body.push(b"0123", 6).unwrap();
        body.set_pending(true);
        let mut four = [0; 4];
        body.read_exact(&mut four).unwrap();
        body.push_late(b"4567".to_vec(), 6, 8).unwrap();
        assert!(body.in_memory().is_none(), "past the memory bound, and still whole");
        body.read_exact(&mut four).unwrap();
        assert_eq!((&four, body.seek(SeekFrom::Start(2)).unwrap()), (b"4567", 2));
        body.seek(SeekFrom::End(0)).unwrap();
        for piece in [&b"89ab"[..], b"cdefghijk"] {
            body.push_late(piece.to_vec(), 6, 8).unwrap();
            assert_eq!(body.in_memory(), Some(piece));
            body.advance(piece.len());
        }
        assert_eq!((body.len(), body.remaining()), (21, 0));
        assert!(body.seek(SeekFrom::Start(2)).is_err(), "it has been dropped");
    }
}
