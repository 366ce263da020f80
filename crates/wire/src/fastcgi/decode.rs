//! Decodes what a front server sends on one connection.

use super::encode::{encode_end, encode_record};
use super::pairs::{self, Pairs};
use super::record::{HEADER, Header, KEEP_CONN, Kind, ProtocolStatus, RESPONDER};
use crate::request::{BodyLength, Request};
use crate::variables::{self, Block};
use crate::{BodyStep, Fault, Limits, Peer, WireError};
use alloc::vec::Vec;
use core::ops::Range;

/// What GET_VALUES is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// `FCGI_MAX_CONNS`: connections at a time.
    pub connections: u32,
    /// `FCGI_MAX_REQS`: requests at a time.
    pub requests: u32,
}

/// What became of bytes where a request's head was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// All bytes were consumed, and the head is not complete.
    Incomplete,
    /// The request is filled in; its body comes from [`Decoder::body`] unless its length is known to be 0.
    Request {
        /// Bytes of input consumed.
        used: usize,
    },
    /// The front server asked for what is not served, or took its request back, and wants the connection closed.
    Close {
        /// Bytes of input consumed.
        used: usize,
    },
}

/// What became of bytes where a request's body was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A piece of it. Call again until nothing is used or the body is done.
    Step(BodyStep),
    /// The front server took the request back; the answer to that is among the replies.
    Aborted {
        /// Bytes of input consumed.
        used: usize,
        /// The connection may carry another request.
        keep: bool,
    },
}

/// Decodes one connection's records. After an error it is of no further use.
#[derive(Clone, Debug)]
pub struct Decoder {
    capacity: Capacity,
    header: [u8; HEADER],
    header_len: usize,
    /// The record under way: its content's use, and what is left of content and padding.
    content: Content,
    content_left: usize,
    padding_left: usize,
    stage: Stage,
    /// The request under way, or the last one.
    id: u16,
    keep: bool,
    /// Content of PARAMS, or of a record that is needed whole.
    params: Vec<u8>,
    collected: Vec<u8>,
    /// Bytes of the body still to come, when that is known.
    body_left: Option<u64>,
    /// Bytes of the body that may still come, when that is limited.
    body_allowed: Option<u64>,
    /// Bytes of records that served no request, since the last request began.
    ignored: usize,
    /// How many of those there may be, and how many of PARAMS.
    head_limit: usize,
    replies: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No request is under way.
    Between,
    Params,
    Stdin,
}

/// What the content of a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Ignored,
    Begin { id: u16 },
    Params,
    Stdin,
    GetValues,
}

#[derive(Debug)]
enum Event {
    /// The PARAMS are complete.
    Params,
    /// Bytes of the body.
    Data(Range<usize>),
    /// The end of STDIN.
    End,
    Aborted,
    /// A request that is not served has been refused, and the connection is not to be kept.
    Refused,
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            header: [0; HEADER],
            header_len: 0,
            content: Content::Ignored,
            content_left: 0,
            padding_left: 0,
            stage: Stage::Between,
            id: 0,
            keep: false,
            params: Vec::new(),
            collected: Vec::new(),
            body_left: None,
            body_allowed: None,
            ignored: 0,
            head_limit: 0,
            replies: Vec::new(),
        }
    }

    /// Looks for the head of the next request, which fills `request`.
    ///
    /// A request without `CONTENT_LENGTH` has the body length [`BodyLength::Chunked`]: it ends when STDIN does.
    ///
    /// # Errors
    /// When the records are malformed or pass a limit.
    pub fn head(
        &mut self,
        input: &[u8],
        limits: &Limits,
        peer: &Peer<'_>,
        request: &mut Request,
    ) -> Result<Head, WireError> {
        self.head_limit = limits.head;
        let mut used = 0;
        loop {
            match self.advance(input, &mut used)? {
                None => return Ok(Head::Incomplete),
                Some(Event::Params) => {
                    let filled = self.fill(limits, peer, request);
                    return filled
                        .map(|()| Head::Request { used })
                        .map_err(|fault| WireError::new(fault, used));
                }
                Some(Event::Aborted) if self.keep => {}
                Some(Event::Aborted | Event::Refused) => return Ok(Head::Close { used }),
                Some(Event::Data(_) | Event::End) => {}
            }
        }
    }

    /// Decodes up to the end of one piece of body. The body is done when it has the length that was announced, or with
    /// the end of STDIN; what STDIN holds beyond the announced length is dropped.
    ///
    /// # Errors
    /// When the records are malformed, the body is too short, or passes a limit.
    pub fn body(&mut self, input: &[u8]) -> Result<Body, WireError> {
        let mut used = 0;
        if self.stage != Stage::Stdin {
            return Ok(Body::Step(BodyStep { done: true, ..BodyStep::default() }));
        }
        loop {
            let step = match self.advance(input, &mut used)? {
                None => BodyStep { used, data: used..used, done: false },
                Some(Event::Data(data)) => BodyStep { used, data, done: self.stage != Stage::Stdin },
                Some(Event::End) => BodyStep { used, data: used..used, done: true },
                Some(Event::Aborted) => return Ok(Body::Aborted { used, keep: self.keep }),
                Some(Event::Params | Event::Refused) => continue,
            };
            return Ok(Body::Step(step));
        }
    }

    /// Takes the records to be sent to the front server now.
    #[must_use]
    pub fn take_replies(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.replies)
    }

    /// The request under way or, between two, the last one; 0 before the first.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// A request has begun and is not yet complete: it can be refused by an answer to it.
    #[must_use]
    pub fn is_within_request(&self) -> bool {
        self.stage != Stage::Between
    }

    /// Nothing of a further request or record has arrived.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Between
            && self.header_len == 0
            && self.content_left == 0
            && self.padding_left == 0
    }

    /// The front server keeps the connection for more requests.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keep
    }

    /// Whether the front server takes back the request that is complete and being answered. `input` are the bytes
    /// behind it, which nobody has decoded yet; none of them is consumed.
    #[must_use]
    pub fn takes_back(&self, input: &[u8]) -> bool {
        let (mut header, begun) = (self.header, self.header_len);
        let mut at = self.content_left + self.padding_left;
        let mut have = begun;
        while let Some(rest) = input.get(at..at + HEADER - have) {
            header[have..].copy_from_slice(rest);
            at += HEADER - have;
            have = 0;
            match Header::read(header) {
                Ok(found) if found.id == self.id && found.kind == Kind::AbortRequest as u8 => return true,
                // From here on the number is another request's.
                Ok(found) if found.id == self.id && found.kind == Kind::BeginRequest as u8 => return false,
                Ok(found) => at += usize::from(found.content) + usize::from(found.padding),
                Err(_) => return false,
            }
        }
        false
    }

    /// What another process must know to go on with the connection behind a complete request: the request, and how
    /// many bytes to come belong to nothing. `None` where that is not all.
    #[must_use]
    pub fn suspend(&self) -> Option<(u16, u32)> {
        let rest = u32::try_from(self.content_left + self.padding_left).ok()?;
        (self.stage == Stage::Between && self.header_len == 0).then_some((self.id, rest))
    }

    /// Goes on, in a new decoder, where another one was suspended.
    pub fn resume(&mut self, (id, rest): (u16, u32)) {
        self.id = id;
        self.content_left = rest as usize;
    }

    /// Consumes input up to the next event, or all of it.
    fn advance(&mut self, input: &[u8], used: &mut usize) -> Result<Option<Event>, WireError> {
        while *used < input.len() {
            let rest = &input[*used..];
            let event = if self.content_left > 0 {
                let take = rest.len().min(self.content_left);
                let at = *used;
                self.take_content(&rest[..take], at, used)
            } else if self.padding_left > 0 {
                let take = rest.len().min(self.padding_left);
                self.padding_left -= take;
                *used += take;
                Ok(None)
            } else {
                let take = rest.len().min(HEADER - self.header_len);
                self.header[self.header_len..self.header_len + take].copy_from_slice(&rest[..take]);
                self.header_len += take;
                *used += take;
                if self.header_len == HEADER { self.open_record() } else { Ok(None) }
            };
            if let Some(event) = event.map_err(|fault| WireError::new(fault, *used))? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Uses bytes of content, which are at `at` in the input.
    fn take_content(&mut self, piece: &[u8], at: usize, used: &mut usize) -> Result<Option<Event>, Fault> {
        if self.content == Content::Stdin {
            return Ok(Some(self.take_body(piece.len(), at, used)));
        }
        *used += piece.len();
        self.content_left -= piece.len();
        match self.content {
            Content::Ignored => return Ok(None),
            Content::Params => self.params.extend_from_slice(piece),
            _ => self.collected.extend_from_slice(piece),
        }
        if self.content_left > 0 {
            return Ok(None);
        }
        let collected = core::mem::take(&mut self.collected);
        match self.content {
            Content::Begin { id } => self.begin(id, &collected),
            Content::GetValues => self.answer_values(&collected).map(|()| None),
            _ => Ok(None),
        }
    }

    fn take_body(&mut self, available: usize, at: usize, used: &mut usize) -> Event {
        let mut take = available;
        if let Some(left) = &mut self.body_left {
            take = usize::try_from(*left).map_or(available, |left| left.min(available));
            *left -= take as u64;
            if *left == 0 {
                self.stage = Stage::Between;
                self.content = Content::Ignored;
            }
        }
        self.content_left -= take;
        *used += take;
        Event::Data(at..at + take)
    }

    /// A header is complete: says what its content is for, and acts on what needs none.
    fn open_record(&mut self) -> Result<Option<Event>, Fault> {
        self.header_len = 0;
        let Header { kind: number, id, content, padding } =
            Header::read(self.header).map_err(Fault::RecordVersion)?;
        let length = usize::from(content);
        self.content_left = length;
        self.padding_left = usize::from(padding);
        let misplaced = Err(Fault::RecordOutOfPlace(number));
        let Some(kind) = Kind::from_number(number) else {
            encode_record(Kind::UnknownType, 0, &[number, 0, 0, 0, 0, 0, 0, 0], &mut self.replies);
            return self.ignore(HEADER + length).map(|()| None);
        };
        let mine = id == self.id && self.stage != Stage::Between;
        match kind {
            Kind::GetValues if id == 0 => {
                self.ignore(HEADER + length)?;
                self.content = Content::GetValues;
                if length == 0 { self.answer_values(&[]).map(|()| None) } else { Ok(None) }
            }
            _ if id == 0 => misplaced,
            Kind::BeginRequest if mine => misplaced,
            Kind::BeginRequest if length != 8 => Err(Fault::RecordLength),
            Kind::BeginRequest => {
                self.content = Content::Begin { id };
                Ok(None)
            }
            Kind::Params if mine => self.open_params(length),
            Kind::Stdin if mine => self.open_stdin(length),
            Kind::AbortRequest if mine => {
                self.content = Content::Ignored;
                self.stage = Stage::Between;
                encode_end(id, 0, ProtocolStatus::RequestComplete, &mut self.replies);
                Ok(Some(Event::Aborted))
            }
            // Of a request that was answered or refused, or for a role that is not served.
            Kind::Params | Kind::Stdin | Kind::Data | Kind::AbortRequest => {
                self.ignore(HEADER + length).map(|()| None)
            }
            Kind::EndRequest | Kind::Stdout | Kind::Stderr | Kind::GetValues | Kind::GetValuesResult => {
                misplaced
            }
            Kind::UnknownType => misplaced,
        }
    }

    fn open_params(&mut self, length: usize) -> Result<Option<Event>, Fault> {
        self.content = Content::Params;
        match (self.stage, length) {
            (Stage::Params, 0) => Ok(Some(Event::Params)),
            (Stage::Params, _) if self.params.len() + length > self.head_limit => Err(Fault::HeadTooLarge),
            (Stage::Params, _) => Ok(None),
            _ => Err(Fault::RecordOutOfPlace(Kind::Params as u8)),
        }
    }

    /// Counts the content before any of it is used, so that how it arrives makes no difference.
    fn open_stdin(&mut self, length: usize) -> Result<Option<Event>, Fault> {
        match (self.stage, length) {
            (Stage::Stdin, 0) if self.body_left.is_some() => return Err(Fault::BodyShort),
            (Stage::Stdin, 0) => {
                self.stage = Stage::Between;
                return Ok(Some(Event::End));
            }
            (Stage::Stdin, _) => {}
            _ => return Err(Fault::RecordOutOfPlace(Kind::Stdin as u8)),
        }
        let wanted =
            self.body_left.map_or(length, |left| usize::try_from(left).unwrap_or(length).min(length));
        if let Some(allowed) = &mut self.body_allowed {
            *allowed = allowed.checked_sub(wanted as u64).ok_or(Fault::BodyTooLarge)?;
        }
        self.ignore(length - wanted)?;
        self.content = Content::Stdin;
        Ok(None)
    }

    /// The content of the record, or what is left of it, serves no request.
    fn ignore(&mut self, bytes: usize) -> Result<(), Fault> {
        self.content = Content::Ignored;
        self.ignored += bytes;
        if self.ignored > self.head_limit { Err(Fault::RecordsIgnored) } else { Ok(()) }
    }

    fn begin(&mut self, id: u16, content: &[u8]) -> Result<Option<Event>, Fault> {
        let &[role1, role0, flags, ..] = content else { return Err(Fault::RecordLength) };
        let keep = flags & KEEP_CONN != 0;
        let refusal = match (self.stage, u16::from_be_bytes([role1, role0])) {
            (Stage::Between, RESPONDER) => {
                self.stage = Stage::Params;
                self.id = id;
                self.keep = keep;
                self.ignored = 0;
                self.params = Vec::new();
                return Ok(None);
            }
            (Stage::Between, _) => ProtocolStatus::UnknownRole,
            _ => ProtocolStatus::CantMpxConn,
        };
        self.ignore(HEADER + content.len())?;
        encode_end(id, 0, refusal, &mut self.replies);
        let close = refusal == ProtocolStatus::UnknownRole && !keep;
        Ok(close.then_some(Event::Refused))
    }

    /// Answers for those of the variables asked for that there are.
    fn answer_values(&mut self, content: &[u8]) -> Result<(), Fault> {
        let (mut connections, mut requests) = (itoa::Buffer::new(), itoa::Buffer::new());
        let known: [(&[u8], &str); 3] = [
            (b"FCGI_MAX_CONNS", connections.format(self.capacity.connections)),
            (b"FCGI_MAX_REQS", requests.format(self.capacity.requests)),
            (b"FCGI_MPXS_CONNS", "0"),
        ];
        let mut asked = [false; 3];
        for pair in Pairs::new(content) {
            let (name, _) = pair?;
            for (asked, (known, _)) in asked.iter_mut().zip(known) {
                *asked |= name == known;
            }
        }
        let mut answer = Vec::new();
        for (_, (name, value)) in asked.iter().zip(known).filter(|(asked, _)| **asked) {
            pairs::encode(name, value.as_bytes(), &mut answer);
        }
        encode_record(Kind::GetValuesResult, 0, &answer, &mut self.replies);
        Ok(())
    }

    fn fill(&mut self, limits: &Limits, peer: &Peer<'_>, request: &mut Request) -> Result<(), Fault> {
        request.begin(peer);
        let params = core::mem::take(&mut self.params);
        if params.is_empty() {
            return Err(Fault::ParamsEmpty);
        }
        request.head_len = params.len();
        request.keep_alive = self.keep;
        let mut block = Block::new(&params, limits, peer, request);
        for pair in Pairs::new(&params) {
            let (name, value) = pair?;
            block.push(name, value)?;
        }
        variables::conclude(limits, request)?;
        self.body_left = match request.body {
            BodyLength::Known(length) => Some(length),
            BodyLength::None | BodyLength::Chunked => None,
        };
        self.body_allowed = limits.body;
        if self.body_left.is_none() {
            request.body = BodyLength::Chunked;
        }
        self.stage = if self.body_left == Some(0) { Stage::Between } else { Stage::Stdin };
        Ok(())
    }
}
