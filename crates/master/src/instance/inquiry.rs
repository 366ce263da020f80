//! What every Python thread does: workers are asked, and who asked is answered when all have spoken, or after a while.

use super::Instance;
use margrave_lifecycle::message::{ForkId, ToWorker};
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::clock::monotonic;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Longest wait for workers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest text of one worker.
const MAX_TEXT: u64 = 1024 * 1024;

/// A question that waits for answers.
#[derive(Debug)]
pub(super) struct Inquiry {
    waiting: BTreeSet<ForkId>,
    /// By worker number and process.
    texts: BTreeMap<(u16, ForkId), String>,
    deadline: Duration,
    /// The answer is for the log.
    pub(super) for_log: bool,
}

impl Instance {
    /// Asks the workers that serve.
    pub(super) fn ask_for_stacks(&mut self) -> Outcome {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let waiting: BTreeSet<ForkId> =
            self.workers.iter().filter(|(_, worker)| worker.ready).map(|(id, _)| *id).collect();
        if waiting.is_empty() {
            return Outcome::refused("there is no worker whose stacks could be shown");
        }
        for id in &waiting {
            self.send_to(*id, &ToWorker::Stacks { ticket });
        }
        let deadline = monotonic() + PATIENCE;
        self.inquiries.insert(ticket, Inquiry { waiting, texts: BTreeMap::new(), deadline, for_log: false });
        Outcome::Later(ticket)
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
            if inquiry.for_log {
                self.parts.log.say(Level::Info, "stacks of all threads:");
                text.lines().for_each(|line| self.parts.log.write(line));
            } else {
                self.deliver(ticket, text);
            }
        }
    }

    /// Passes a late answer to whoever has the ticket.
    fn deliver(&mut self, _ticket: u64, text: String) {
        text.lines().for_each(|line| self.parts.log.write(line));
    }
}
