//! One request and its answer, as the application's thread sees them.
//!
//! The thread sends by itself what the socket takes at once; the rest goes to the reactor. It waits for a client
//! only in [`Exchange::wait_drained`], when more is owed than `write_buffer` allows.

use crate::body::{Body, NoStore};
use crate::connection::Next;
use crate::date::with_date;
use crate::deadline::OVERDUE_STATUS;
use crate::delivery::Rest;
use crate::kept::Owner;
use crate::lane::Right;
use crate::live::{Arrived, BodyFault};
use crate::log::Line;
use crate::part::{NOTHING, Part, send_now};
use crate::reactor::{Reactor, Work};
use crate::records;
use crate::role::Waiter;
use crate::spill::Spill;
use crate::threads::Shared;
use margrave_stats::histogram::{self, Measure};
use margrave_stats::scoreboard::{Counter, ThreadWord};
use margrave_sys::net;
use margrave_wire::fastcgi::{self, CONTENT_MAX, Kind};
use margrave_wire::http1::reason;
use margrave_wire::{Known, Request, ResponseEncoder, ResponseError};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;

/// A body up to this size is copied behind its head, which is cheaper than a second piece in the system call.
const COPIED_BODY: usize = 16 * 1024;

/// Whether more may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Yes.
    Done,
    /// The client is slow: call [`Exchange::wait_drained`] first, detached.
    Full,
}

/// Why an answer could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The client has gone, or the request was ended by its deadline. Nothing to report.
    #[error("the client has gone")]
    Gone,
    /// The application's status or fields are not valid.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// `start` after the head has gone out.
    #[error("the head of the answer has been sent already")]
    HeadSent,
    /// `write` before `start`.
    #[error("body written before the head of the answer was given")]
    NoHead,
}

/// Buffers that a thread keeps from request to request.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Head held back, then head and body on their way.
    out: Vec<u8>,
    /// The same in FastCGI's records.
    framed: Vec<u8>,
    /// The finished request line.
    pub(crate) line: Vec<u8>,
    /// Log variables set by the application.
    variables: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How long the parts of a request took, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// From the moment a thread took it to its end.
    pub(crate) took: u64,
    /// Complete and without a thread.
    pub(crate) queued: u64,
    /// With a thread, but without the GIL.
    pub(crate) gil: u64,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing given.
    Open,
    /// The head is encoded and held back for the first body bytes.
    HeadHeld,
    /// The head has gone out.
    HeadSent,
    /// Nothing more will be sent.
    Over(Next),
}

/// One request and its answer.
pub struct Exchange<'a> {
    shared: &'a Shared,
    thread: usize,
    work: &'a mut Work,
    scratch: &'a mut Scratch,
    encoder: ResponseEncoder,
    stage: Stage,
    /// Bytes are with the reactor, so later ones must queue behind them.
    behind: bool,
    /// What is sent next ends the answer.
    is_last: bool,
    /// Our side of the connection has closed with the answer.
    closed: bool,
    gone: bool,
    log_always: bool,
    failed: bool,
    /// What slow clients leave in memory, when the thread is needed.
    spill: Spill,
    /// Why the body did not come to its end.
    body_fault: Option<BodyFault>,
    via_file: bool,
    pieces: u64,
    app: u16,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        thread: usize,
        work: &'a mut Work,
        scratch: &'a mut Scratch,
    ) -> Self {
        let dialect = shared.site.listeners[usize::from(work.listener)].dialect();
        scratch.out.clear();
        scratch.line.clear();
        scratch.variables.clear();
        let gone = work.gone.load(Relaxed);
        Self {
            shared,
            thread,
            encoder: ResponseEncoder::new(dialect, &work.request),
            stage: Stage::Open,
            behind: work.is_behind,
            is_last: false,
            closed: false,
            work,
            scratch,
            gone,
            log_always: false,
            failed: false,
            spill: Spill::new(shared.site.http.write_file),
            body_fault: None,
            via_file: false,
            pieces: 0,
            app: 0,
        }
    }

    /// The request's meta-variables.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.work.request
    }

    /// The same, to set `SCRIPT_NAME` and `PATH_INFO` of a mounted application.
    pub fn request_mut(&mut self) -> &mut Request {
        &mut self.work.request
    }

    /// The request's body, or what has arrived of it: see [`Body::is_pending`].
    pub fn body(&mut self) -> &mut Body {
        &mut self.work.body
    }

    /// One read of more bytes than this is worth a line in the log.
    #[must_use]
    pub fn large_read(&self) -> u64 {
        self.shared.site.http.body_read_warning
    }

    /// Number of the listener it came through.
    #[must_use]
    pub fn listener(&self) -> u16 {
        self.work.listener
    }

    /// Number of this thread, from 0: uWSGI's core.
    #[must_use]
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// Requests that this thread has finished.
    #[must_use]
    pub fn request_id(&self) -> u64 {
        self.shared.site.slot.thread(self.thread, ThreadWord::Requests).load(Relaxed)
    }

    /// Whether [`Self::start`] has been called.
    #[must_use]
    pub fn started(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether the head has gone out, so that it cannot be replaced.
    #[must_use]
    pub fn head_sent(&self) -> bool {
        matches!(self.stage, Stage::HeadSent | Stage::Over(_))
    }

    /// Encodes the head and holds it back until the first body bytes or the end. A second call replaces it.
    /// `status` is `200 OK`; `known_length` the length of the whole body where it is known.
    ///
    /// # Errors
    /// When the head has been sent, or status or fields are invalid (line ends in them, a wrong Content-Length …).
    pub fn start<'f>(
        &mut self,
        status: &[u8],
        fields: &mut dyn Iterator<Item = (&'f [u8], &'f [u8])>,
        known_length: Option<u64>,
    ) -> Result<(), SendError> {
        if self.head_sent() {
            return Err(SendError::HeadSent);
        }
        let shared: &Shared = self.shared;
        let (added, removed) = (shared.site.http.add_header.iter(), &shared.site.http.rem_header);
        let stays = |name: &[u8]| !removed.iter().any(|gone| name.eq_ignore_ascii_case(gone.as_bytes()));
        // The mapping gives both halves one lifetime.
        #[expect(clippy::map_identity)]
        let fields = fields
            .map(|(name, value)| (name, value))
            .filter(|(name, _)| stays(name))
            .chain(added.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let closes = shared.site.closing.load(Relaxed)
            || self.work.is_live && self.shared.lock().must_close(self.work);
        let (encoder, out) = (&mut self.encoder, &mut self.scratch.out);
        out.clear();
        with_date(|date| encoder.head(status, fields, known_length, date.as_bytes(), closes, out))?;
        self.stage = Stage::HeadHeld;
        Ok(())
    }

    /// Sends body bytes, with the head before the first ones. Empty `data` sends nothing, not even the head.
    ///
    /// # Errors
    /// [`SendError::Gone`] when nobody reads any more; [`SendError::NoHead`] before `start`.
    pub fn write(&mut self, data: &[u8]) -> Result<Written, SendError> {
        self.write_part(data.into())
    }

    /// As [`Self::write`]; a large rest that the socket does not take is not copied. `keep` gives an owner of `data`.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_kept(&mut self, data: &[u8], keep: &dyn Fn() -> Owner) -> Result<Written, SendError> {
        self.write_part(Part::of(data, Some(keep)))
    }

    /// Whether blocks that exist already may stay in memory beyond `write_buffer`, so that their thread need not wait.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        !self.keeps_too_much() || !self.may_spill(&self.shared.lock())
    }

    fn keeps_too_much(&self) -> bool {
        self.shared.site.kept.bytes() as u64 > self.shared.site.http.write_file
    }

    fn write_part(&mut self, data: Part<'_>) -> Result<Written, SendError> {
        self.may_write()?;
        if data.bytes.is_empty() {
            return Ok(Written::Done);
        }
        self.pieces += 1;
        let chunk = self.encoder.chunk(data.bytes.len() as u64);
        self.is_last = self.encoder.is_whole() && self.work.record_id.is_none();
        let data = data.cut(0..usize::try_from(chunk.take).unwrap_or(usize::MAX).min(data.bytes.len()));
        let framed = !data.bytes.is_empty();
        let (prefix, suffix) = if framed { (&chunk.prefix[..], chunk.suffix) } else { (&[][..], &[][..]) };
        self.send_with_head(prefix, data, suffix)
    }

    /// More of a body was written than the head promised, or than an answer without a body has.
    #[must_use]
    pub fn has_excess(&self) -> bool {
        self.encoder.body_excess() > 0
    }

    /// Sends `length` bytes of a file from `offset` on, without copying them.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn send_file(&mut self, file: File, offset: u64, length: u64) -> Result<Written, SendError> {
        self.may_write()?;
        self.via_file = true;
        let chunk = self.encoder.chunk(length);
        if chunk.take == 0 {
            return Ok(Written::Done);
        }
        let (prefix, suffix) = (chunk.prefix.to_vec(), chunk.suffix);
        self.send_with_head(&prefix, NOTHING, &[])?;
        self.send_file_bytes(file, offset, chunk.take)?;
        if suffix.is_empty() { Ok(self.fullness()) } else { self.send_with_head(&[], NOTHING, suffix) }
    }

    /// Waits until the body has `wanted` unread bytes, or all that there will be. Call detached: it blocks.
    ///
    /// # Errors
    /// When the body does not come to its end. What has arrived stays readable.
    pub fn await_body(&mut self, wanted: u64) -> Result<(), BodyFault> {
        while self.work.body.is_pending() && self.work.body.remaining() < wanted {
            let (bytes, last) = self.await_arrival().inspect_err(|fault| self.body_fault = Some(*fault))?;
            self.store_arrived(bytes, last)?;
        }
        Ok(())
    }

    /// Takes what has arrived of a pending body, without waiting for more.
    ///
    /// # Errors
    /// As [`Self::await_body`].
    pub fn take_arrived(&mut self) -> Result<(), BodyFault> {
        let mut reactor = self.shared.lock();
        self.behind |= reactor.say_continue(self.work, self.head_sent());
        let arrived = reactor.take_arrived(self.work);
        drop(reactor);
        match arrived {
            Arrived::Nothing => Ok(()),
            Arrived::Bytes { bytes, last } => self.store_arrived(bytes, last),
            Arrived::Failed(fault) => {
                self.body_fault = Some(fault);
                Err(fault)
            }
        }
    }

    fn store_arrived(&mut self, bytes: Vec<u8>, last: bool) -> Result<(), BodyFault> {
        let http = &self.shared.site.http;
        if let Err(error) = self.work.body.push_late(bytes, http.body_memory, http.body_file) {
            self.shared.site.log.say(format_args!("cannot store a request body: {}", NoStore(&error)));
            self.body_fault = Some(BodyFault::Lost);
            return Err(BodyFault::Lost);
        }
        self.work.body.set_pending(!last);
        Ok(())
    }

    fn await_arrival(&mut self) -> Result<(Vec<u8>, bool), BodyFault> {
        let mut reactor = self.shared.lock();
        let mut waits = false;
        let arrived = loop {
            match reactor.take_arrived(self.work) {
                Arrived::Bytes { bytes, last } => break Ok((bytes, last)),
                Arrived::Failed(fault) => break Err(fault),
                Arrived::Nothing => {}
            }
            if !std::mem::replace(&mut waits, true) {
                let (slot, thread) = (self.work.slot, self.thread);
                reactor.roles.wait_for(Waiter { slot, thread, recallable: false });
                reactor.give_lead_away(self.thread);
                self.behind |= reactor.await_arrival(self.work, self.head_sent());
                continue;
            }
            drop(reactor);
            std::thread::park();
            reactor = self.shared.lock();
        };
        if waits {
            reactor.roles.wait_over(self.thread);
            self.behind |= reactor.arrival_over(self.work);
        }
        arrived
    }

    /// Waits until the client has taken enough for more to be written, or, when the thread is needed elsewhere, until
    /// what it has not taken is in a file. Call detached: it blocks.
    ///
    /// # Errors
    /// [`SendError::Gone`] when the client has gone or has taken nothing for too long.
    pub fn wait_drained(&mut self) -> Result<(), SendError> {
        let low = self.shared.site.http.write_buffer / 2;
        let mut reactor = self.shared.lock();
        let recallable = self.may_spill(&reactor);
        let mut spills = recallable && (reactor.roles.is_crowded() || self.keeps_too_much());
        reactor.roles.wait_for(Waiter { slot: self.work.slot, thread: self.thread, recallable });
        reactor.give_lead_away(self.thread);
        let owed = loop {
            let owed = reactor.owed(self.work);
            spills = spills || reactor.is_short_of_threads() && self.may_spill(&reactor);
            if spills || owed.is_none_or(|owed| owed <= low) {
                break owed;
            }
            drop(reactor);
            std::thread::park();
            reactor = self.shared.lock();
        };
        reactor.roles.wait_over(self.thread);
        let unsent = if spills { reactor.take_back(self.work) } else { None };
        let files_owed = reactor.owes_files(self.work);
        drop(reactor);
        self.gone |= owed.is_none();
        if let Some(unsent) = unsent {
            let rest = self.spill.store(unsent, files_owed, &self.shared.site.log);
            self.gone |= self.shared.lock().leave(self.work.slot, self.work.generation, rest).is_none();
        }
        if self.gone { Err(SendError::Gone) } else { Ok(()) }
    }

    /// What the client has not taken may go into a file.
    fn may_spill(&self, reactor: &Reactor) -> bool {
        reactor.owed(self.work).is_some_and(|owed| self.spill.has_room(owed, reactor.owes_files(self.work)))
    }

    /// The application has given everything: sends what is held back and the end of the body.
    pub fn finish(&mut self) {
        match self.stage {
            Stage::Over(_) => return,
            Stage::Open => return self.fail(),
            Stage::HeadHeld | Stage::HeadSent => {}
        }
        let end = self.encoder.finish();
        self.report_wrong_length(end.short);
        // An error here means that the client has gone, which ends the exchange just as well.
        let keep_alive = match self.work.record_id {
            Some(id) => self.finish_records(id, end.short),
            None => {
                self.is_last = !end.short;
                let _ = self.send_with_head(&[], NOTHING, end.tail);
                end.keep_alive
            }
        };
        self.stage = Stage::Over(match (keep_alive && !self.gone, self.closed) {
            (true, _) => Next::Read,
            (false, true) => Next::Closed,
            (false, false) => Next::Close,
        });
    }

    /// The connection ends with this answer, and TCP can say so in the packet of its last bytes.
    fn closes(&self) -> bool {
        self.is_tcp() && !self.encoder.keep_alive() && !self.work.is_live
    }

    fn is_tcp(&self) -> bool {
        self.shared.site.listeners[usize::from(self.work.listener)].is_tcp()
    }

    /// Ends an answer in records, except a short one, which must not pass for a complete one. Says whether the
    /// connection may carry another request.
    fn finish_records(&mut self, id: u16, short: bool) -> bool {
        let mut tail = Vec::new();
        if self.failed {
            records::encode_failure(id, &mut tail);
        }
        if !short {
            records::encode_answer_end(id, u32::from(self.failed), &mut tail);
        }
        let _ = self.send_in_records(id, NOTHING, &tail);
        !short && self.work.request.keep_alive && !self.shared.site.closing.load(Relaxed)
    }

    /// The client is protected from a wrong Content-Length; its author should hear of it.
    fn report_wrong_length(&self, short: bool) {
        let excess = self.encoder.body_excess();
        // What an application gives with HEAD, 204 or 304 is dropped by design.
        if self.gone || self.encoder.is_bodyless() || (!short && excess == 0) {
            return;
        }
        let target = String::from_utf8_lossy(self.request().var(Known::RequestUri).unwrap_or_default());
        let sent = self.encoder.body_sent();
        let log = &self.shared.site.log;
        if short {
            log.say(format_args!("{target:?}: the application announced a longer Content-Length than the {sent} bytes it gave; connection closed"));
        } else {
            log.say(format_args!("{target:?}: the application gave {excess} bytes more than its Content-Length of {sent}; they were dropped"));
        }
    }

    /// The application has failed: 500 with a short body when nothing was sent, else the answer is cut so that it
    /// cannot pass for a complete one.
    pub fn fail(&mut self) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        self.failed = true;
        if self.stage == Stage::HeadSent {
            if let Some(id) = self.work.record_id {
                let mut tail = Vec::new();
                records::encode_failure(id, &mut tail);
                if !self.is_tcp() && !self.work.request.keep_alive {
                    tail.extend_from_slice(records::NO_RECORD);
                }
                let _ = self.send_in_records(id, NOTHING, &tail);
            }
            if self.encoder.ends_by_close() {
                net::reset_on_close(self.work.fd.as_fd());
            }
            self.encoder.abort();
            self.stage = Stage::Over(Next::Close);
            return;
        }
        // A body that did not come is the client's fault, whatever the application made of it.
        let status = self.body_fault.map_or(500, BodyFault::status);
        let line = format!("{status} {}", reason(status));
        let body = format!("{}\n", reason(status));
        let fields: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"text/plain; charset=utf-8")];
        self.stage = Stage::Open;
        self.failed = status == 500;
        if self.start(line.as_bytes(), &mut fields.into_iter(), Some(body.len() as u64)).is_ok() {
            let _ = self.write(body.as_bytes());
            self.finish();
        } else {
            self.stage = Stage::Over(Next::Close);
        }
    }

    /// Whether the client is still there, as far as its side of the connection shows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.gone && !self.work.gone.load(Relaxed) && net::is_connected(self.work.fd.as_fd())
    }

    /// The connection's descriptor, on which what was written so far has been sent.
    #[must_use]
    pub fn connection_fd(&self) -> RawFd {
        self.shared.lock().send_held();
        self.work.fd.as_raw_fd()
    }

    /// Ends the connection while the application goes on.
    pub fn disconnect(&mut self) {
        self.shared.lock().send_held();
        net::shutdown_write(self.work.fd.as_fd());
        self.gone = true;
        self.stage = Stage::Over(Next::Close);
    }

    /// Sets a variable for this request's log line.
    pub fn set_log_variable(&mut self, name: &[u8], value: &[u8]) {
        let variables = &mut self.scratch.variables;
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => variables.push((name.to_vec(), value.to_vec())),
        }
    }

    /// A variable set by [`Self::set_log_variable`].
    #[must_use]
    pub fn log_variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.scratch.variables.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }

    /// Logs this request even where request lines are off.
    pub fn log_this_request(&mut self, log: bool) {
        self.log_always = log;
    }

    /// Number of the application that answers, for the log.
    pub fn set_app(&mut self, app: u16) {
        self.app = app;
    }

    /// Ends the exchange: the line for the log, the counters, and what is to become of the connection.
    pub(crate) fn conclude(mut self, times: Times) -> Next {
        if !matches!(self.stage, Stage::Over(_)) {
            self.fail();
        }
        let site = &self.shared.site;
        let right = site.lanes[self.thread].end();
        site.count(Counter::Requests, 1);
        site.count(Counter::TxBytes, self.encoder.head_len() as u64 + self.encoder.body_sent());
        if self.failed {
            site.count(Counter::Exceptions, 1);
        }
        let line = Line {
            request: &self.work.request,
            encoder: &self.encoder,
            variables: &self.scratch.variables,
            micros: times.took,
            app: Some(self.app),
            core: self.thread,
            pieces: self.pieces,
            via_file: self.via_file,
            failed_writes: self.gone,
            failed_reads: self.body_fault.is_some(),
            overdue: (right == Right::Forfeited).then_some(OVERDUE_STATUS),
        };
        self.measure(line.status(), times);
        site.log.record(site, &line, self.log_always, &mut self.scratch.line);
        match self.stage {
            Stage::Over(next) if right == Right::Kept => next,
            _ => Next::Close,
        }
    }

    /// Adds the times to the histograms. Waits that are zero are not added, since their number is known from the others.
    fn measure(&self, status: u16, times: Times) {
        let (slot, listener) = (&self.shared.site.slot, usize::from(self.work.listener));
        let class = histogram::class(status);
        slot.record(listener, class, Measure::Duration, times.took);
        for (measure, micros) in [(Measure::Queue, times.queued), (Measure::Gil, times.gil)] {
            if micros > 0 {
                slot.record(listener, class, measure, micros);
            }
        }
        for (failed, word) in
            [(self.gone, ThreadWord::WriteErrors), (self.body_fault.is_some(), ThreadWord::ReadErrors)]
        {
            if failed {
                slot.thread(self.thread, word).fetch_add(1, Relaxed);
            }
        }
    }

    fn may_write(&self) -> Result<(), SendError> {
        match self.stage {
            _ if self.gone => Err(SendError::Gone),
            Stage::Open => Err(SendError::NoHead),
            Stage::HeadHeld | Stage::HeadSent => Ok(()),
            Stage::Over(_) => Err(SendError::Gone),
        }
    }

    fn fullness(&self) -> Written {
        if !self.behind {
            return Written::Done;
        }
        match self.shared.lock().owed(self.work) {
            Some(owed) if owed > self.shared.site.http.write_buffer => Written::Full,
            _ => Written::Done,
        }
    }

    /// Sends the head if it is still held back, then the pieces, in one system call where possible.
    fn send_with_head(&mut self, prefix: &[u8], data: Part<'_>, suffix: &[u8]) -> Result<Written, SendError> {
        if let Some(id) = self.work.record_id {
            debug_assert!(prefix.is_empty() && suffix.is_empty(), "records are the only framing");
            return self.send_in_records(id, data, &[]);
        }
        let mut out = std::mem::take(&mut self.scratch.out);
        if self.stage == Stage::HeadSent {
            out.clear();
        }
        self.stage = Stage::HeadSent;
        out.extend_from_slice(prefix);
        let result = if data.bytes.len() <= COPIED_BODY {
            out.extend_from_slice(data.bytes);
            out.extend_from_slice(suffix);
            self.send_parts(&[out[..].into()])
        } else {
            self.send_parts(&[out[..].into(), data, suffix.into()])
        };
        self.scratch.out = out;
        result
    }

    /// The same in FastCGI's records; `tail` are records that follow.
    fn send_in_records(&mut self, id: u16, data: Part<'_>, tail: &[u8]) -> Result<Written, SendError> {
        let mut framed = std::mem::take(&mut self.scratch.framed);
        framed.clear();
        let mut begun = 0;
        if std::mem::replace(&mut self.stage, Stage::HeadSent) != Stage::HeadSent {
            begun = data.bytes.len().min(COPIED_BODY);
            self.scratch.out.extend_from_slice(&data.bytes[..begun]);
            fastcgi::encode_stream(Kind::Stdout, id, &self.scratch.out, &mut framed);
        }
        let mut result = Ok(Written::Done);
        while begun < data.bytes.len() && result.is_ok() {
            let end = data.bytes.len().min(begun + CONTENT_MAX);
            let (header, padding) =
                fastcgi::frame(Kind::Stdout, id, u16::try_from(end - begun).unwrap_or(u16::MAX));
            framed.extend_from_slice(&header);
            result = self.send_parts(&[framed[..].into(), data.cut(begun..end), padding.into()]);
            framed.clear();
            begun = end;
        }
        framed.extend_from_slice(tail);
        if !framed.is_empty() && result.is_ok() {
            result = self.send_parts(&[framed[..].into()]);
        }
        self.scratch.framed = framed;
        result
    }

    fn send_parts(&mut self, parts: &[Part<'_>]) -> Result<Written, SendError> {
        let total: usize = parts.iter().map(|part| part.bytes.len()).sum();
        if total == 0 {
            return Ok(Written::Done);
        }
        let lane = &self.shared.site.lanes[self.thread];
        if self.gone || !lane.begin_sending() {
            self.gone = true;
            return Err(SendError::Gone);
        }
        let result = self.send_or_leave(parts, total);
        self.shared.site.lanes[self.thread].end_sending();
        result
    }

    fn send_or_leave(&mut self, parts: &[Part<'_>], total: usize) -> Result<Written, SendError> {
        if self.behind && self.shared.lock().owes_nothing(self.work) {
            self.behind = false;
        }
        let mut sent = 0;
        if !self.behind {
            let is_small = self.is_last && total <= COPIED_BODY;
            if is_small && self.shared.lock().hold(self.thread, self.work, parts) {
                return Ok(Written::Done);
            }
            let closes = self.is_last && self.closes();
            sent = match send_now(self.work.fd.as_fd(), parts, closes) {
                Ok(count) if count == total => {
                    self.closed = closes;
                    return Ok(Written::Done);
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => {
                    self.gone = true;
                    return Err(SendError::Gone);
                }
            };
        }
        self.behind = true;
        let mut reactor = self.shared.lock();
        let mut owed = Some(0);
        for part in parts {
            let skipped = sent.min(part.bytes.len());
            sent -= skipped;
            if skipped < part.bytes.len() {
                let rest = part.rest(skipped, &self.shared.site.kept);
                owed = reactor.leave(self.work.slot, self.work.generation, rest);
            }
        }
        drop(reactor);
        self.judge(owed)
    }

    fn send_file_bytes(&mut self, file: File, mut offset: u64, length: u64) -> Result<(), SendError> {
        if self.gone || !self.shared.site.lanes[self.thread].begin_sending() {
            self.gone = true;
            return Err(SendError::Gone);
        }
        let end = offset + length;
        // The reactor puts the file's bytes in records.
        self.behind |= self.work.record_id.is_some();
        while !self.behind && offset < end {
            let step = usize::try_from(end - offset).unwrap_or(usize::MAX).min(1 << 20);
            match net::send_file(self.work.fd.as_fd(), &file, &mut offset, step) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.behind = true,
                // A file that ends early leaves a short answer, which must not look complete.
                Ok(_) | Err(_) => self.gone = true,
            }
            if self.gone {
                break;
            }
        }
        let mut owed = Some(0);
        if !self.gone && offset < end {
            let length = end - offset;
            let rest = match self.work.record_id {
                Some(id) => Rest::RecordedFile { file, offset, length, id },
                None => Rest::File { file: file.into(), offset, length },
            };
            owed = self.shared.lock().leave(self.work.slot, self.work.generation, rest);
        }
        self.shared.site.lanes[self.thread].end_sending();
        if self.gone { Err(SendError::Gone) } else { self.judge(owed).map(drop) }
    }

    fn judge(&mut self, owed: Option<usize>) -> Result<Written, SendError> {
        match owed {
            None => {
                self.gone = true;
                Err(SendError::Gone)
            }
            Some(owed) if owed > self.shared.site.http.write_buffer => Ok(Written::Full),
            Some(_) => Ok(Written::Done),
        }
    }
}
