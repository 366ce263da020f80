//! An answer on its way in: bytes of the connection to head, body and the lines that `-v` shows.

use crate::error::Foreign;
use crate::message::visible;
use crate::{Call, Protocol};
use margrave_wire::answer::{self, Body, Form, Head};
use margrave_wire::fastcgi::{AnswerDecoder, AnswerPart};
use margrave_wire::{BodyDecoder, BodyLength, Limits};

/// Longest head of an answer.
const HEAD: usize = 1024 * 1024;
/// Longest line of an application's complaint that is kept until its end comes.
const COMPLAINT: usize = 8 * 1024;
const ENDS: [&str; 4] = [
    "REQUEST_COMPLETE",
    "CANT_MPX_CONN: it serves one request at a time",
    "OVERLOADED: it serves too many requests at present",
    "UNKNOWN_ROLE: it is no responder",
];

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Of the body, or of the whole answer where the head is wanted too.
    pub(crate) output: Vec<u8>,
    /// For `-v`.
    pub(crate) lines: Vec<String>,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Reading {
    method: Vec<u8>,
    shows_head: bool,
    records: Option<AnswerDecoder>,
    head: Option<Head>,
    /// Bytes that are not a whole head yet.
    held: Vec<u8>,
    body: Option<Framed>,
    /// The last line of an application's complaint, not ended yet.
    complaint: Vec<u8>,
    body_len: u64,
    /// FastCGI's END_REQUEST: the protocol's status.
    end: Option<u8>,
}

/// What ends the body.
#[derive(Debug)]
enum Framed {
    Decoded(Box<BodyDecoder>),
    Close,
}

impl Reading {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            method: call.method.clone().into_bytes(),
            shows_head: call.shows_head,
            records: (call.protocol == Protocol::Fastcgi).then(AnswerDecoder::default),
            head: None,
            held: Vec::new(),
            body: None,
            complaint: Vec::new(),
            body_len: 0,
            end: None,
        }
    }

    /// Takes bytes in.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<Found, Foreign> {
        let mut found = Found::default();
        let Some(mut records) = self.records.take() else {
            self.take_answer(bytes, &mut found)?;
            return Ok(found);
        };
        while !bytes.is_empty() && self.end.is_none() {
            let step = records.decode(bytes)?;
            match step.part {
                AnswerPart::Nothing => {}
                AnswerPart::Stdout(at) => self.take_answer(&bytes[at], &mut found)?,
                AnswerPart::Stderr(at) => self.take_complaint(&bytes[at], &mut found),
                AnswerPart::End { app_status, protocol_status } => {
                    self.end = Some(protocol_status);
                    self.end_complaint(&mut found);
                    let name = end_name(protocol_status);
                    found.lines.push(format!("END_REQUEST: application status {app_status}, {name}"));
                }
            }
            bytes = &bytes[step.used..];
        }
        self.records = Some(records);
        Ok(found)
    }

    /// Nothing more is to be waited for.
    pub(crate) fn is_done(&self) -> bool {
        match (&self.records, &self.body) {
            (Some(_), _) => self.end.is_some(),
            (None, Some(Framed::Decoded(decoder))) => decoder.is_done(),
            (None, _) => false,
        }
    }

    /// The connection has ended: whether the answer is whole.
    pub(crate) fn is_whole(&self) -> bool {
        let framed = match &self.body {
            Some(Framed::Decoded(decoder)) => decoder.is_done(),
            Some(Framed::Close) => true,
            None => false,
        };
        framed && (self.records.is_none() || self.end == Some(0))
    }

    /// Nothing of an answer has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none() && self.held.is_empty() && self.end.is_none()
    }

    /// FastCGI: what the server said instead of an answer.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.end.filter(|&status| status != 0).map(end_name)
    }

    /// The status, once the head is there.
    pub(crate) fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// Bytes of body so far.
    pub(crate) fn body_len(&self) -> u64 {
        self.body_len
    }

    fn take_answer(&mut self, bytes: &[u8], found: &mut Found) -> Result<(), Foreign> {
        if self.body.is_some() {
            return self.take_body(bytes, found);
        }
        self.held.extend_from_slice(bytes);
        while let Some(head) = answer::decode(&self.held, HEAD)? {
            let rest = self.held.split_off(head.used);
            let text = std::mem::replace(&mut self.held, rest);
            found.lines.extend(shown(&head));
            if self.shows_head {
                found.output.extend_from_slice(&text);
            }
            // Interim answers come before the one that counts; 101 is that one.
            if (100..200).contains(&head.status) && head.status != 101 {
                continue;
            }
            let framed = |length| {
                let decoder = BodyDecoder::new(length, &Limits { body: None, ..Limits::default() });
                Framed::Decoded(Box::new(decoder))
            };
            self.body = Some(match head.body(&self.method)? {
                Body::None => framed(BodyLength::None),
                Body::Length(length) => framed(BodyLength::Known(length)),
                Body::Chunked => framed(BodyLength::Chunked),
                Body::Close => Framed::Close,
            });
            self.head = Some(head);
            let rest = std::mem::take(&mut self.held);
            return self.take_body(&rest, found);
        }
        Ok(())
    }

    fn take_body(&mut self, mut bytes: &[u8], found: &mut Found) -> Result<(), Foreign> {
        while !bytes.is_empty() {
            let (used, data) = match &mut self.body {
                Some(Framed::Decoded(decoder)) => {
                    let step = decoder.decode(bytes)?;
                    // What comes behind the end belongs to nobody.
                    (if step.used == 0 { bytes.len() } else { step.used }, step.data)
                }
                _ => (bytes.len(), 0..bytes.len()),
            };
            self.body_len += data.len() as u64;
            found.output.extend_from_slice(&bytes[data]);
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// What an application complained of, line by line.
    fn take_complaint(&mut self, bytes: &[u8], found: &mut Found) {
        for &byte in bytes {
            if byte == b'\n' || self.complaint.len() == COMPLAINT {
                self.end_complaint(found);
            }
            if byte != b'\n' {
                self.complaint.push(byte);
            }
        }
    }

    fn end_complaint(&mut self, found: &mut Found) {
        if !self.complaint.is_empty() {
            let line = visible(&String::from_utf8_lossy(&self.complaint));
            found.lines.push(format!("STDERR: {line}"));
            self.complaint.clear();
        }
    }
}

fn end_name(status: u8) -> &'static str {
    ENDS.get(usize::from(status)).copied().unwrap_or("a protocol status that does not exist")
}

/// A head as lines.
fn shown(head: &Head) -> Vec<String> {
    let text = |bytes: &[u8]| visible(&String::from_utf8_lossy(bytes));
    let first = match head.form {
        Form::Http { minor } => format!("HTTP/1.{minor} {} {}", head.status, text(&head.reason)),
        Form::Script => format!("Status: {} {}", head.status, text(&head.reason)),
    };
    let fields = head.fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value)));
    std::iter::once(first.trim_end().to_owned()).chain(fields).collect()
}
