//! The end of a worker, and connections on their way from one generation to the next.
//!
//! A draining worker accepts no more, finishes what is in flight, and passes idle connections to the generation
//! that takes over, so that no client sees a connection closed on which it may just be sending.

use crate::Ending;
use crate::connection::{Connection, Next, Peer, Phase};
use crate::pace::Patience;
use crate::reactor::{Reactor, WATCH};
use margrave_lifecycle::message::{Adopted, ToWorker, decode, encode};
use margrave_stats::scoreboard::{Counter, WorkerState};
use margrave_sys::channel::Channel;
use margrave_sys::net;
use margrave_wire::{Known, Request};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A connection that was accepted and has sent nothing yet gets this long at the end.
const FIRST_BYTES: Duration = Duration::from_secs(1);
/// Silence allowed to a client in the middle of a request or an answer, once the worker is to end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Heirs whose queue is full have read some of it after so long.
const PASS_AGAIN: Duration = Duration::from_millis(5);
/// Connections accepted at the end from each listener's backlog: without and with others who could take them.
const BACKLOG: usize = 4096;
const LAST_ACCEPTS: usize = 64;
/// Connections adopted for one event.
const ADOPTIONS: usize = 16;
/// Longest input that travels with a connection.
const MAX_INPUT: usize = 16 * 1024;

/// A drain in progress.
#[derive(Debug)]
pub(crate) struct Drain {
    /// Then the worker ends whatever is left.
    pub(crate) deadline: Duration,
    /// Fresh connections are closed from then on.
    fresh_until: Duration,
    /// Where idle connections go.
    heirs: Option<Arc<Channel>>,
    /// When to go on passing connections: there was no room for them.
    pub(crate) pass_again: Option<Duration>,
}

/// Whether a draining worker's idle connections can go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Possible,
    Impossible,
}

impl Drain {
    pub(crate) fn passing(&self) -> Passing {
        if self.heirs.is_some() { Passing::Possible } else { Passing::Impossible }
    }
}

impl Reactor {
    pub(crate) fn handle_control(&mut self) {
        let mut packet = vec![0; 1024];
        loop {
            match self.site.control.recv(&mut packet) {
                Ok(Some((length, descriptors))) => match decode(&packet[..length]) {
                    Ok(ToWorker::Drain { mercy_ms, .. }) => {
                        let heirs = descriptors.into_iter().next().map(|fd| Arc::new(Channel::from(fd)));
                        if self.drain.is_some() {
                            self.change_heirs(heirs);
                        } else {
                            self.begin_drain(Duration::from_millis(mercy_ms), heirs);
                        }
                    }
                    Ok(ToWorker::Stop) => self.roles.end(Ending::Stopped),
                    Ok(ToWorker::Pause(pause)) => self.pause(pause),
                    Ok(ToWorker::Shut) => self.shut = true,
                    Ok(ToWorker::Open) => self.open_up(),
                    Ok(ToWorker::Unready) => self.site.unready.store(true, Relaxed),
                    Ok(ToWorker::Stacks { ticket }) => self.answer_with_stacks(ticket),
                    Ok(ToWorker::Output) => descriptors.iter().for_each(|output| {
                        // Without it the old file goes on, which is better than nothing.
                        let _ = margrave_sys::process::redirect_output(output);
                    }),
                    Err(error) => self.site.log.say(format_args!(
                        "the master has sent what this version does not know: {error}; restart the instance"
                    )),
                },
                Ok(None) => return self.handle_master_gone(),
                Err(_) => return,
            }
        }
    }

    pub(crate) fn handle_master_gone(&mut self) {
        self.roles.end(Ending::MasterGone);
    }

    /// Whether this is the request of `readiness`.
    pub(crate) fn asks_for_readiness(&self, request: &Request) -> bool {
        let path = self.site.http.readiness.as_deref().map(str::as_bytes);
        path.is_some() && request.var(Known::PathInfo) == path
    }

    /// Says without Python whether this worker wants more requests: not before a stop, nor in a pause.
    pub(crate) fn answer_readiness(&mut self, slot: usize, request: Box<Request>) {
        self.recycle(request);
        let is_ready = !self.site.unready.load(Relaxed) && self.drain.is_none() && !self.paused;
        let Some(answer) = self.refusal(slot, if is_ready { 200 } else { 503 }) else {
            return self.close(slot);
        };
        self.connections[slot].output.push(&answer);
        self.answer(slot, Next::Linger);
    }

    /// Begins no request any more, or goes on with those that have waited.
    fn pause(&mut self, pause: bool) {
        if std::mem::replace(&mut self.paused, pause) == pause {
            return;
        }
        if pause {
            self.stop_accepting();
            self.held.append(&mut self.ready);
            return;
        }
        self.ready.append(&mut self.held);
        self.accept_if_opened();
    }

    /// The generation has taken over.
    fn open_up(&mut self) {
        self.shut = false;
        self.accept_if_opened();
    }

    fn accept_if_opened(&mut self) {
        if self.opened
            && let Err(error) = self.start_accepting()
        {
            self.try_later(WATCH, &error);
        }
    }

    fn begin_drain(&mut self, mercy: Duration, heirs: Option<Arc<Channel>>) {
        self.pause(false);
        self.site.slot.counter(Counter::State).store(WorkerState::Draining as u64, Relaxed);
        self.stop_accepting();
        if heirs.is_none() {
            self.site.closing.store(true, Relaxed);
        }
        self.accept_the_last(heirs.is_some());
        // The master has ended this channel where a whole generation leaves; what was passed before is still in it.
        while self.handle_adoption() {}
        let _ = self.site.poller.delete(&self.site.adoption);
        if self.now >= self.help_until {
            self.clear_inbox();
        }
        self.take_leavings();
        if let Some(heirs) = &heirs {
            let _ = heirs.set_nonblocking();
        }
        let fresh_until = self.now + FIRST_BYTES;
        self.drain = Some(Drain { deadline: self.now + mercy, fresh_until, heirs, pass_again: None });
        self.shorten_patience();
        self.settle_idle();
        self.continue_drain();
    }

    /// Those that were to get the connections leave as well: others do.
    fn change_heirs(&mut self, heirs: Option<Arc<Channel>>) {
        let (Some(drain), Some(heirs)) = (&mut self.drain, heirs) else { return };
        let _ = heirs.set_nonblocking();
        drain.heirs = Some(heirs);
        self.site.closing.store(self.site.http.keepalive.is_none(), Relaxed);
        self.settle_idle();
    }

    /// A listener that woke this worker has woken nobody else, and where nobody takes over, all that waits in the
    /// backlog is ours to answer: so look once more after the last event. What waits while a generation has not taken
    /// over is not for it: its code may just have been found wanting.
    fn accept_the_last(&mut self, has_heirs: bool) {
        if self.shut {
            return;
        }
        for number in (0u16..).take(self.site.listeners.len()) {
            self.accept(number, if has_heirs { LAST_ACCEPTS } else { BACKLOG });
        }
        self.resume();
    }

    /// A worker that ends waits less: a client that has stopped in the middle would hold it to the end of its mercy.
    pub(crate) fn limited(&self, timeout: Duration) -> Duration {
        if self.drain.is_some() { timeout.min(LAST_PATIENCE) } else { timeout }
    }

    /// What a client that sends a body is held to.
    pub(crate) fn body_patience(&self) -> Patience {
        Patience { silence: self.limited(self.site.http.body_timeout), min_rate: self.site.http.min_rate }
    }

    /// What a client that takes an answer is held to.
    pub(crate) fn write_patience(&self) -> Patience {
        Patience { silence: self.limited(self.site.http.write_timeout), min_rate: self.site.http.min_rate }
    }

    fn shorten_patience(&mut self) {
        let latest = self.now + LAST_PATIENCE;
        for (_, connection) in self.connections.iter_mut() {
            let waits_for_client = !matches!(connection.phase, Phase::Queued | Phase::InApp | Phase::Held);
            if waits_for_client || connection.is_awaited() || !connection.output.is_empty() {
                connection.deadline = connection.deadline.min(latest);
            }
        }
    }

    /// Passes or closes every connection between two requests.
    pub(crate) fn settle_idle(&mut self) {
        match self.drain.as_ref().map(Drain::passing) {
            Some(Passing::Impossible) => self.close_where(Connection::is_idle),
            Some(Passing::Possible) => {
                let slots: Vec<usize> = self
                    .connections
                    .iter()
                    .filter(|(_, found)| found.can_be_passed())
                    .map(|(slot, _)| slot)
                    .collect();
                for slot in slots {
                    if !self.pass(slot) {
                        return;
                    }
                }
            }
            None => {}
        }
    }

    /// Ends the worker once nothing is left, or at the deadline.
    pub(crate) fn continue_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        if drain.pass_again.take_if(|again| *again <= self.now).is_some() {
            self.settle_idle();
        }
        let Some(drain) = &self.drain else { return };
        let (deadline, fresh_until) = (drain.deadline, drain.fresh_until);
        if self.now >= fresh_until && drain.pass_again.is_none() {
            // What could not be passed, and what has been silent since it was accepted, had its time.
            self.close_where(|found| found.phase == Phase::Reading && found.is_quiet());
        }
        let idle = self.connections.is_empty()
            && self.ready.is_empty()
            && !self.roles.anybody_runs()
            && self.now >= self.help_until;
        if idle || self.now >= deadline {
            self.roles.end(Ending::Drained);
        }
    }

    fn close_where(&mut self, mut closes: impl FnMut(&Connection) -> bool) {
        let slots: Vec<usize> =
            self.connections.iter().filter(|(_, found)| closes(found)).map(|(slot, _)| slot).collect();
        for slot in slots {
            self.close(slot);
        }
    }

    /// Gives a connection between two requests to the next generation, with what was read of the next request. `false` when
    /// the others cannot be passed now either.
    pub(crate) fn pass(&mut self, slot: usize) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
        let Some(heirs) = self.drain.as_ref().and_then(|drain| drain.heirs.clone()) else { return false };
        let connection = &self.connections[slot];
        if connection.input.len() > MAX_INPUT || !connection.can_be_passed() {
            return true;
        }
        let mut failure = None;
        self.move_connection(slot, |adopted, fd| {
            let Ok(packet) = encode(adopted) else { return false };
            failure = heirs.send(&packet, &[fd]).err();
            failure.is_none()
        });
        let (Some(error), Some(drain)) = (failure, &mut self.drain) else { return true };
        if matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset) {
            // The heirs leave, too. The master names others; where there are none, the connection is answered once more here,
            // with `Connection: close`.
            self.site.closing.store(true, Relaxed);
            drain.fresh_until = drain.fresh_until.max(self.now + FIRST_BYTES);
        } else {
            // There are more connections than their queue, or the kernel, takes at once.
            drain.pass_again = Some(self.now + PASS_AGAIN);
        }
        false
    }

    /// Moves a connection between two requests to another process, by `send`. `false` when it stays.
    pub(crate) fn move_connection(
        &mut self,
        slot: usize,
        send: impl FnOnce(&Adopted, BorrowedFd<'_>) -> bool,
    ) -> bool {
        let connection = &self.connections[slot];
        let adopted = Adopted {
            listener: self.site.listeners[usize::from(connection.listener)].address.clone(),
            served: connection.served,
            input: connection.input.clone(),
            client: connection.client,
        };
        self.unwatch(slot);
        if send(&adopted, self.connections[slot].fd.as_fd()) {
            self.close(slot);
            return true;
        }
        // Its queue is full or it has gone: keep the connection.
        self.watch(slot);
        false
    }

    /// Takes connections that a draining worker passes on. `false` when no more wait.
    pub(crate) fn handle_adoption(&mut self) -> bool {
        let mut packet = vec![0; MAX_INPUT + 1024];
        for _ in 0..ADOPTIONS {
            let (length, descriptors) = match self.site.adoption.recv(&mut packet) {
                Ok(Some(packet)) => packet,
                Ok(None) => {
                    let _ = self.site.poller.delete(&self.site.adoption);
                    return false;
                }
                Err(_) => return false,
            };
            let Some(fd) = descriptors.into_iter().next() else { continue };
            let Ok(adopted) = decode::<Adopted>(&packet[..length]) else { continue };
            self.adopt(adopted, fd);
        }
        true
    }

    /// Goes on with a connection of another worker.
    pub(crate) fn adopt(&mut self, adopted: Adopted, fd: OwnedFd) {
        let Some(listener) =
            self.site.listeners.iter().position(|listener| listener.address == adopted.listener)
        else {
            return;
        };
        let address = net::peer_of(fd.as_fd());
        let peer = Peer::new(address, self.site.trusts(address));
        let Some(slot) = self.insert(fd, u16::try_from(listener).unwrap_or(u16::MAX), peer) else { return };
        let keepalive = self.site.http.keepalive.unwrap_or(self.site.http.head_timeout);
        let deadline = self.now + keepalive;
        let connection = &mut self.connections[slot];
        connection.served = adopted.served;
        connection.input = adopted.input;
        if adopted.served > 0 {
            connection.deadline = deadline;
        }
        self.name_client(slot, adopted.client);
        self.resumed.push_back(slot);
    }
}
