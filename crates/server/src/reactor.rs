//! The reactor: connections, what arrives on them, and the requests that are ready to run.
//!
//! One value behind one lock; whoever polls hands its events to [`Reactor::handle_ready`]. Nothing here
//! waits for a client, calls Python or waits for the GIL; files are read and written. Reading is in `intake`, answering in `delivery`, the end in `drain`.

use crate::balance::Recent;
use crate::batch::Batch;
use crate::body::Body;
use crate::connection::{Connection, Connections, Peer, Phase};
use crate::drain::Drain;
use crate::live::BodyFault;
use crate::role::{Role, Roles};
use crate::site::{Site, Token};
use margrave_config::settings::Protocol;
use margrave_static_files::{Memory, StaticFiles};
use margrave_stats::scoreboard::Counter;
use margrave_sys::poller::{Events, Ready};
use margrave_sys::{clock, net, process};
use margrave_wire::Request;
use margrave_wire::fastcgi::Decoder;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Bytes one read can take.
const READ_BUFFER: usize = 64 * 1024;
/// Connections accepted for one event at most, so that workers share a burst.
const ACCEPTS: usize = 4;
/// After so many looks in a row that have found a connection, one is taken to wait without a look, until accepting was in
/// vain: that costs more than a look, but a look costs something for each connection.
const FOUND_ENOUGH: u8 = 2;
/// Accepted connections wait this long before accepting is tried again when descriptors are exhausted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// And that is said so often.
const COMPLAINT: Duration = Duration::from_secs(10);
/// What cannot be done when a listener cannot be watched.
pub(crate) const WATCH: &str = "watch a listener";
/// How often connections and running requests are looked at for timeouts: the longest and the shortest time between.
const SWEEP: Duration = Duration::from_millis(500);
const QUICK_SWEEP: Duration = Duration::from_millis(50);
/// How often shares that are far from even are looked for, as long as there is something else to do.
const GLANCE: Duration = Duration::from_millis(50);
/// Connections that are read on from between two polls.
const TURNS: usize = 32;
/// Bytes after which the rest of them waits, too.
const BYTES_AT_ONCE: u64 = 2 * 1024 * 1024;
/// What comes while requests are run one after the other is looked for after so long.
const LONGEST_UNSEEN: Duration = Duration::from_millis(10);
/// Requests kept for reuse.
const POOL: usize = 64;

/// A request that is ready to run.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) listener: u16,
    pub(crate) request: Box<Request>,
    pub(crate) body: Body,
    /// The body was not complete when the request became ready.
    pub(crate) is_live: bool,
    /// Something was owed to the client before the answer.
    pub(crate) is_behind: bool,
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) gone: Arc<AtomicBool>,
    /// Its number, where answers go out in FastCGI's records.
    pub(crate) record_id: Option<u16>,
    /// When it could have been run.
    pub(crate) ready_at: Duration,
}

/// All that changes.
pub(crate) struct Reactor {
    pub(crate) site: Arc<Site>,
    pub(crate) connections: Connections,
    pub(crate) ready: VecDeque<Work>,
    /// Complete requests that wait for the end of a pause.
    pub(crate) held: VecDeque<Work>,
    pub(crate) paused: bool,
    /// The generation has not taken over yet: listeners are left alone.
    pub(crate) shut: bool,
    /// The worker has begun to take connections, now or before a pause.
    pub(crate) opened: bool,
    pub(crate) roles: Roles,
    pub(crate) drain: Option<Drain>,
    /// Finished request lines on their way to the log.
    pub(crate) log: Vec<u8>,
    /// The time of the present batch of events.
    pub(crate) now: Duration,
    pub(crate) scratch: Box<[u8]>,
    /// Bytes read so far.
    pub(crate) received: u64,
    /// Connections that have more to read, or whose next request may be in their buffer already; each has its turn.
    pub(crate) resumed: VecDeque<usize>,
    // Boxed, because they travel to a thread and back.
    #[expect(clippy::vec_box)]
    pool: Vec<Box<Request>>,
    /// Connections that nobody has polled for yet: slot, generation, and when they were looked at last.
    unwatched: Vec<(usize, u32, Duration)>,
    /// Whoever leads is in a poll.
    leader_polls: bool,
    /// Rounds of accepting so far, the one that last found a connection, and how many the next such one may take.
    rounds: u64,
    accepted: u64,
    accepts: usize,
    /// Looks for waiting connections that have found one in a row.
    found_waiting: u8,
    /// Listeners on which further connections may wait: the poller tells of each only once.
    backlogged: Vec<u16>,
    pub(crate) batch: Batch,
    pub(crate) recent: Recent,
    /// Small static files that are asked for again and again.
    pub(crate) files: Memory,
    /// Running requests whose body arrives meanwhile, and those that wait for their turn at that.
    pub(crate) live: usize,
    pub(crate) awaiting: VecDeque<(usize, u32)>,
    /// Until then a request may arrive from a fellow that has claimed this worker's help.
    pub(crate) help_until: Duration,
    /// Fellows may send a request to whoever leads and waits.
    pub(crate) offers_help: bool,
    /// One has arrived since that was offered: none that was claimed is on its way any more.
    pub(crate) has_helped: bool,
    next_generation: u32,
    next_sweep: Duration,
    next_glance: Duration,
    /// The worker takes connections, now or when a thread is free.
    accepting: bool,
    /// The listeners are being watched.
    listening: bool,
    accept_again: Option<Duration>,
    /// When it was said last that listeners fail.
    complained: Option<Duration>,
}

impl Reactor {
    pub(crate) fn new(site: Arc<Site>, roles: Roles) -> Self {
        let files = Memory::new(site.files.as_ref().map_or(0, StaticFiles::memory_limit));
        Self {
            site,
            connections: Connections::default(),
            ready: VecDeque::new(),
            held: VecDeque::new(),
            paused: false,
            shut: false,
            opened: false,
            roles,
            drain: None,
            log: Vec::new(),
            now: clock::monotonic(),
            scratch: vec![0; READ_BUFFER].into_boxed_slice(),
            received: 0,
            resumed: VecDeque::new(),
            pool: Vec::new(),
            unwatched: Vec::new(),
            leader_polls: false,
            rounds: 0,
            accepted: 0,
            accepts: 1,
            found_waiting: 0,
            backlogged: Vec::new(),
            batch: Batch::default(),
            recent: Recent::default(),
            files,
            live: 0,
            awaiting: VecDeque::new(),
            help_until: Duration::ZERO,
            offers_help: false,
            has_helped: false,
            next_generation: 0,
            next_sweep: Duration::ZERO,
            next_glance: Duration::ZERO,
            accepting: false,
            listening: false,
            accept_again: None,
            complained: None,
        }
    }

    /// Starts taking connections from the listeners.
    pub(crate) fn start_accepting(&mut self) -> io::Result<()> {
        self.opened = true;
        if self.paused || self.shut || self.drain.is_some() {
            return Ok(());
        }
        self.accepting = true;
        if let Some(fellows) = &self.site.fellows {
            fellows.join(self.site.worker);
        }
        self.note_connections();
        self.watch_listeners()
    }

    fn watch_listeners(&mut self) -> io::Result<()> {
        if self.listening {
            return Ok(());
        }
        self.listening = true;
        let watched = (0u16..)
            .zip(&self.site.listeners)
            .try_for_each(|(number, listener)| self.site.watch_listener(number, &listener.fd));
        if watched.is_err() {
            // Those that are watched would be refused when it is tried again.
            self.ignore_listeners();
        }
        watched
    }

    /// After something about the listeners has failed: leaves all of them to others for a moment.
    pub(crate) fn try_later(&mut self, what: &str, error: &io::Error) {
        if self.complained.is_none_or(|before| before + COMPLAINT <= self.now) {
            let advice = if net::are_descriptors_used_up(error) {
                "; raise the hard limit (LimitNOFILE= in systemd's unit, `ulimit -Hn` in a shell)"
            } else {
                ""
            };
            self.site.log.say(format_args!("cannot {what}: {error}; trying again{advice}"));
            self.complained = Some(self.now);
        }
        self.stop_accepting();
        self.accept_again = Some(self.now + ACCEPT_PAUSE);
    }

    fn ignore_listeners(&mut self) {
        if std::mem::take(&mut self.listening) {
            self.backlogged.clear();
            for listener in &self.site.listeners {
                // A listener that the kernel has dropped already needs no deleting.
                let _ = self.site.poller.delete(&listener.fd);
            }
        }
    }

    /// While no thread is free, connections are better off in the backlog: another worker takes them, and they do not
    /// die with this one. Files are the exception, which need no thread.
    pub(crate) fn listen_if(&mut self, thread_is_free: bool) {
        if thread_is_free || self.site.files.is_some() {
            if self.accepting
                && let Err(error) = self.watch_listeners()
            {
                self.try_later(WATCH, &error);
            }
        } else if self.listening {
            self.ignore_listeners();
            // A connection may just have woken this worker, and nobody else: it is taken on behalf of an idle one.
            if self.site.fellows.as_ref().is_some_and(|fellows| fellows.is_anybody_idle(self.site.worker)) {
                for number in (0u16..).take(self.site.listeners.len()) {
                    self.accept(number, 1);
                }
                self.resume();
            }
        }
    }

    /// The worker would take connections, but ignores its listeners for now.
    pub(crate) fn is_deaf(&self) -> bool {
        self.accepting && !self.listening
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening
    }

    /// Leaves the listeners to others. Whoever waits in the poller meanwhile offers help no longer: nobody may look into the
    /// inbox any more when it wakes.
    pub(crate) fn stop_accepting(&mut self) {
        self.accepting = false;
        self.end_offer();
        if let Some(fellows) = &self.site.fellows {
            fellows.close(self.site.worker);
        }
        self.ignore_listeners();
        self.accept_again = None;
    }

    /// Whether this worker takes requests from others when it has nothing to do.
    pub(crate) fn is_accepting(&self) -> bool {
        self.accepting
    }

    /// Gives out the finished request lines, for `spare`.
    pub(crate) fn take_log(&mut self, spare: &mut Vec<u8>) {
        spare.clear();
        std::mem::swap(&mut self.log, spare);
    }

    /// What happened, batch by batch; `poller` says who has polled. Afterwards `ready` may hold requests.
    pub(crate) fn handle_events(&mut self, events: &Events, poller: Role) {
        let answered = std::mem::replace(&mut self.now, clock::monotonic());
        self.batch.begin_round(answered, self.now);
        if let Some(fellows) = &self.site.fellows {
            fellows.note_poll(self.site.worker, self.now);
        }
        self.accept_more();
        // A leader that does not poll will look without being woken.
        let leads = self.roles.role == poller || !self.leader_polls;
        for ready in events.iter() {
            self.handle_ready(ready, leads);
        }
        self.handle_time();
        self.resume();
    }

    /// Reads on in connections whose answer went out while events were handled, in those that are new, and where there is
    /// more to read. A client that never stops sending has to let others have their turn; the next poll does not wait then.
    pub(crate) fn resume(&mut self) {
        let enough = self.received + BYTES_AT_ONCE;
        for _ in 0..TURNS {
            if self.received > enough {
                return;
            }
            let Some(slot) = self.resumed.pop_front() else { return };
            self.read_on(slot);
        }
    }

    fn handle_ready(&mut self, ready: Ready, leads: bool) {
        match Token::decode(ready.token) {
            Token::Connection { slot, generation } => {
                self.handle_connection(slot as usize, generation, ready)
            }
            // An event of the batch in which the worker stopped accepting: the drain has looked at what waits.
            Token::Listener(_) if !self.accepting => {}
            Token::Listener(number) => self.accept_some(number),
            // For the leader in its poll; at the end, for everybody who polls.
            Token::Waker if leads && self.roles.ending().is_none() => self.site.waker.drain(),
            Token::Waker => {}
            Token::Control => self.handle_control(),
            Token::Liveness => self.handle_master_gone(),
            // Events of the batch in which a drain began: it has taken what was there, and what comes now, its own
            // connections among them, is for those who stay.
            Token::Adoption if self.drain.is_some() => {}
            Token::Inbox if self.drain.is_some() && self.now >= self.help_until => {}
            Token::Adoption => drop(self.handle_adoption()),
            Token::Inbox => self.handle_inbox(),
        }
    }

    fn handle_connection(&mut self, slot: usize, generation: u32, ready: Ready) {
        let Some(connection) = self.connections.find_mut(slot, generation) else {
            return;
        };
        connection.readable |= ready.readable;
        connection.hangup |= ready.hangup;
        if ready.broken && matches!(connection.phase, Phase::InApp | Phase::Queued) {
            connection.gone.store(true, Relaxed);
        }
        if ready.writable && !connection.output.is_empty() {
            self.flush(slot);
        }
        if ready.readable {
            self.pump(slot, 1);
        }
    }

    /// Accepts one connection, more when there were some in the last round too: asking in vain costs as much as a poll.
    fn accept_some(&mut self, number: u16) {
        let goes_on = self.rounds <= self.accepted + 1;
        self.accepts = if goes_on { (self.accepts * 2).min(ACCEPTS) } else { 1 };
        self.accepted = self.rounds;
        let were_all = self.accept(number, self.accepts);
        if !self.queue_up(number) && !were_all && self.listening {
            self.backlogged.push(number);
        }
    }

    /// A round of accepting, where further connections may wait. Not before the next poll: the sooner a connection is
    /// accepted, the less often its request is there already.
    fn accept_more(&mut self) {
        self.rounds += 1;
        for number in std::mem::take(&mut self.backlogged) {
            if self.expects_waiting(number) {
                self.accept_some(number);
            }
        }
    }

    /// Whether a connection seems to wait on a listener.
    fn expects_waiting(&mut self, number: u16) -> bool {
        if self.found_waiting >= FOUND_ENOUGH {
            return true;
        }
        let waits = net::has_waiting(&self.site.listeners[usize::from(number)].fd);
        self.found_waiting = if waits { self.found_waiting + 1 } else { 0 };
        waits
    }

    /// Accepts up to `most` connections that wait on a listener; [`Self::resume`] reads from them. `true` when those were all.
    pub(crate) fn accept(&mut self, number: u16, most: usize) -> bool {
        let site = Arc::clone(&self.site);
        let Some(listener) = site.listeners.get(usize::from(number)) else { return true };
        for count in 0..most {
            if count > 0 && !self.expects_waiting(number) {
                return true;
            }
            match net::accept(&listener.fd) {
                Ok((fd, address)) => {
                    self.site.slot.add(Counter::Accepted, 1);
                    let Some(fd) = self.give_away(fd, number) else { continue };
                    let peer = Peer::new(address, site.trusts(address));
                    let slot = self.insert(fd, number, peer);
                    self.resumed.extend(slot);
                }
                Err(error) => {
                    self.found_waiting = 0;
                    return self.handle_accept_error(&error);
                }
            }
        }
        false
    }

    /// Without descriptors what waits goes on waiting: look away for a moment.
    /// `true` when nothing waits on it now.
    fn handle_accept_error(&mut self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
        if !matches!(error.kind(), WouldBlock | ConnectionAborted | Interrupted) {
            self.try_later("accept a connection", error);
        }
        error.kind() == WouldBlock
    }

    /// Takes over a connection, to be watched from the next poll on.
    pub(crate) fn insert(&mut self, fd: OwnedFd, listener: u16, peer: Peer) -> Option<usize> {
        self.next_generation = (self.next_generation + 1) % u32::MAX;
        let generation = self.next_generation;
        let site = &self.site;
        let settings = site.listeners.get(usize::from(listener))?;
        let mut connection =
            Connection::new(fd, generation, listener, peer, self.now + site.http.head_timeout);
        connection.records = settings.has_records().then(|| Box::new(Decoder::new(site.capacity)));
        connection.awaits_proxy =
            settings.protocol == Protocol::Http && site.http.proxy_protocol && connection.peer.trusted;
        let slot = self.connections.insert(Box::new(connection));
        self.watch(slot);
        self.site.slot.add(Counter::Connections, 1);
        if let Some(fellows) = &self.site.fellows {
            fellows.note_taken(self.site.worker);
        }
        self.note_connections();
        Some(slot)
    }

    /// Makes events, threads and answers that still belong to the connection's last request miss it.
    pub(crate) fn renew(&mut self, slot: usize) {
        self.next_generation = (self.next_generation + 1) % u32::MAX;
        let generation = self.next_generation;
        let connection = &mut self.connections[slot];
        connection.generation = generation;
        connection.gone = Arc::default();
        connection.inflow = None;
        self.unwatch(slot);
        self.watch(slot);
    }

    /// Watches a connection from the next poll on: one that is answered and closed before costs the poller nothing.
    pub(crate) fn watch(&mut self, slot: usize) {
        self.unwatched.push((slot, self.connections[slot].generation, self.now));
        if self.leader_polls {
            self.watch_new();
        }
    }

    /// Ends the work on a batch of events: sends the answers held back, reads on behind them, and looks once more into
    /// new connections that were empty before all that. Afterwards `ready` may hold requests.
    pub(crate) fn settle(&mut self) {
        self.send_held();
        for index in 0..self.unwatched.len() {
            let (slot, generation, looked) = self.unwatched[index];
            let found = self.connections.find_mut(slot, generation);
            if let Some(connection) = found.filter(|found| found.phase == Phase::Reading && looked < self.now)
            {
                connection.readable = true;
                self.resumed.push_back(slot);
            }
        }
        self.resume();
    }

    pub(crate) fn watch_new(&mut self) {
        while let Some((slot, generation, _)) = self.unwatched.pop() {
            let found = self.connections.find_mut(slot, generation);
            let Some(connection) = found.filter(|found| !found.watched) else {
                continue;
            };
            let token = Token::Connection { slot: u32::try_from(slot).unwrap_or(u32::MAX), generation };
            connection.watched = self.site.poller.add_connection(&*connection.fd, token.encode()).is_ok();
            if !connection.watched {
                connection.gone.store(true, Relaxed);
                self.close(slot);
            }
        }
    }

    /// Ends the watch on a connection that another process may get, which holds the same open socket: closing ours
    /// would not end it.
    pub(crate) fn unwatch(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if std::mem::take(&mut connection.watched) {
            let _ = self.site.poller.delete(&*connection.fd);
        }
    }

    /// Whoever leads is about to poll, without the lock.
    pub(crate) fn begin_poll(&mut self) {
        self.watch_new();
        self.roles.forget_call();
        self.leader_polls = true;
    }

    /// It has the lock again, or does not lead any more.
    pub(crate) fn end_poll(&mut self) {
        self.leader_polls = false;
    }

    pub(crate) fn leader_polls(&self) -> bool {
        self.leader_polls
    }

    /// The leader goes into the application, for that request or for its own sake. A watcher that stands by sees what comes
    /// from now on; what is there already it is told of.
    pub(crate) fn leave_poller(&mut self, leader: usize, work: Option<&Work>) -> u64 {
        if self.roles.watcher_polls {
            self.accept_more();
            let slot = work.filter(|work| !work.is_live).map(|work| work.slot);
            // The client whose request runs can wait for the next poll, if its body is there: most close, and are not watched.
            if self.unwatched.iter().any(|&(unwatched, ..)| Some(unwatched) != slot) {
                self.watch_new();
            }
        }
        let waits = !(self.ready.is_empty() && self.resumed.is_empty() && self.backlogged.is_empty());
        self.roles.enter(leader, waits)
    }

    /// Forgets a connection; the socket closes with its last owner.
    pub(crate) fn close(&mut self, slot: usize) {
        if self.connections.contains(slot) {
            let connection = self.connections.remove(slot);
            self.site.slot.counter(Counter::Connections).fetch_sub(1, Relaxed);
            self.note_connections();
            if connection.phase == Phase::InApp {
                self.roles.wake_waiter(slot);
            }
            if let Some(partial) = connection.partial {
                self.recycle(partial.request);
            }
        }
    }

    /// An empty request value.
    pub(crate) fn request(&mut self) -> Box<Request> {
        self.pool.pop().unwrap_or_default()
    }

    /// Takes a request value back for reuse.
    pub(crate) fn recycle(&mut self, mut request: Box<Request>) {
        if self.pool.len() < POOL {
            request.clear();
            self.pool.push(request);
        }
    }

    /// The last poll was so long ago that others may wait unseen. A client that sends many requests at once, or the next
    /// one while the last is being answered, keeps requests ready for ever.
    pub(crate) fn should_look(&self) -> bool {
        self.now > self.batch.polled() + LONGEST_UNSEEN
    }

    /// How long a leader's poll may wait at most; `None` = until something happens.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        if self.ready.is_empty() { self.time_left() } else { Some(Duration::ZERO) }
    }

    /// How long until something has to be done because of the time.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        if !self.resumed.is_empty() || !self.backlogged.is_empty() {
            return Some(Duration::ZERO);
        }
        let watched = !self.connections.is_empty() || self.roles.anybody_runs();
        self.next_duty(watched)
    }

    /// The same for one who waits beside the leader, and does not know whether requests will run.
    pub(crate) fn time_to_duty(&self) -> Duration {
        self.next_duty(true).unwrap_or(SWEEP)
    }

    fn next_duty(&self, sweeps: bool) -> Option<Duration> {
        let sweep = sweeps.then_some(self.next_sweep);
        let drain = self.drain.as_ref().map(|drain| drain.pass_again.unwrap_or(drain.deadline));
        let help = (self.help_until > self.now).then_some(self.help_until);
        let next = [sweep, self.accept_again, drain, help].into_iter().flatten().min()?;
        Some(next.saturating_sub(self.now))
    }

    fn handle_time(&mut self) {
        if self.accept_again.is_some_and(|again| again <= self.now) {
            self.accept_again = None;
            if let Err(error) = self.start_accepting() {
                self.try_later(WATCH, &error);
            }
        }
        if self.next_sweep <= self.now {
            self.next_sweep = self.now + self.sweep_interval();
            self.sweep();
        }
        if self.next_glance <= self.now {
            self.next_glance = self.now + GLANCE;
            self.even_out_coarsely();
        }
        self.continue_drain();
    }

    /// Short times are kept more exactly than long ones.
    fn sweep_interval(&self) -> Duration {
        let http = &self.site.http;
        let silence = http.head_timeout.min(http.body_timeout).min(http.write_timeout);
        let limits = [self.site.process.harakiri, self.site.process.slow_stack];
        let shortest = limits.into_iter().flatten().fold(silence, Duration::min);
        (shortest / 8).clamp(QUICK_SWEEP, SWEEP)
    }

    fn sweep(&mut self) {
        let now = self.now;
        let late: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, found)| found.deadline <= now)
            .map(|(slot, _)| slot)
            .collect();
        for slot in late {
            self.handle_timeout(slot);
        }
        self.sweep_deadlines();
        self.even_out();
        self.sample_memory();
    }

    fn sample_memory(&self) {
        if self.site.log.shows_memory
            && let Some((resident, space)) = process::memory_of(process::id())
        {
            self.site.slot.counter(Counter::Rss).store(resident, Relaxed);
            self.site.slot.counter(Counter::Vsz).store(space, Relaxed);
        }
    }

    fn handle_timeout(&mut self, slot: usize) {
        let (now, patience) = (self.now, self.write_patience());
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let takes_answer =
            matches!(connection.phase, Phase::Writing(_) | Phase::InApp) && !connection.output.is_empty();
        if takes_answer && connection.output.is_taken(connection.fd.as_fd()) {
            connection.deadline = connection.output.advance(now, 0, patience);
            if connection.deadline > now {
                return;
            }
        }
        match connection.phase {
            Phase::Reading if connection.is_quiet() => self.close(slot),
            Phase::Reading | Phase::Body => self.refuse_silence(slot),
            Phase::Writing(_) | Phase::Draining | Phase::Lingering => self.close(slot),
            // The application's time is bounded by its own deadline; a client that takes nothing of a long answer is not.
            Phase::InApp if !connection.output.is_empty() => self.give_up_on(slot),
            Phase::InApp if connection.is_awaited() => self.fail_live(slot, BodyFault::TooSlow),
            Phase::InApp | Phase::Queued | Phase::Held => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::WorkerParts;
    use crate::fellows::Fellows;
    use margrave_config::Settings;
    use margrave_config::settings::{Address, ListenerSettings};
    use margrave_lifecycle::message::ListenerInfo;
    use margrave_stats::scoreboard::Layout;
    use margrave_sys::channel::Channel;
    use margrave_sys::shm::SharedWords;

    /// The reactor of worker 1, which has one thread.
    pub(crate) fn reactor(listener: Option<OwnedFd>, fellows: Option<Arc<Fellows>>) -> Reactor {
        let mut settings = Settings::default();
        settings.listen.listeners.push(ListenerSettings {
            protocol: Protocol::Http,
            address: Address::Tcp { host: "127.0.0.1".into(), port: 0 },
            option: "http-socket".into(),
            origin: String::new(),
        });
        let layout = Layout { slots: 2, threads: 1, listeners: 1 };
        let (scoreboard, _memory) = SharedWords::create(layout.words()).unwrap();
        let site = Site::new(WorkerParts {
            settings: Arc::new(settings),
            listeners: listener
                .map(|fd| (ListenerInfo { index: 0, address: String::new() }, fd))
                .into_iter()
                .collect(),
            control: Channel::pair().unwrap().0.into_fd(),
            liveness: std::io::pipe().unwrap().0.into(),
            adoption: Channel::pair().unwrap().0.into_fd(),
            fellows,
            scoreboard,
            layout,
            slot: 1,
            worker: 1,
            watchdog: None,
        });
        Reactor::new(Arc::new(site.unwrap()), Roles::new(1, Arc::default()))
    }

    #[test]
    fn a_listener_that_cannot_be_watched_is_tried_again_each_time() {
        // The kernel watches no directories.
        let mut reactor = reactor(Some(std::fs::File::open("/").unwrap().into()), None);
        assert!(reactor.start_accepting().is_err());
        assert!(!reactor.is_listening());
        reactor.try_later(WATCH, &io::ErrorKind::Other.into());
        assert!(reactor.time_left().unwrap() <= ACCEPT_PAUSE);
        assert!(reactor.start_accepting().is_err(), "it was tried again");
    }
}
