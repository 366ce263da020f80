//! FastCGI: requests out of records, and answers into them.
//!
//! A connection's [`Decoder`] keeps what it must of half a record, so that nothing of a head is decoded twice.

use crate::connection::{Next, Phase};
use crate::reactor::{Reactor, Work};
use margrave_config::settings::{ListenSettings, ProcessSettings};
use margrave_stats::scoreboard::Counter;
use margrave_sys::net;
use margrave_wire::fastcgi::{
    Capacity, Decoder, Head, Kind, ProtocolStatus, encode_end, encode_stream, encode_stream_end,
};
use margrave_wire::{Peer as WirePeer, Request, WireError};
use std::sync::atomic::Ordering::Relaxed;

/// Told to the front server of a request that the application failed at.
const FAILED: &[u8] = b"the application failed; the server's log says how";

/// Follows an answer that is cut where a UNIX socket cannot be reset: nginx takes the end of a connection that it has
/// not asked to be kept for the end of the answer, even without END_REQUEST, but not a record of no version.
pub(crate) const NO_RECORD: &[u8] = &[0; 8];

/// What the instance serves at a time, for front servers that ask: more connections may wait than are served.
pub(crate) fn capacity(process: &ProcessSettings, listen: &ListenSettings) -> Capacity {
    let requests = u32::from(process.workers.max(1)) * u32::from(process.threads.max(1));
    let waiting = listen.backlog.unwrap_or_else(net::somaxconn);
    Capacity { connections: requests.saturating_add(waiting), requests }
}

/// Encodes what the front server's log is to say of a request that the application failed at.
pub(crate) fn encode_failure(id: u16, out: &mut Vec<u8>) {
    encode_stream(Kind::Stderr, id, FAILED, out);
    encode_stream_end(Kind::Stderr, id, out);
}

/// Encodes the end of an answer. `app_status` is what a CGI script would exit with.
pub(crate) fn encode_answer_end(id: u16, app_status: u32, out: &mut Vec<u8>) {
    encode_stream_end(Kind::Stdout, id, out);
    encode_end(id, app_status, ProtocolStatus::RequestComplete, out);
}

/// The records of a whole answer.
pub(crate) fn whole_answer(id: u16, answer: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(answer.len() + 64);
    encode_stream(Kind::Stdout, id, answer, &mut out);
    encode_answer_end(id, 0, &mut out);
    out
}

impl Reactor {
    /// Decodes where a request's head is expected.
    pub(crate) fn feed_records(&mut self, slot: usize, mut records: Box<Decoder>, bytes: &[u8]) {
        let mut request = self.request();
        let head = self.decode_records(slot, &mut records, bytes, &mut request);
        let begun = !records.is_idle();
        let replies = records.take_replies();
        self.connections[slot].records = Some(records);
        self.reply(slot, &replies);
        if !self.connections.contains(slot) {
            return self.recycle(request);
        }
        if let Ok(Head::Request { used }) = head {
            return self.begin(slot, request, &bytes[used..]);
        }
        self.recycle(request);
        match head {
            Ok(Head::Close { .. }) => self.answer(slot, Next::Linger),
            Err(error) => self.refuse(slot, &error),
            Ok(_) if begun => self.note_head(slot),
            Ok(_) => {}
        }
    }

    fn decode_records(
        &self,
        slot: usize,
        records: &mut Decoder,
        bytes: &[u8],
        request: &mut Request,
    ) -> Result<Head, WireError> {
        let peer = WirePeer {
            trusted: self.connections[slot].peer.trusted,
            dynamic_apps: self.site.http.dynamic_apps,
            ..WirePeer::default()
        };
        records.head(bytes, &self.site.limits, &peer, request)
    }

    /// Ends a request that its front server has taken back while it waits for a thread or runs.
    pub(crate) fn look_for_abort(&mut self, slot: usize) {
        let Some(connection) = self.connections.get(slot) else { return };
        let Some(records) = &connection.records else { return };
        let is_open = matches!(connection.phase, Phase::Queued | Phase::InApp);
        if is_open && !connection.input.is_empty() && records.takes_back(&connection.input) {
            self.abort(slot);
        }
    }

    /// The thread is not disturbed, but what it still gives goes nowhere.
    fn abort_running(&mut self, slot: usize) -> bool {
        let generation = self.connections[slot].generation;
        let thread = self.roles.running.iter().position(|running| {
            running.as_ref().is_some_and(|found| found.slot == slot && found.generation == generation)
        });
        let abandoned = thread.is_some_and(|thread| self.site.lanes[thread].abandon());
        if !abandoned {
            // It is sending just now: it finds out with the next bytes, and the connection ends.
            self.connections[slot].gone.store(true, Relaxed);
        }
        self.roles.wake_waiter(slot);
        abandoned
    }

    /// Ends a request that is not wanted any more.
    pub(crate) fn abort(&mut self, slot: usize) {
        let connection = &self.connections[slot];
        let generation = connection.generation;
        let is_of = |work: &Work| work.slot == slot && work.generation == generation;
        match self.ready.iter().position(is_of) {
            Some(place) => {
                if let Some(work) = self.ready.remove(place) {
                    self.forget(work);
                }
            }
            None if connection.phase == Phase::InApp && self.abort_running(slot) => {}
            None => return,
        }
        self.site.slot.add(Counter::Aborted, 1);
        self.renew(slot);
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let Some(records) = &mut connection.records else { return };
        // The decoder has an answer of its own where the abort came within the body.
        let mut end = records.take_replies();
        let (id, keeps) = (records.id(), records.keeps() && !self.site.closing.load(Relaxed));
        if end.is_empty() {
            encode_end(id, 0, ProtocolStatus::RequestComplete, &mut end);
        }
        connection.output.push(&end);
        self.answer(slot, if keeps { Next::Read } else { Next::Linger });
    }

    /// Sends what the decoder has to say by itself. The connection may end by it.
    pub(crate) fn reply(&mut self, slot: usize, replies: &[u8]) {
        if !replies.is_empty() {
            self.connections[slot].output.push(replies);
            self.flush(slot);
        }
    }
}
