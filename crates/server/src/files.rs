//! Static files: answered by the reactor itself, whatever the Python threads are doing.

use crate::connection::Next;
use crate::date::with_date;
use crate::log::Line;
use crate::reactor::Reactor;
use crate::records;
use margrave_static_files::{Found, answer};
use margrave_stats::scoreboard::Counter;
use margrave_sys::clock;
use margrave_wire::fastcgi::{self, Kind};
use margrave_wire::{Known, Request, ResponseEncoder};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

impl Reactor {
    /// The file that answers a request, if one does. Only GET and HEAD ask for files.
    pub(crate) fn find_file(&self, request: &Request) -> Option<Found> {
        let files = self.site.files.as_ref()?;
        matches!(request.var(Known::RequestMethod)?, b"GET" | b"HEAD").then_some(())?;
        files.find(request.var(Known::PathInfo)?)
    }

    pub(crate) fn answer_with_file(&mut self, slot: usize, request: Box<Request>, found: Found) {
        let site = Arc::clone(&self.site);
        let dialect = site.listeners[usize::from(self.connections[slot].listener)].dialect();
        let mut encoder = ResponseEncoder::new(dialect, &request);
        let answer = answer(&request, &found, UNIX_EPOCH + clock::wall());
        let added = site.http.add_header.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let fields =
            answer.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).chain(added);
        let closes = site.closing.load(Relaxed);
        let mut head = Vec::with_capacity(512);
        let encoded = with_date(|date| {
            encoder.head(answer.status.as_bytes(), fields, None, date.as_bytes(), closes, &mut head)
        });
        if encoded.is_err() {
            self.recycle(request);
            return self.refuse_with(slot, 500);
        }
        let (offset, length) = answer.part;
        let chunk = encoder.chunk(length);
        let end = encoder.finish();
        let mut keep_alive = end.keep_alive;
        let connection = &mut self.connections[slot];
        let (id, output) = (connection.record_id(), &mut connection.output);
        if let Some(id) = id {
            let (mut start, mut tail) = (Vec::new(), Vec::new());
            fastcgi::encode_stream(Kind::Stdout, id, &head, &mut start);
            records::encode_answer_end(id, 0, &mut tail);
            output.push(&start);
            output.push_recorded_file(found.file, offset, chunk.take, id);
            output.push(&tail);
            keep_alive = request.keep_alive && !closes;
        } else {
            output.push(&head);
            output.push(&chunk.prefix);
            output.push_file(found.file, offset, chunk.take);
            output.push(chunk.suffix);
            output.push(end.tail);
        }
        site.count(Counter::Requests, 1);
        site.count(Counter::TxBytes, head.len() as u64 + chunk.take);
        let line = Line {
            request: &request,
            encoder: &encoder,
            variables: &[],
            micros: 0,
            app: None,
            core: 0,
            pieces: 0,
            via_file: true,
            failed_writes: false,
            failed_reads: false,
            overdue: None,
        };
        site.log.record(&site, &line, false, &mut self.log);
        self.recycle(request);
        self.answer(slot, if keep_alive { Next::Read } else { Next::Close });
    }
}
