//! Answering: what a thread leaves to the reactor is sent, and the connection goes on or ends.

use crate::connection::{Next, Phase};
use crate::drain::Passing;
use crate::kept::Kept;
use crate::output::{Output, Unsent};
use crate::reactor::{Reactor, Work};
use crate::role::Role;
use margrave_stats::scoreboard::Counter;
use margrave_sys::net;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Longest time a closed connection is kept for bytes still on their way, so that they do not reset our answer.
const LINGER: Duration = Duration::from_secs(2);

/// What an application's thread leaves to the reactor.
pub(crate) enum Rest<'a> {
    Bytes(&'a [u8]),
    Kept(Kept),
    Unsent(Unsent),
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
    /// The same in FastCGI's records.
    RecordedFile {
        file: File,
        offset: u64,
        length: u64,
        id: u16,
    },
}

impl Reactor {
    /// Takes bytes that the socket did not take. Gives the bytes now buffered, or `None` when the client has gone.
    pub(crate) fn leave(&mut self, slot: usize, generation: u32, rest: Rest<'_>) -> Option<usize> {
        let patience = self.write_patience();
        let connection = self.connections.find_mut(slot, generation)?;
        if connection.output.is_empty() {
            connection.deadline = connection.output.advance(margrave_sys::clock::monotonic(), 0, patience);
        }
        match rest {
            Rest::Bytes(bytes) => connection.output.push(bytes),
            Rest::Kept(kept) => connection.output.push_kept(kept),
            Rest::Unsent(unsent) => connection.output.push_back(unsent),
            Rest::File { file, offset, length } => connection.output.push_file(file, offset, length),
            Rest::RecordedFile { file, offset, length, id } => {
                connection.output.push_recorded_file(file, offset, length, id);
            }
        }
        if self.roles.watcher_polls {
            self.watch_new();
        }
        // The edge that says "writable" may have passed before the bytes were here: try once more.
        self.flush(slot);
        let connection = self.connections.find(slot, generation)?;
        (!connection.gone.load(Relaxed)).then(|| connection.output.buffered())
    }

    /// A thread takes the request; from here on it alone writes to the connection.
    pub(crate) fn enter_app(&mut self, work: &Work) {
        if let Some(connection) = self.connections.find_mut(work.slot, work.generation) {
            connection.phase = Phase::InApp;
            connection.deadline = Duration::MAX;
        }
    }

    /// Bytes in memory that a running request's client has not taken; `None` when it has gone.
    pub(crate) fn owed(&self, work: &Work) -> Option<usize> {
        let connection = self.connections.find(work.slot, work.generation)?;
        let lost = connection.phase != Phase::InApp || connection.gone.load(Relaxed);
        (!lost).then(|| connection.output.buffered())
    }

    /// Nothing is owed to a running request's client, in memory or in files.
    pub(crate) fn owes_nothing(&self, work: &Work) -> bool {
        let connection = self.connections.find(work.slot, work.generation);
        connection.is_some_and(|found| found.output.is_empty())
    }

    /// Requests wait, and no thread is free for them.
    pub(crate) fn is_short_of_threads(&self) -> bool {
        self.ready.len() > self.roles.on_their_way() && !self.roles.has_idle()
    }

    /// Parts of files are owed to a running request's client.
    pub(crate) fn owes_files(&self, work: &Work) -> bool {
        self.connections.find(work.slot, work.generation).is_some_and(|found| found.output.has_files())
    }

    /// Takes what a running request's client has not taken out of memory. `None` when the client has gone.
    pub(crate) fn take_back(&mut self, work: &Work) -> Option<Unsent> {
        self.owed(work)?;
        Some(self.connections.get_mut(work.slot)?.output.take_back())
    }

    /// A thread that is about to wait for a client must not keep the others waiting.
    pub(crate) fn give_lead_away(&mut self, thread: usize) {
        if self.roles.role == Role::Lead(thread) {
            self.roles.hand_lead_to_watcher();
        }
    }

    /// A request that no thread will run.
    pub(crate) fn forget(&mut self, work: Work) {
        self.site.slot.counter(Counter::InFlight).fetch_sub(1, Relaxed);
        if work.is_live {
            self.end_live();
        }
        self.recycle(work.request);
    }

    /// The thread's part of an answer is complete.
    pub(crate) fn complete(&mut self, work: &Work, next: Next) {
        self.site.slot.counter(Counter::InFlight).fetch_sub(1, Relaxed);
        let next = if work.is_live { self.settle_live(work, next) } else { next };
        let slot = work.slot;
        let Some(connection) = self.connections.find_mut(slot, work.generation) else {
            return;
        };
        // Given up in the meantime (deadline passed): the answer is not the thread's any more.
        if connection.phase != Phase::InApp {
            return;
        }
        if connection.gone.load(Relaxed) {
            // With both sides closed the socket looks broken, but the client has its answer.
            if next != Next::Closed {
                self.site.slot.add(Counter::Aborted, 1);
            }
            return self.close(slot);
        }
        if self.holds(work) {
            return self.begin_writing(slot, next);
        }
        self.send_held();
        self.answer(slot, next);
    }

    /// Everything to be said is in the output: sends it, then goes on as `next` says.
    pub(crate) fn answer(&mut self, slot: usize, next: Next) {
        self.begin_writing(slot, next);
        self.flush(slot);
    }

    fn begin_writing(&mut self, slot: usize, next: Next) {
        let (now, patience) = (self.now, self.write_patience());
        let connection = &mut self.connections[slot];
        connection.phase = Phase::Writing(next);
        if !connection.output.is_empty() {
            connection.deadline = connection.output.advance(now, 0, patience);
        }
    }

    /// Sends what is owed. Ends the connection when it is broken; goes on when the answer is complete.
    pub(crate) fn flush(&mut self, slot: usize) {
        let patience = self.write_patience();
        let now = self.now;
        let closes = self.closes(slot);
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let before = connection.output.sent();
        let sent = if connection.output.is_empty() {
            Ok(true)
        } else {
            connection.output.flush(connection.fd.as_fd(), closes)
        };
        match (sent, connection.phase) {
            (Ok(true), Phase::Writing(next)) => self.go_on(slot, next),
            (Ok(_), phase) => {
                let taken = connection.output.sent() - before;
                let times_answer = match phase {
                    Phase::Writing(_) => true,
                    Phase::InApp => !connection.is_awaited(),
                    _ => false,
                };
                if taken > 0 && times_answer {
                    connection.deadline = connection.output.advance(now, taken, patience);
                }
                if phase == Phase::InApp {
                    self.roles.wake_waiter(slot);
                }
            }
            (Err(_), Phase::InApp | Phase::Queued) => self.give_up_on(slot),
            (Err(_), _) => {
                self.site.slot.add(Counter::Aborted, 1);
                self.close(slot);
            }
        }
    }

    /// The connection ends with what is sent next, and TCP can say so in the same packet.
    pub(crate) fn closes(&self, slot: usize) -> bool {
        self.connections.get(slot).is_some_and(|found| {
            let is_tcp = self.site.listeners[usize::from(found.listener)].is_tcp();
            is_tcp && found.phase == Phase::Writing(Next::Close) && found.is_read()
        })
    }

    /// The client does not take the answer that a thread still makes: tells the thread.
    pub(crate) fn give_up_on(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        connection.gone.store(true, Relaxed);
        connection.output = Output::default();
        connection.deadline = Duration::MAX;
        self.roles.wake_waiter(slot);
    }

    fn go_on(&mut self, slot: usize, next: Next) {
        match next {
            Next::Read => self.await_request(slot),
            Next::Close | Next::Closed if self.connections[slot].is_read() => self.close(slot),
            Next::Close | Next::Closed | Next::Linger => self.linger(slot),
        }
    }

    pub(crate) fn await_request(&mut self, slot: usize) {
        let Some(keepalive) = self.site.http.keepalive else { return self.close(slot) };
        let silence = self.body_patience().silence;
        let connection = &mut self.connections[slot];
        if connection.inflow.is_some() {
            connection.phase = Phase::Draining;
            connection.deadline = self.now + silence;
            return self.resumed.push_back(slot);
        }
        connection.phase = Phase::Reading;
        connection.deadline = self.now + keepalive;
        // What was read while the request ran may have been the end of what the client sends; it can be read again.
        connection.readable |= connection.hangup;
        if !connection.input.is_empty() || connection.readable {
            self.resumed.push_back(slot);
        } else if let Some(drain) = &self.drain {
            match drain.passing() {
                Passing::Possible => _ = self.pass(slot),
                Passing::Impossible => self.close(slot),
            }
        }
    }

    pub(crate) fn linger(&mut self, slot: usize) {
        let deadline = self.now + LINGER;
        let connection = &mut self.connections[slot];
        net::shutdown_write(connection.fd.as_fd());
        connection.phase = Phase::Lingering;
        connection.deadline = deadline;
        connection.input = Vec::new();
        connection.readable = true;
        self.resumed.push_back(slot);
    }
}
