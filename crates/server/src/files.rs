//! Static files: answered by the reactor itself, whatever the Python threads are doing.

use crate::connection::Next;
use crate::date::with_date;
use crate::log::Line;
use crate::output::Output;
use crate::reactor::Reactor;
use crate::records;
use margrave_static_files::{Answer, Content, Found};
use margrave_stats::scoreboard::Counter;
use margrave_sys::clock;
use margrave_wire::fastcgi::{self, Kind};
use margrave_wire::{Request, ResponseEncoder};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

impl Reactor {
    /// The file that answers a request, if one does.
    pub(crate) fn find_file(&mut self, request: &Request) -> Option<Found> {
        self.site.files.as_ref()?.find(request, &mut self.files, wall_clock())
    }

    pub(crate) fn answer_with_file(&mut self, slot: usize, request: Box<Request>, found: &Found) {
        let site = Arc::clone(&self.site);
        let Some(files) = &site.files else { return };
        let dialect = site.listeners[usize::from(self.connections[slot].listener)].dialect();
        let mut encoder = ResponseEncoder::new(dialect, &request);
        let answer = files.answer(&request, found, wall_clock());
        let added = site.http.add_header.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let fields = answer.fields.iter().map(|(name, value)| (name.as_bytes(), &**value)).chain(added);
        // Where a front server sends the file, the answer has no body and no length of its own.
        let known = answer.parts.is_empty().then_some(0);
        let closes = site.closing.load(Relaxed);
        let mut head = Vec::with_capacity(512);
        let encoded = with_date(|date| {
            encoder.head(answer.status.as_bytes(), fields, known, date.as_bytes(), closes, &mut head)
        });
        if encoded.is_err() {
            self.recycle(request);
            return self.refuse_with(slot, 500);
        }
        let sent = encoder.chunk(answer.length()).take;
        let mut keep_alive = encoder.finish().keep_alive;
        let connection = &mut self.connections[slot];
        let (id, output) = (connection.record_id(), &mut connection.output);
        // A framing that sends no body sends none of it.
        let body = (sent > 0).then_some((&answer, &found.content));
        match id {
            None => push_plain(output, &head, body),
            Some(id) => {
                push_records(output, &head, body, id);
                keep_alive = request.keep_alive && !closes;
            }
        }
        site.count(Counter::Requests, 1);
        site.slot.add(Counter::StaticRequests, 1);
        site.count(Counter::TxBytes, head.len() as u64 + sent);
        let line = Line {
            request: &request,
            encoder: &encoder,
            variables: &[],
            micros: 0,
            app: None,
            core: 0,
            pieces: 0,
            via_file: sent > 0,
            failed_writes: false,
            failed_reads: false,
            overdue: None,
        };
        site.log.record(&site, &line, false, &mut self.log);
        self.recycle(request);
        self.answer(slot, if keep_alive { Next::Read } else { Next::Close });
    }
}

fn wall_clock() -> SystemTime {
    UNIX_EPOCH + clock::wall()
}

fn push_plain(output: &mut Output, head: &[u8], body: Option<(&Answer<'_>, &Content)>) {
    output.push(head);
    let Some((answer, content)) = body else { return };
    for part in &answer.parts {
        output.push(&part.before);
        match content {
            Content::Memory(bytes) => output.push_shared(Arc::clone(bytes), range(part.offset, part.length)),
            Content::File(file) => output.push_file(Arc::clone(file), part.offset, part.length),
        }
    }
    output.push(&answer.tail);
}

/// The same in FastCGI's records.
fn push_records(output: &mut Output, head: &[u8], body: Option<(&Answer<'_>, &Content)>, id: u16) {
    // Bytes in memory, up to the next file, share records.
    let mut bytes = head.to_vec();
    let mut framed = Vec::new();
    if let Some((answer, content)) = body {
        for part in &answer.parts {
            bytes.extend_from_slice(&part.before);
            match content {
                Content::Memory(content) => {
                    bytes.extend_from_slice(&content[range(part.offset, part.length)]);
                }
                Content::File(file) => {
                    fastcgi::encode_stream(Kind::Stdout, id, &bytes, &mut framed);
                    output.push(&framed);
                    (bytes, framed) = (Vec::new(), Vec::new());
                    output.push_recorded_file(Arc::clone(file), part.offset, part.length, id);
                }
            }
        }
        bytes.extend_from_slice(&answer.tail);
    }
    fastcgi::encode_stream(Kind::Stdout, id, &bytes, &mut framed);
    records::encode_answer_end(id, 0, &mut framed);
    output.push(&framed);
}

/// Part of a content in memory, whose length fits in memory too.
fn range(offset: u64, length: u64) -> std::ops::Range<usize> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    start..start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))
}
