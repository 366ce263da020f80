//! Response bytes that the socket has not taken yet, in order, with their number.

use crate::kept::Kept;
use crate::pace::{Pace, Patience};
use margrave_sys::net;
use margrave_wire::fastcgi::{self, Kind};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes handed to one `sendfile` call, so that one download does not hold the reactor.
const FILE_STEP: usize = 1 << 20;
/// Most pieces in memory that go out in one call.
const GATHERED: usize = 8;

/// What is owed to one connection.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Piece>,
    /// Bytes in memory; what is in files does not count.
    buffered: usize,
    /// Bytes sent from here, those of files included.
    sent: u64,
    /// Begun when there was something to take.
    pace: Option<Pace>,
    /// What the kernel held when the socket took no more, or when it was asked last.
    queued: Option<u32>,
}

/// What was in memory at the end of an output, taken out of it.
#[derive(Debug, Default)]
pub(crate) struct Unsent(VecDeque<Piece>);

#[derive(Debug)]
enum Piece {
    Bytes {
        bytes: Vec<u8>,
        sent: usize,
    },
    /// What several connections may be sent at once.
    Shared {
        bytes: Arc<[u8]>,
        sent: usize,
        end: usize,
    },
    /// What stays where the application made it.
    Kept(Kept),
    File {
        file: Arc<File>,
        offset: u64,
        left: u64,
    },
    /// A file in FastCGI's records, of which the one on its way is in memory.
    RecordedFile {
        file: Arc<File>,
        offset: u64,
        left: u64,
        id: u16,
        record: Vec<u8>,
        sent: usize,
    },
}

impl Unsent {
    /// The bytes, piece by piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(Piece::in_memory)
    }

    fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }
}

impl Output {
    /// Whether everything has been sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes held in memory.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Bytes sent from here, those of files included.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The client has taken bytes, or is to take the first ones; says when it is too late with the next ones.
    pub(crate) fn advance(&mut self, now: Duration, taken: u64, patience: Patience) -> Duration {
        self.pace.get_or_insert(Pace::begin(now)).advance(now, taken, patience)
    }

    /// Whether the client has taken some of what the kernel holds, since the socket took no more or this was asked last. A
    /// socket says that there is room again only when a third is free, for which a slow client takes many seconds.
    pub(crate) fn is_taken(&mut self, connection: BorrowedFd<'_>) -> bool {
        let queued = net::queued(connection).ok();
        let before = std::mem::replace(&mut self.queued, queued);
        queued.zip(before).is_some_and(|(now, before)| now < before)
    }

    /// Adds bytes behind what is owed.
    pub(crate) fn push(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        self.buffered += more.len();
        if let Some(Piece::Bytes { bytes, sent }) = self.pieces.back_mut() {
            // Sent bytes at the front would only grow; give them back before the vector must.
            if bytes.len() + more.len() > bytes.capacity() && *sent > bytes.len() / 2 {
                bytes.drain(..*sent);
                *sent = 0;
            }
            bytes.extend_from_slice(more);
            return;
        }
        self.pieces.push_back(Piece::Bytes { bytes: more.to_vec(), sent: 0 });
    }

    /// Adds what stays where the application made it.
    pub(crate) fn push_kept(&mut self, kept: Kept) {
        self.buffered += kept.bytes().len();
        self.pieces.push_back(Piece::Kept(kept));
    }

    /// Takes back the bytes in memory that would be sent last.
    pub(crate) fn take_back(&mut self) -> Unsent {
        let theirs = self.pieces.iter().rposition(|piece| !piece.is_buffered()).map_or(0, |place| place + 1);
        let unsent = Unsent(self.pieces.split_off(theirs));
        self.buffered -= unsent.len();
        unsent
    }

    /// Adds again what was taken back.
    pub(crate) fn push_back(&mut self, unsent: Unsent) {
        self.buffered += unsent.len();
        self.pieces.extend(unsent.0);
    }

    /// Parts of files are owed.
    pub(crate) fn has_files(&self) -> bool {
        self.pieces.iter().any(|piece| piece.in_memory().is_none())
    }

    /// Adds a part of shared bytes behind what is owed, without copying them.
    pub(crate) fn push_shared(&mut self, bytes: Arc<[u8]>, part: Range<usize>) {
        if !part.is_empty() {
            self.pieces.push_back(Piece::Shared { bytes, sent: part.start, end: part.end });
        }
    }

    /// Adds a part of a file behind what is owed.
    pub(crate) fn push_file(&mut self, file: impl Into<Arc<File>>, offset: u64, length: u64) {
        let file = file.into();
        if let Some(Piece::File { file: last, offset: start, left }) = self.pieces.back_mut()
            && Arc::ptr_eq(last, &file)
            && *start + *left == offset
        {
            *left += length;
            return;
        }
        if length > 0 {
            self.pieces.push_back(Piece::File { file, offset, left: length });
        }
    }

    /// The same in FastCGI's records.
    pub(crate) fn push_recorded_file(
        &mut self,
        file: impl Into<Arc<File>>,
        offset: u64,
        length: u64,
        id: u16,
    ) {
        if length > 0 {
            let (file, record) = (file.into(), Vec::new());
            self.pieces.push_back(Piece::RecordedFile { file, offset, left: length, id, record, sent: 0 });
        }
    }

    /// Sends until the socket takes no more. `Ok(true)` when nothing is owed any longer; our side of the connection then
    /// `closes` with the last bytes.
    ///
    /// # Errors
    /// When the connection broke, or a file ended before its promised length.
    pub(crate) fn flush(&mut self, connection: BorrowedFd<'_>, closes: bool) -> io::Result<bool> {
        while let Some(piece) = self.pieces.front_mut() {
            let result = if piece.in_memory().is_some() {
                self.send_memory(connection, closes)
            } else {
                let result = piece.send(connection);
                if piece.is_done() {
                    self.pieces.pop_front();
                }
                result
            };
            match result {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queued = net::queued(connection).ok();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.pace = None;
        Ok(true)
    }

    /// Sends the pieces in memory at the front in one call.
    fn send_memory(&mut self, connection: BorrowedFd<'_>, closes: bool) -> io::Result<usize> {
        let gathered = self.pieces.iter().map_while(Piece::in_memory).take(GATHERED);
        let mut slices = [IoSlice::new(&[]); GATHERED];
        let mut filled = 0;
        for bytes in gathered {
            slices[filled] = IoSlice::new(bytes);
            filled += 1;
        }
        let slices = &slices[..filled];
        let count = match self.pieces.get(slices.len()) {
            Some(Piece::File { .. }) => net::send_before_file(connection, slices)?,
            None if closes => net::send_last(connection, slices)?,
            _ if slices.len() == 1 => net::send(connection, &slices[0])?,
            _ => net::send_vectored(connection, slices)?,
        };
        let mut left = count;
        while let Some(piece) = self.pieces.front_mut().filter(|_| left > 0) {
            let taken = left.min(piece.in_memory().map_or(0, <[u8]>::len));
            left -= taken;
            if piece.is_buffered() {
                self.buffered -= taken;
            }
            piece.advance(taken);
            if piece.is_done() {
                self.pieces.pop_front();
            }
        }
        Ok(count)
    }
}

impl Piece {
    /// The bytes to send, of pieces in memory.
    fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes { bytes, sent } => Some(&bytes[*sent..]),
            Self::Shared { bytes, sent, end } => Some(&bytes[*sent..*end]),
            Self::Kept(kept) => Some(kept.bytes()),
            Self::File { .. } | Self::RecordedFile { .. } => None,
        }
    }

    /// It counts as held in memory for this connection.
    fn is_buffered(&self) -> bool {
        matches!(self, Self::Bytes { .. } | Self::Kept(_))
    }

    /// So many bytes of a piece in memory have been sent.
    fn advance(&mut self, taken: usize) {
        match self {
            Self::Bytes { sent, .. } | Self::Shared { sent, .. } => *sent += taken,
            Self::Kept(kept) => kept.advance(taken),
            Self::File { .. } | Self::RecordedFile { .. } => {}
        }
    }

    /// Sends of a piece that is not in memory.
    fn send(&mut self, connection: BorrowedFd<'_>) -> io::Result<usize> {
        match self {
            Self::Bytes { .. } | Self::Shared { .. } | Self::Kept(_) => Ok(0),
            Self::File { file, offset, left } => {
                let step = usize::try_from(*left).unwrap_or(FILE_STEP).min(FILE_STEP);
                let count = net::send_file(connection, file, offset, step)?;
                if count == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file shorter than announced"));
                }
                *left -= count as u64;
                Ok(count)
            }
            Self::RecordedFile { file, offset, left, id, record, sent } => {
                if *sent == record.len() {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(fastcgi::CONTENT_MAX);
                    read_record(file, *offset, length, *id, record)?;
                    *offset += length as u64;
                    *left -= length as u64;
                    *sent = 0;
                }
                let count = net::send(connection, &record[*sent..])?;
                *sent += count;
                Ok(count)
            }
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Bytes { bytes, sent } => *sent == bytes.len(),
            Self::Shared { sent, end, .. } => sent == end,
            Self::Kept(kept) => kept.bytes().is_empty(),
            Self::File { left, .. } => *left == 0,
            Self::RecordedFile { left, record, sent, .. } => *left == 0 && *sent == record.len(),
        }
    }
}

/// Makes a record of a part of a file.
fn read_record(file: &File, offset: u64, length: usize, id: u16, record: &mut Vec<u8>) -> io::Result<()> {
    let mut content = vec![0; length];
    file.read_exact_at(&mut content, offset)?;
    record.clear();
    fastcgi::encode_stream(Kind::Stdout, id, &content, record);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_file_in_records_arrives_in_order_through_a_socket_that_takes_little() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'f'; 300_000]).unwrap();
        let mut output = Output::default();
        output.push(b"start");
        output.push_recorded_file(file, 100, 200_001, 9);
        output.push(b"end");
        let mut expected = b"start".to_vec();
        fastcgi::encode_stream(Kind::Stdout, 9, &vec![b'f'; 200_001], &mut expected);
        expected.extend(b"end");
        let mut arrived = Vec::new();
        let mut buffer = vec![0; 10_000];
        while !output.flush(ours.as_fd(), false).unwrap() {
            let count = theirs.read(&mut buffer).unwrap();
            arrived.extend_from_slice(&buffer[..count]);
        }
        drop(ours);
        theirs.read_to_end(&mut arrived).unwrap();
        assert!(arrived == expected);
    }

    #[test]
    fn bytes_and_files_arrive_in_order_through_a_socket_that_takes_little() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'f'; 3_000_000]).unwrap();
        let mut output = Output::default();
        let mut expected = Vec::new();
        for letter in [b'a', b'b'] {
            output.push(&vec![letter; 400_000]);
            expected.extend(vec![letter; 400_000]);
        }
        let shared: Arc<[u8]> = vec![b's'; 500_000].into();
        for part in [0..300_000, 100..100, 400_000..500_000] {
            expected.extend(&shared[part.clone()]);
            output.push_shared(Arc::clone(&shared), part);
        }
        let tally = Arc::default();
        for part in [1..200_001, 7..8] {
            let block: Vec<u8> = (0..250_000u32).map(|number| number as u8).collect();
            expected.extend(&block[part.clone()]);
            output.push_kept(Kept::new(Box::new(block), part, &tally));
        }
        let unsent = output.take_back();
        assert_eq!(unsent.len(), 200_001, "up to what is nobody's own");
        output.push_back(unsent);
        output.push(b"head");
        expected.extend(b"head");
        output.push_file(file, 1_000_000, 2_000_000);
        expected.extend(vec![b'f'; 2_000_000]);
        output.push(b"end");
        expected.extend(b"end");
        assert_eq!(output.buffered(), 1_000_008, "shared bytes are nobody's own");
        let mut arrived = Vec::new();
        let mut buffer = vec![0; 100_000];
        while !output.flush(ours.as_fd(), false).unwrap() {
            let count = theirs.read(&mut buffer).unwrap();
            arrived.extend_from_slice(&buffer[..count]);
        }
        drop(ours);
        theirs.read_to_end(&mut arrived).unwrap();
        assert_eq!((output.buffered(), tally.bytes()), (0, 0));
        assert!(tally.take_let_go() && !tally.has_let_go());
        assert!(arrived == expected);
    }
}
