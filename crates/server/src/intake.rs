//! Reading: bytes from a connection become requests in the ready queue, or a refusal.

use crate::body::{Body, NoStore};
use crate::connection::{Next, Partial, Phase};
use crate::date::with_date;
use crate::live::BodyFault;
use crate::pace::Pace;
use crate::reactor::{Reactor, Work};
use crate::records;
use margrave_config::settings::Protocol;
use margrave_stats::scoreboard::Counter;
use margrave_sys::net;
use margrave_wire::{
    BodyDecoder, BodyLength, Decoded, Known, Peer as WirePeer, Request, WireError, encode_refusal, fastcgi,
    http1, scgi, uwsgi,
};
use std::ffi::OsStr;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of bodies that a worker's connections share before each of them gets less memory than `post-buffering`, and
/// what each of them gets in any case.
const BODIES_IN_MEMORY: usize = 64 * 1024 * 1024;
const BODY_SHARE_LEAST: usize = 64 * 1024;
/// Reads from one connection in its turn. With fewer, bodies that arrive together cost more: what a socket holds grows, and has
/// left the processor's caches when it is read.
pub(crate) const READS_AT_ONCE: usize = 8;
/// Bytes of a field's name that the log shows.
const SHOWN_NAME: usize = 64;

/// What the head decoders found.
enum Head {
    Incomplete,
    Request { used: usize },
    Ping { used: usize },
}

impl Reactor {
    /// Reads and decodes until the socket is empty, a request waits to be answered, the connection has ended, or there is
    /// more than so many reads take: that is for its next turn.
    pub(crate) fn pump(&mut self, slot: usize, most: usize) {
        let mut reads = 0;
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(connection) = self.connections.get_mut(slot) {
            let may_read = match connection.phase {
                // Requests that are there already come first: reading on would only pile them up.
                Phase::Reading => connection.input.is_empty() || connection.head_began,
                Phase::Body | Phase::Draining | Phase::Lingering => true,
                Phase::Queued | Phase::InApp => {
                    connection.takes_body(self.site.http.body_memory) || connection.may_be_taken_back()
                }
                Phase::Held | Phase::Writing(_) => false,
            };
            if !connection.readable || !may_read {
                break;
            }
            match net::receive(connection.fd.as_fd(), &mut scratch) {
                Ok(0) => {
                    self.handle_end_of_input(slot);
                    break;
                }
                Ok(count) => {
                    // A short read empties an edge-triggered socket, except that the peer's end may still be behind it.
                    connection.readable = count == scratch.len() || connection.hangup;
                    self.feed(slot, &scratch[..count]);
                    self.received += count as u64;
                    reads += 1;
                    if count == scratch.len() && reads == most {
                        self.resumed.push_back(slot);
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.readable = false,
                Err(_) => {
                    self.close(slot);
                    break;
                }
            }
        }
        self.scratch = scratch;
    }

    /// Goes on with a connection in its turn: first with what was read before, when an answer is out, then with the socket.
    pub(crate) fn read_on(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        // Behind a request without its answer there is nothing to go on with yet.
        if !matches!(connection.phase, Phase::Queued | Phase::InApp | Phase::Held | Phase::Writing(_)) {
            let input = std::mem::take(&mut connection.input);
            if !input.is_empty() {
                self.feed(slot, &input);
            }
        }
        self.pump(slot, READS_AT_ONCE);
    }

    pub(crate) fn feed(&mut self, slot: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        match connection.phase {
            Phase::Reading if connection.awaits_proxy => self.feed_proxy(slot, bytes),
            Phase::Reading if connection.input.is_empty() => self.feed_head(slot, bytes),
            Phase::Reading => {
                // Without a line end nothing new can be complete; this keeps a head that drips in cheap.
                let decodes = memchr::memchr(b'\n', bytes).is_some() || self.is_binary(slot);
                let connection = &mut self.connections[slot];
                connection.input.extend_from_slice(bytes);
                if decodes || connection.input.len() > self.site.limits.head {
                    let input = std::mem::take(&mut connection.input);
                    self.feed_head(slot, &input);
                }
            }
            Phase::Body => self.feed_body(slot, bytes),
            Phase::Draining => self.feed_dropped(slot, bytes),
            Phase::Lingering => {}
            Phase::Queued | Phase::InApp => {
                self.feed_live(slot, bytes);
                self.look_for_abort(slot);
            }
            Phase::Held | Phase::Writing(_) => connection.input.extend_from_slice(bytes),
        }
    }

    fn is_binary(&self, slot: usize) -> bool {
        self.site.listeners[usize::from(self.connections[slot].listener)].protocol != Protocol::Http
    }

    fn feed_head(&mut self, slot: usize, bytes: &[u8]) {
        if let Some(records) = self.connections[slot].records.take() {
            return self.feed_records(slot, records, bytes);
        }
        let mut request = self.request();
        match self.decode(slot, bytes, &mut request) {
            Ok(Head::Request { used }) => self.begin(slot, request, &bytes[used..]),
            Ok(Head::Incomplete) => {
                self.recycle(request);
                self.keep_partial_head(slot, bytes);
            }
            Ok(Head::Ping { used }) => {
                self.recycle(request);
                let connection = &mut self.connections[slot];
                connection.input.extend_from_slice(&bytes[used..]);
                connection.output.push(uwsgi::PONG);
                self.answer(slot, Next::Close);
            }
            Err(error) => {
                self.recycle(request);
                self.refuse_head(slot, &error, bytes);
            }
        }
    }

    /// Says which field has made a head too large, as its author knows it by that.
    #[cold]
    fn refuse_head(&mut self, slot: usize, error: &WireError, head: &[u8]) {
        let largest =
            if error.status() == 431 && !self.is_binary(slot) { http1::largest_field(head) } else { None };
        let detail = largest.map_or(String::new(), |(name, size)| {
            let name = &name[..name.len().min(SHOWN_NAME)];
            format!("; its largest field is {} with {size} bytes", name.escape_ascii())
        });
        self.site.log.refusal(self.now, &self.connections[slot].peer.host, error, &detail);
        self.connections[slot].asks_for_head = http1::asks_for_head(head);
        self.refuse_with(slot, error.status());
    }

    fn keep_partial_head(&mut self, slot: usize, bytes: &[u8]) {
        self.connections[slot].input.extend_from_slice(bytes);
        self.note_head(slot);
    }

    /// A head is on its way.
    pub(crate) fn note_head(&mut self, slot: usize) {
        let deadline = self.now + self.limited(self.site.http.head_timeout);
        let connection = &mut self.connections[slot];
        // The time for a head runs from its first byte; later bytes do not prolong it.
        if !std::mem::replace(&mut connection.head_began, true) {
            connection.deadline = deadline;
        }
    }

    fn decode(&self, slot: usize, bytes: &[u8], request: &mut Request) -> Result<Head, WireError> {
        let connection = &self.connections[slot];
        let listener = &self.site.listeners[usize::from(connection.listener)];
        let peer = WirePeer {
            server_name: self.site.host_name.as_bytes(),
            server_port: listener.port.as_bytes(),
            remote_addr: connection.peer.host.as_bytes(),
            remote_port: if listener.routes { connection.peer.port.as_bytes() } else { b"" },
            router: if listener.routes { b"http" } else { b"" },
            trusted: connection.peer.trusted,
            underscore_fields: self.site.http.underscore_headers,
            dynamic_apps: self.site.http.dynamic_apps,
        };
        Ok(match listener.protocol {
            Protocol::Http => match http1::decode(bytes, &self.site.limits, &peer, request)? {
                Decoded::Incomplete => Head::Incomplete,
                Decoded::Complete { used } => Head::Request { used },
            },
            Protocol::Uwsgi => match uwsgi::decode(bytes, &self.site.limits, &peer, request)? {
                uwsgi::Decoded::Incomplete => Head::Incomplete,
                uwsgi::Decoded::Request { used } => Head::Request { used },
                uwsgi::Decoded::Ping { used } => Head::Ping { used },
            },
            Protocol::Scgi | Protocol::ScgiNph => {
                match scgi::decode(bytes, &self.site.limits, &peer, request)? {
                    Decoded::Incomplete => Head::Incomplete,
                    Decoded::Complete { used } => Head::Request { used },
                }
            }
            // Its decoder is the connection's: see `feed_records`.
            Protocol::Fastcgi | Protocol::FastcgiNph => Head::Incomplete,
        })
    }

    /// A head is complete; `rest` are the bytes behind it.
    pub(crate) fn begin(&mut self, slot: usize, mut request: Box<Request>, rest: &[u8]) {
        let most = self.site.http.keepalive_requests;
        let connection = &mut self.connections[slot];
        connection.served = connection.served.saturating_add(1);
        connection.head_began = false;
        connection.asks_for_head = request.var(Known::RequestMethod) == Some(b"HEAD");
        self.site.believe_hops(&mut request);
        request.keep_alive &= connection.served != most;
        if request.body == BodyLength::None {
            connection.input.extend_from_slice(rest);
            return self.queue(slot, request, Body::default());
        }
        if let Some(body) = self.stored_body(slot, &request) {
            self.connections[slot].input.extend_from_slice(rest);
            return self.queue(slot, request, body);
        }
        let decoder = BodyDecoder::new(request.body, &self.site.limits);
        let waits = request.expect_continue && rest.is_empty();
        let body = Body::announced(request.body, self.body_memory());
        let partial = Box::new(Partial { request, decoder, body, pace: Pace::begin(self.now) });
        if waits && self.may_go_live() && self.find_file(&partial.request).is_none() {
            return self.go_live(slot, *partial, true);
        }
        let connection = &mut self.connections[slot];
        connection.phase = Phase::Body;
        connection.partial = Some(partial);
        if waits {
            connection.output.push(http1::CONTINUE);
            self.flush(slot);
        }
        self.feed_body(slot, rest);
    }

    /// UWSGI_POSTFILE: the front server has the body in a file. A file that cannot be read is no body, as in uWSGI,
    /// which then waits for the bytes.
    fn stored_body(&self, slot: usize, request: &Request) -> Option<Body> {
        let path = request.var(Known::UwsgiPostfile).filter(|path| !path.is_empty())?;
        let connection = &self.connections[slot];
        let BodyLength::Known(length) = request.body else { return None };
        if !connection.peer.trusted || connection.records.is_some() {
            return None;
        }
        let opened = Body::from_file(Path::new(OsStr::from_bytes(path)), length);
        if let Err(error) = &opened {
            let path = String::from_utf8_lossy(path);
            self.site.log.say(format_args!("the front server names {path:?} (UWSGI_POSTFILE): {error}"));
        }
        opened.ok()
    }

    /// Bytes of one body that may be in memory now.
    fn body_memory(&self) -> usize {
        body_share(self.site.http.body_memory, self.connections.len())
    }

    fn feed_body(&mut self, slot: usize, bytes: &[u8]) {
        let (memory, ahead) = (self.body_memory(), self.site.http.body_file);
        let (now, patience) = (self.now, self.body_patience());
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let Some(mut partial) = connection.partial.take() else { return };
        let Partial { decoder, body, pace, .. } = &mut *partial;
        connection.deadline = pace.advance(now, bytes.len() as u64, patience);
        let fed =
            feed_body(decoder, connection.records.as_deref_mut(), bytes, |piece| body.push(piece, memory));
        let replies = connection.records.as_mut().map(|records| records.take_replies());
        match fed {
            Ok(Fed::Part) => {
                let is_full = partial.body.len() >= ahead.max(1);
                if is_full {
                    connection.output.push(&replies.unwrap_or_default());
                    return self.overflow(slot, partial);
                }
                connection.partial = Some(partial);
                self.reply(slot, &replies.unwrap_or_default());
            }
            Ok(Fed::Whole { used }) => {
                connection.input.extend_from_slice(&bytes[used..]);
                let Partial { request, body, .. } = *partial;
                self.reply(slot, &replies.unwrap_or_default());
                if self.connections.contains(slot) {
                    self.queue(slot, request, body);
                } else {
                    self.recycle(request);
                }
            }
            Ok(Fed::TakenBack { used, keep }) => {
                connection.input.extend_from_slice(&bytes[used..]);
                connection.output.push(&replies.unwrap_or_default());
                self.recycle(partial.request);
                self.site.slot.add(Counter::Aborted, 1);
                self.answer(slot, if keep { Next::Read } else { Next::Linger });
            }
            Err(BodyFailure::Wire(error)) => {
                self.recycle(partial.request);
                self.refuse(slot, &error);
            }
            Err(BodyFailure::Store(error)) => {
                self.recycle(partial.request);
                self.site
                    .log
                    .say(format_args!("cannot store a request body: {}; answered 500", NoStore(&error)));
                self.refuse_with(slot, 500);
            }
        }
    }

    /// A request is complete and waits for a thread, or is answered without one.
    fn queue(&mut self, slot: usize, mut request: Box<Request>, mut body: Body) {
        if body.rewind().is_err() {
            self.recycle(request);
            return self.refuse_with(slot, 500);
        }
        if request.body == BodyLength::Chunked {
            request.body = BodyLength::Known(body.len());
            // What a front server could not know beforehand, applications like to.
            if !body.is_empty() && request.var(Known::ContentLength) == Some(b"") {
                request.set(Known::ContentLength, itoa::Buffer::new().format(body.len()).as_bytes());
            }
        }
        if self.asks_for_readiness(&request) {
            return self.answer_readiness(slot, request);
        }
        if let Some(found) = self.find_file(&request) {
            return self.answer_with_file(slot, request, &found);
        }
        self.connections[slot].phase = Phase::Queued;
        self.enqueue(slot, request, body);
        self.look_for_abort(slot);
    }

    /// Puts a complete request where a thread finds it.
    pub(crate) fn enqueue(&mut self, slot: usize, request: Box<Request>, body: Body) {
        let connection = &self.connections[slot];
        let work = Work {
            slot,
            generation: connection.generation,
            listener: connection.listener,
            request,
            is_live: body.is_pending(),
            is_behind: !connection.output.is_empty(),
            body,
            fd: Arc::clone(&connection.fd),
            gone: Arc::clone(&connection.gone),
            record_id: connection.record_id(),
            ready_at: self.now,
        };
        self.site.slot.add(Counter::InFlight, 1);
        let queue = if self.paused { &mut self.held } else { &mut self.ready };
        queue.push_back(work);
    }

    /// The peer has closed its sending side.
    fn handle_end_of_input(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        connection.readable = false;
        connection.hangup = true;
        match connection.phase {
            // A half request has no one to answer to; half a body is never delivered as a whole one.
            Phase::Reading | Phase::Body | Phase::Draining | Phase::Lingering => {
                if connection.phase == Phase::Body {
                    self.site.slot.add(Counter::Aborted, 1);
                }
                self.close(slot);
            }
            Phase::Queued | Phase::InApp => self.fail_live(slot, BodyFault::Truncated),
            Phase::Held | Phase::Writing(_) => {}
        }
    }

    /// Answers what cannot be understood, and closes.
    pub(crate) fn refuse(&mut self, slot: usize, error: &WireError) {
        let connection = &self.connections[slot];
        self.site.log.refusal(self.now, &connection.peer.host, error, "");
        self.refuse_with(slot, error.status());
    }

    /// The peer took too long to send its request.
    pub(crate) fn refuse_silence(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if connection.phase == Phase::Reading {
            connection.asks_for_head = http1::asks_for_head(&connection.input);
        }
        self.refuse_with(slot, 408);
    }

    /// The small answer to a request that is refused, in its protocol's form; `None` where no request could get it.
    pub(crate) fn refusal(&self, slot: usize, status: u16) -> Option<Vec<u8>> {
        let connection = &self.connections[slot];
        let dialect = self.site.listeners[usize::from(connection.listener)].dialect();
        let mut answer = Vec::with_capacity(256);
        with_date(|date| {
            encode_refusal(dialect, status, date.as_bytes(), connection.asks_for_head, &mut answer)
        });
        let Some(records) = &connection.records else { return Some(answer) };
        let answerable = connection.phase != Phase::Reading || records.is_within_request();
        answerable.then(|| records::whole_answer(records.id(), &answer))
    }

    pub(crate) fn refuse_with(&mut self, slot: usize, status: u16) {
        self.site.slot.counter(Counter::Refused).fetch_add(1, Relaxed);
        let Some(answer) = self.refusal(slot, status) else { return self.close(slot) };
        let connection = &mut self.connections[slot];
        connection.partial = None;
        connection.input = Vec::new();
        connection.output.push(&answer);
        self.answer(slot, Next::Linger);
    }
}

/// Bytes of one body that may be in memory: `most` (`post-buffering`), less when many connections could send one.
fn body_share(most: usize, connections: usize) -> usize {
    let share = BODIES_IN_MEMORY / connections.max(1);
    most.min(share.max(BODY_SHARE_LEAST))
}

/// What became of bytes of a body.
pub(crate) enum Fed {
    /// There is more to come.
    Part,
    /// The body is complete, and `used` of the bytes belonged to it.
    Whole { used: usize },
    /// The front server wants no answer any more.
    TakenBack { used: usize, keep: bool },
}

/// Why a body could not be taken.
pub(crate) enum BodyFailure {
    Wire(WireError),
    Store(io::Error),
}

/// Decodes bytes of a body, which FastCGI has in `records`, and gives the pieces to `store`.
pub(crate) fn feed_body(
    decoder: &mut BodyDecoder,
    mut records: Option<&mut fastcgi::Decoder>,
    bytes: &[u8],
    mut store: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Fed, BodyFailure> {
    let mut used = 0;
    loop {
        let rest = &bytes[used..];
        let step = match &mut records {
            None => decoder.decode(rest).map_err(BodyFailure::Wire)?,
            Some(records) => match records.body(rest).map_err(BodyFailure::Wire)? {
                fastcgi::Body::Step(step) => step,
                fastcgi::Body::Aborted { used: last, keep } => {
                    return Ok(Fed::TakenBack { used: used + last, keep });
                }
            },
        };
        store(&rest[step.data.clone()]).map_err(BodyFailure::Store)?;
        used += step.used;
        if step.done {
            return Ok(Fed::Whole { used });
        }
        if step.used == 0 || used == bytes.len() {
            return Ok(Fed::Part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_share_the_memory_for_bodies() {
        const MIB: usize = 1024 * 1024;
        assert_eq!(body_share(MIB, 1), MIB);
        assert_eq!(body_share(MIB, 64), MIB);
        assert_eq!(body_share(MIB, 256), MIB / 4);
        assert_eq!(body_share(MIB, 100_000), BODY_SHARE_LEAST);
        assert_eq!(body_share(5000, 100_000), 5000);
    }
}
