//! What comes over the control socket: requests become orders, what comes of them is answered.

use super::Instance;
use crate::stats::Report;
use margrave_control::protocol::Reply;
use margrave_lifecycle::order::{Order, Outcome};
use margrave_stats::histogram::{self, BUCKETS, Measure};
use margrave_stats::scoreboard::Counter;
use margrave_sys::clock::monotonic;
use serde_json::json;

/// Tells the log who gave an order.
const CAUSE: &str = "margrave ctl";

impl Instance {
    /// Goes on with a client, as far as it has asked for something.
    pub(super) fn proceed_control(&mut self, number: u32) {
        while let Some(request) = self.parts.control.proceed(number) {
            let reply = match request {
                Err(problem) => Reply::refused(problem),
                Ok(words) => {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    match Order::parse(&words).map(|order| self.obey_client(order)) {
                        Err(problem) => Reply::refused(problem),
                        Ok(Ok(reply)) => reply,
                        Ok(Err(ticket)) => {
                            self.parts.control.wait_for(number, ticket);
                            continue;
                        }
                    }
                }
            };
            self.parts.control.answer(number, &reply);
        }
    }

    /// The answer to an order, or the number under which it will come.
    fn obey_client(&mut self, order: Order) -> Result<Reply, u64> {
        if order == Order::Status {
            return Ok(Reply { status: self.status(), ..Reply::done("") });
        }
        match self.obey(order, CAUSE) {
            Outcome::Done(text) => Ok(Reply::done(text)),
            Outcome::Refused(why) => Ok(Reply::refused(why)),
            Outcome::Later(ticket) => Err(ticket),
        }
    }

    /// The answer to an order that took its time.
    pub(super) fn deliver(&mut self, ticket: u64, text: &str) {
        if let Some(number) = self.parts.control.waiting_for(ticket) {
            self.parts.control.answer(number, &Reply::done(text));
            // It may have asked for more meanwhile.
            self.proceed_control(number);
        }
    }

    /// Writes the figures to the log, for a person.
    pub(super) fn log_statistics(&self) -> Outcome {
        for line in margrave_control::status::text(&self.status()).lines() {
            self.parts.log.write(line);
        }
        Outcome::done("written to the log")
    }

    /// How the instance is, as a document.
    pub(super) fn status(&self) -> serde_json::Value {
        let view = self.view();
        let state = match view {
            _ if self.supervisor.is_stopping() => "stopping",
            _ if self.supervisor.is_asleep() => "sleeping",
            None => "starting",
            Some(_) if self.generations.len() > 1 => "reloading",
            Some(_) if self.supervisor.is_paused() => "paused",
            Some(_) => "serving",
        };
        let stats = view.as_ref().map(Report::new);
        let totals = view.as_ref().map(|view| self.ledger.with_the_living(view)).unwrap_or_default();
        let bounds: Vec<u64> = (0..BUCKETS).filter_map(histogram::bound).collect();
        json!({
            "instance": {
                "name": self.parts.control.name,
                "version": self.parts.version,
                "state": state,
                "generation": view.as_ref().map(|view| view.number),
                "reloads": self.reloads,
                "uptime": monotonic().saturating_sub(self.started).as_secs(),
            },
            "totals": {
                "requests": totals.counter(Counter::Requests),
                "static_requests": totals.counter(Counter::StaticRequests),
                "exceptions": totals.counter(Counter::Exceptions),
                "refused": totals.counter(Counter::Refused),
                "aborted": totals.counter(Counter::Aborted),
                "sent_bytes": totals.counter(Counter::TxBytes),
                "harakiri": totals.harakiri(),
                "lost_log_lines": totals.counter(Counter::LostLines) + self.parts.log.lost(),
            },
            "histograms": {
                "bounds": bounds,
                "duration": totals.buckets(Measure::Duration),
                "queue": totals.buckets(Measure::Queue),
                "gil": totals.buckets(Measure::Gil),
            },
            "stats": stats,
        })
    }
}
