//! What every Python thread does: workers are asked, and who asked is answered when all have spoken, or after a while.

use super::Instance;
use crate::generation::Worker;
use crate::tracebacker;
use margrave_lifecycle::message::{ForkId, ToWorker};
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::clock::monotonic;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longest wait for workers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions at a time.
const MAX_INQUIRIES: usize = 32;

/// Longest text of one worker.
const MAX_TEXT: u64 = 1024 * 1024;

/// A question that waits for answers.
#[derive(Debug)]
pub(super) struct Inquiry {
    waiting: BTreeSet<ForkId>,
    /// By worker number and process.
    texts: BTreeMap<(u16, ForkId), String>,
    deadline: Duration,
    addressee: Addressee,
}

/// Who gets the answer.
#[derive(Debug)]
enum Addressee {
    /// Whoever has the ticket.
    Ticket,
    Log,
    Client(UnixStream),
}

impl Instance {
    /// Asks the workers that serve.
    pub(super) fn ask_for_stacks(&mut self) -> Outcome {
        match self.ask(|worker| worker.ready, Addressee::Ticket) {
            Some(ticket) => Outcome::Later(ticket),
            None => Outcome::refused("there is no worker whose stacks could be shown"),
        }
    }

    /// The answer to an inquiry is for the log.
    pub(super) fn answer_in_log(&mut self, ticket: u64) {
        if let Some(inquiry) = self.inquiries.get_mut(&ticket) {
            inquiry.addressee = Addressee::Log;
        }
    }

    /// Asks one worker, for a client of `py-tracebacker`; one that still starts answers when it serves.
    pub(super) fn trace_worker(&mut self, number: u32) {
        while let Some(client) = self.tracebacker.accept(number) {
            // Without such a worker the client gets the end of the connection.
            self.ask(|worker| u32::from(worker.worker) == number, Addressee::Client(client));
        }
    }

    fn ask(&mut self, concerns: impl Fn(&Worker) -> bool, addressee: Addressee) -> Option<u64> {
        let concerned = self.workers.iter().filter(|(_, worker)| concerns(worker));
        let waiting: BTreeSet<ForkId> = concerned.map(|(id, _)| *id).collect();
        if waiting.is_empty() || self.inquiries.len() >= MAX_INQUIRIES {
            return None;
        }
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        for id in &waiting {
            self.send_to(*id, &ToWorker::Stacks { ticket });
        }
        let deadline = monotonic() + PATIENCE;
        self.inquiries.insert(ticket, Inquiry { waiting, texts: BTreeMap::new(), deadline, addressee });
        Some(ticket)
    }

    /// A worker has answered.
    pub(super) fn handle_stacks(&mut self, id: ForkId, ticket: u64, file: Option<OwnedFd>) {
        let Some(worker) = self.workers.get(&id).map(|worker| worker.worker) else { return };
        let Some(inquiry) = self.inquiries.get_mut(&ticket) else { return };
        let mut text = String::new();
        if let Some(file) = file {
            let mut bytes = Vec::new();
            // A file that cannot be read shows nothing.
            let _ = File::from(file).take(MAX_TEXT).read_to_end(&mut bytes);
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        inquiry.waiting.remove(&id);
        inquiry.texts.insert((worker, id), text);
        self.conclude_inquiries();
    }

    /// A worker that has gone answers no more.
    pub(super) fn forget_in_inquiries(&mut self, id: ForkId) {
        for inquiry in self.inquiries.values_mut() {
            inquiry.waiting.remove(&id);
        }
    }

    /// When the next inquiry is over.
    pub(super) fn inquiry_timeout(&self) -> Option<Duration> {
        self.inquiries.values().map(|inquiry| inquiry.deadline).min()
    }

    /// Answers the questions that are complete, or have waited long enough.
    pub(super) fn conclude_inquiries(&mut self) {
        let now = monotonic();
        let over = |inquiry: &Inquiry| inquiry.waiting.is_empty() || now >= inquiry.deadline;
        let done: Vec<u64> =
            self.inquiries.iter().filter(|(_, inquiry)| over(inquiry)).map(|(ticket, _)| *ticket).collect();
        for ticket in done {
            let Some(mut inquiry) = self.inquiries.remove(&ticket) else { continue };
            for id in std::mem::take(&mut inquiry.waiting) {
                if let Some(worker) = self.workers.get(&id) {
                    let (number, pid) = (worker.worker, worker.pid.unwrap_or_default());
                    let text = format!("worker {number} (pid {pid}) does not answer\n");
                    inquiry.texts.insert((number, id), text);
                }
            }
            let text: String = inquiry.texts.into_values().collect();
            match inquiry.addressee {
                Addressee::Log => {
                    self.parts.log.say(Level::Info, "stacks of all threads:");
                    text.lines().for_each(|line| self.parts.log.write(line));
                }
                Addressee::Client(client) => tracebacker::answer(client, &text),
                Addressee::Ticket => self.deliver(ticket, &text),
            }
        }
    }
}
