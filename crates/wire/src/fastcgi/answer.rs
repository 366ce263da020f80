//! Takes apart what a responder sends: for clients and tests.

use super::record::{HEADER, Header, Kind};
use crate::{Fault, WireError};
use core::ops::Range;

/// Content of END_REQUEST.
const END: usize = 8;

/// Decodes the records of answers, however they are cut. After an error it is of no further use.
#[derive(Clone, Debug, Default)]
pub struct AnswerDecoder {
    header: [u8; HEADER],
    header_len: usize,
    kind: Option<Kind>,
    content_left: usize,
    padding_left: usize,
    end: [u8; END],
    end_len: usize,
}

/// What one call found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerStep {
    /// Bytes of input consumed.
    pub used: usize,
    /// What they were.
    pub part: AnswerPart,
}

/// Part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerPart {
    /// Nothing to look at: headers, padding, records of no request.
    Nothing,
    /// The answer itself: these bytes of the input.
    Stdout(Range<usize>),
    /// Text for the front server's log: these bytes of the input.
    Stderr(Range<usize>),
    /// END_REQUEST.
    End {
        /// What a CGI script would exit with.
        app_status: u32,
        /// The protocol's side; see [`super::ProtocolStatus`].
        protocol_status: u8,
    },
}

impl AnswerDecoder {
    /// Decodes up to the end of one part; call again until nothing is used.
    ///
    /// # Errors
    /// When the bytes are no records, or records that a responder does not send.
    pub fn decode(&mut self, input: &[u8]) -> Result<AnswerStep, WireError> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            if self.content_left > 0 {
                let take = rest.len().min(self.content_left);
                self.content_left -= take;
                let content = used..used + take;
                used += take;
                let part = self.take(&input[content.clone()], content);
                if part != AnswerPart::Nothing {
                    return Ok(AnswerStep { used, part });
                }
            } else if self.padding_left > 0 {
                let take = rest.len().min(self.padding_left);
                self.padding_left -= take;
                used += take;
            } else {
                let take = rest.len().min(HEADER - self.header_len);
                self.header[self.header_len..self.header_len + take].copy_from_slice(&rest[..take]);
                self.header_len += take;
                used += take;
                if self.header_len == HEADER {
                    self.open_record().map_err(|fault| WireError::new(fault, used))?;
                }
            }
        }
        Ok(AnswerStep { used, part: AnswerPart::Nothing })
    }

    fn take(&mut self, bytes: &[u8], at: Range<usize>) -> AnswerPart {
        match self.kind {
            Some(Kind::Stdout) => AnswerPart::Stdout(at),
            Some(Kind::Stderr) => AnswerPart::Stderr(at),
            Some(Kind::EndRequest) => {
                self.end[self.end_len..self.end_len + bytes.len()].copy_from_slice(bytes);
                self.end_len += bytes.len();
                if self.end_len < END {
                    return AnswerPart::Nothing;
                }
                self.end_len = 0;
                let [status3, status2, status1, status0, protocol_status, ..] = self.end;
                let app_status = u32::from_be_bytes([status3, status2, status1, status0]);
                AnswerPart::End { app_status, protocol_status }
            }
            _ => AnswerPart::Nothing,
        }
    }

    fn open_record(&mut self) -> Result<(), Fault> {
        self.header_len = 0;
        let header = Header::read(self.header).map_err(Fault::RecordVersion)?;
        self.kind = Kind::from_number(header.kind);
        self.content_left = usize::from(header.content);
        self.padding_left = usize::from(header.padding);
        match self.kind {
            Some(Kind::EndRequest) if self.content_left != END => Err(Fault::RecordLength),
            Some(
                Kind::Stdout | Kind::Stderr | Kind::EndRequest | Kind::GetValuesResult | Kind::UnknownType,
            ) => Ok(()),
            _ => Err(Fault::RecordOutOfPlace(header.kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastcgi::{ProtocolStatus, encode_end, encode_stream, encode_stream_end};
    use alloc::vec::Vec;

    #[derive(Debug, Default)]
    struct Found {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        ends: Vec<(u32, u8)>,
    }

    /// What is found in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Found {
        let (mut decoder, mut found) = (AnswerDecoder::default(), Found::default());
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let step = decoder.decode(piece).unwrap();
                match step.part {
                    AnswerPart::Nothing => {}
                    AnswerPart::Stdout(at) => found.stdout.extend_from_slice(&piece[at]),
                    AnswerPart::Stderr(at) => found.stderr.extend_from_slice(&piece[at]),
                    AnswerPart::End { app_status, protocol_status } => {
                        found.ends.push((app_status, protocol_status));
                    }
                }
                piece = &piece[step.used..];
            }
        }
        found
    }

    #[test]
    fn answers_come_back_however_they_are_cut() {
        let body: Vec<u8> = (0..70_000u32).map(|number| number as u8).collect();
        let mut bytes = Vec::new();
        encode_stream(Kind::Stderr, 1, b"a word", &mut bytes);
        encode_stream(Kind::Stdout, 1, &body, &mut bytes);
        encode_stream_end(Kind::Stdout, 1, &mut bytes);
        encode_end(1, 0x0102_0304, ProtocolStatus::RequestComplete, &mut bytes);
        encode_stream(Kind::GetValuesResult, 0, b"\x01\x01ab", &mut bytes);
        encode_end(2, 0, ProtocolStatus::CantMpxConn, &mut bytes);
        for piece in [1, 2, 3, 7, 8, 9, 1000, bytes.len()] {
            let found = read(&bytes, piece);
            assert_eq!((found.stdout == body, &found.stderr[..]), (true, &b"a word"[..]), "{piece}");
            assert_eq!(found.ends, [(0x0102_0304, 0), (0, 1)], "{piece}");
        }
    }

    #[test]
    fn what_no_responder_sends_is_refused() {
        for (bytes, fault) in [
            (&b"HTTP/1.1 200 OK"[..], Fault::RecordVersion(b'H')),
            (b"\x01\x05\0\x01\0\0\0\0", Fault::RecordOutOfPlace(5)),
            (b"\x01\x63\0\x01\0\0\0\0", Fault::RecordOutOfPlace(0x63)),
            (b"\x01\x03\0\x01\0\x07\0\0", Fault::RecordLength),
        ] {
            assert_eq!(AnswerDecoder::default().decode(bytes).map_err(|error| error.fault), Err(fault));
        }
    }
}
