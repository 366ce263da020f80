//! Python threads: each leads or runs what is ready, as the roles say.

use crate::exchange::{Exchange, Scratch, Times};
use crate::reactor::{Reactor, Work};
use crate::role::{Role, Roles, Running, Woken};
use crate::site::Site;
use crate::watcher::{self, Watch};
use crate::{Ending, Executor, WorkerParts};
use margrave_lifecycle::message::{AppReport, FromWorker, LoadFailure, encode};
use margrave_stats::scoreboard::{Counter, ThreadWord, WorkerState};
use margrave_sys::clock;
use margrave_sys::poller::Events;
use margrave_wire::Known;
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::Thread;
use std::time::Duration;

/// Events taken from one poll.
pub(crate) const EVENTS: usize = 256;
/// Log bytes that are written out even while there is work.
const LOG_BATCH: usize = 16 * 1024;

/// After so many looks in vain a thread waits for events at once, and looks again before every so many waits.
const VAIN_LOOKS: u32 = 4;
const WAITS: u32 = 16;
/// A leader waits so long for the watcher, which does not get a processor sooner on a busy machine.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// A worker's serving part. Made after the fork; every Python thread calls [`Server::run_thread`].
pub struct Server {
    shared: Arc<Shared>,
}

/// Freed blocks larger than this go back to the kernel, smaller ones when twice as much is free.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) site: Arc<Site>,
    /// One that is given to whoever waits for it every now and then: a leader that is kept busy by connections takes it again
    /// sooner than a thread that has been woken for it is there.
    reactor: Mutex<Reactor>,
    pub(crate) watch: Arc<Watch>,
    /// Threads that wait for the GIL with a request in hand.
    pub(crate) waiting_for_gil: AtomicUsize,
}

/// The reactor, while nobody else has it. Threads that are woken meanwhile begin to run when it is free again: before,
/// they would only find it taken.
pub(crate) struct Locked<'a> {
    // Dropped in this order.
    reactor: MutexGuard<'a, Reactor>,
    wakes: Wakes<'a>,
}

/// Wakes whom it holds.
struct Wakes<'a> {
    shared: &'a Shared,
    woken: Option<Woken>,
}

impl Deref for Locked<'_> {
    type Target = Reactor;

    fn deref(&self) -> &Reactor {
        &self.reactor
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Reactor {
        &mut self.reactor
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.wakes.woken = self.reactor.roles.take_woken();
    }
}

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        let Some(Woken { threads, watcher, poller }) = &self.woken else { return };
        threads.iter().for_each(Thread::unpark);
        if *watcher {
            self.shared.watch.wake();
        }
        if *poller {
            self.shared.site.waker.wake();
        }
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { reactor: self.reactor.lock(), wakes: Wakes { shared: self, woken: None } }
    }

    /// Leaves what is ready to a thread that waits for the GIL: another one would only be company. `false` when none does.
    pub(crate) fn defer(&self) -> bool {
        if self.waiting_for_gil.load(SeqCst) == 0 {
            return false;
        }
        self.watch.defer();
        // It may have got the GIL meanwhile, and have looked too early.
        self.waiting_for_gil.load(SeqCst) > 0 || !self.watch.take_deferred()
    }

    /// Writes finished request lines out. Called without the lock and without the GIL.
    pub(crate) fn write_log(&self, spare: &mut Vec<u8>) {
        self.lock().take_log(spare);
        self.site.log.write(spare);
    }
}

impl Server {
    /// Sets the reactor up and starts the watcher. Listeners are left alone until [`Self::ready`].
    ///
    /// # Errors
    /// When descriptors, memory or threads are exhausted.
    pub fn new(parts: WorkerParts) -> io::Result<Self> {
        let threads = usize::from(parts.settings.process.threads.max(1));
        let site = Arc::new(Site::new(parts)?);
        keep_freed_memory();
        let watch = Arc::<Watch>::default();
        let shared = Arc::new(Shared {
            reactor: Mutex::new(Reactor::new(Arc::clone(&site), Roles::new(threads, Arc::clone(&watch)))),
            site,
            watch,
            waiting_for_gil: AtomicUsize::new(0),
        });
        let watched = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("margrave-watcher".into())
            .stack_size(512 * 1024)
            .spawn(move || watcher::run(&watched))?;
        Ok(Self { shared })
    }

    /// Starts accepting and tells the master.
    ///
    /// # Errors
    /// When the listeners cannot be watched or the master has gone.
    pub fn ready(&self, apps: Vec<AppReport>) -> io::Result<()> {
        let mut reactor = self.shared.lock();
        // An order may have come before the worker was there.
        reactor.handle_control();
        reactor.start_accepting()?;
        drop(reactor);
        self.shared.site.slot.counter(Counter::State).store(WorkerState::Ready as u64, Relaxed);
        // A thread that polls already has to see that it may offer help.
        self.shared.site.waker.wake();
        self.tell(&FromWorker::Ready { apps })
    }

    /// The threads run Python at the same time: there is no GIL. Called before [`Self::ready`].
    pub fn go_parallel(&self) {
        self.shared.lock().roles.eagerness.go_parallel();
    }

    /// Tells the master that the application did not load in this worker.
    ///
    /// # Errors
    /// When the master has gone.
    pub fn load_failed(&self, failure: LoadFailure) -> io::Result<()> {
        self.tell(&FromWorker::LoadFailed(failure))
    }

    /// A way to ask the master for a successor of this worker.
    pub fn recycler(&self) -> impl Fn() + Send + Sync + 'static {
        let site = Arc::clone(&self.shared.site);
        move || {
            if let Ok(packet) = encode(&FromWorker::Recycle) {
                // A master that has gone replaces nobody.
                let _ = site.control.send(&packet, &[]);
            }
        }
    }

    fn tell(&self, message: &FromWorker) -> io::Result<()> {
        let packet = encode(message).map_err(io::Error::other)?;
        self.shared.site.control.send(&packet, &[])
    }

    /// Serves on this thread until the worker ends. Entered and left detached.
    pub fn run_thread(&self, thread: usize, executor: &mut dyn Executor) -> Ending {
        self.shared.lock().roles.register_thread(thread, std::thread::current());
        let id = self.shared.site.slot.thread(thread, ThreadWord::Tid);
        id.store(margrave_sys::thread::id(), Relaxed);
        ThreadLoop {
            shared: &self.shared,
            thread,
            executor,
            attached: false,
            events: Events::with_capacity(EVENTS),
            looks: Looks::default(),
            scratch: Scratch::default(),
            log: Vec::new(),
        }
        .run()
    }
}

struct ThreadLoop<'a> {
    shared: &'a Shared,
    thread: usize,
    executor: &'a mut dyn Executor,
    attached: bool,
    events: Events,
    looks: Looks,
    scratch: Scratch,
    log: Vec<u8>,
}

/// How the last looks for events went, before which a thread does not give up the GIL.
#[derive(Default)]
struct Looks {
    /// Looks in vain, in a row.
    vain: u32,
    /// Waits that no look went before since the last one.
    waits: u32,
}

impl Looks {
    /// Whether to look before one waits: as long as looks find something, and every now and then.
    fn are_worth_it(&mut self) -> bool {
        self.waits += 1;
        self.vain < VAIN_LOOKS || self.waits >= WAITS
    }

    fn note(&mut self, found: bool) {
        self.waits = 0;
        self.vain = if found { 0 } else { self.vain.saturating_add(1) };
    }
}

impl ThreadLoop<'_> {
    fn run(mut self) -> Ending {
        let shared = self.shared;
        let mut reactor = shared.lock();
        loop {
            if let Some(ending) = reactor.roles.ending() {
                if reactor.roles.role == Role::Lead(self.thread) {
                    reactor.roles.role = Role::Vacant;
                }
                reactor.send_held();
                drop(reactor);
                self.detach();
                self.shared.write_log(&mut self.log);
                self.shared.site.log.flush();
                return ending;
            }
            reactor = match reactor.roles.role {
                Role::Vacant => {
                    reactor.roles.role = Role::Lead(self.thread);
                    reactor
                }
                Role::Lead(leader) if leader == self.thread => self.lead(reactor),
                Role::Lead(_) | Role::Watcher => self.follow(reactor),
            };
        }
    }

    /// One step of a leader: run what is ready, or poll.
    fn lead<'r>(&mut self, mut reactor: Locked<'r>) -> Locked<'r>
    where
        Self: 'r,
    {
        if reactor.should_look() {
            self.look(&mut reactor);
        }
        let Some(work) = reactor.ready.pop_front() else {
            return if self.may_release(&reactor) { self.release(reactor) } else { self.poll(reactor) };
        };
        if reactor.roles.is_eager() {
            reactor.roles.hand_lead_to_watcher();
            let ready = reactor.ready.len();
            reactor.roles.wake_for(ready);
            return self.serve(reactor, work);
        }
        let sequence = reactor.leave_poller(self.thread, Some(&work));
        let mut reactor = self.serve(reactor, work);
        reactor.roles.leave(sequence);
        reactor
    }

    /// One step of a thread that does not lead: take a lead that nobody needs elsewhere, run what is ready, or rest.
    ///
    /// The lead comes first: the watcher took it from a thread that was stuck, and as long as it leads, everything that
    /// arrives wakes it beside the thread that runs.
    fn follow<'r>(&mut self, mut reactor: Locked<'r>) -> Locked<'r>
    where
        Self: 'r,
    {
        if reactor.roles.role == Role::Watcher && !reactor.roles.is_eager() {
            reactor.roles.take_lead_back(self.thread);
            reactor.end_poll();
            reactor.end_offer();
            return reactor;
        }
        if let Some(work) = reactor.ready.pop_front() {
            watcher::dispatch(self.shared, &mut reactor);
            return self.serve(reactor, work);
        }
        if self.may_release(&reactor) {
            drop(reactor);
            self.attach();
            self.release_kept();
            return self.shared.lock();
        }
        reactor.roles.rest(self.thread);
        if reactor.roles.role == Role::Watcher && reactor.is_deaf() {
            // The watcher polls without the listeners, because no thread was free.
            self.shared.site.waker.wake();
        }
        reactor.take_log(&mut self.log);
        drop(reactor);
        self.detach();
        self.shared.site.log.write(&self.log);
        std::thread::park();
        let mut reactor = self.shared.lock();
        reactor.roles.rise(self.thread);
        reactor
    }

    /// Looks for events; gives the GIL up only when there are none at once.
    fn poll<'r>(&mut self, mut reactor: Locked<'r>) -> Locked<'r>
    where
        Self: 'r,
    {
        reactor.settle();
        if !reactor.ready.is_empty() {
            return reactor;
        }
        reactor.listen_if(true);
        let may_wait = reactor.poll_timeout() != Some(Duration::ZERO);
        reactor.begin_poll();
        if !may_wait || self.looks.are_worth_it() {
            let long_log = reactor.log.len() > LOG_BATCH;
            drop(reactor);
            // Polling fails only when its descriptor is not ours any more, and then there are no events either.
            let _ = self.shared.site.poller.wait(&mut self.events, Some(Duration::ZERO));
            self.looks.note(!self.events.is_empty());
            if !may_wait || !self.events.is_empty() {
                if long_log {
                    self.detach();
                    self.shared.write_log(&mut self.log);
                }
                return self.handle_events();
            }
            reactor = self.shared.lock();
        }
        self.wait(reactor)
    }

    /// Waits for events, without the GIL, unless the watcher has brought some meanwhile.
    fn wait<'r>(&mut self, mut reactor: Locked<'r>) -> Locked<'r>
    where
        Self: 'r,
    {
        let timeout = reactor.poll_timeout();
        if timeout == Some(Duration::ZERO) {
            reactor.end_poll();
            return reactor;
        }
        let lets_watcher_go_first = reactor.roles.await_watcher();
        if lets_watcher_go_first {
            reactor.end_poll();
        } else {
            reactor.offer_help();
        }
        reactor.take_log(&mut self.log);
        drop(reactor);
        self.detach();
        let site = &self.shared.site;
        site.log.write(&self.log);
        self.events.clear();
        if !lets_watcher_go_first || self.let_watcher_go_first() {
            self.shared.watch.let_arrive();
            let _ = site.poller.wait(&mut self.events, timeout);
        }
        self.handle_events()
    }

    /// Waits until the watcher, which has been called there, waits in the poller: of two, the kernel wakes the one that came last.
    /// `false` when it has brought something to do from there.
    fn let_watcher_go_first(&self) -> bool {
        std::thread::park_timeout(LONGEST_WAIT);
        let mut reactor = self.shared.lock();
        reactor.begin_poll();
        let waits = reactor.poll_timeout() != Some(Duration::ZERO);
        if waits {
            reactor.offer_help();
        }
        waits
    }

    /// Handles what a poll has brought.
    fn handle_events<'r>(&mut self) -> Locked<'r>
    where
        Self: 'r,
    {
        let mut reactor = self.shared.lock();
        reactor.end_poll();
        reactor.end_offer();
        reactor.handle_events(&self.events, Role::Lead(self.thread));
        if reactor.roles.role != Role::Lead(self.thread) {
            watcher::dispatch(self.shared, &mut reactor);
        }
        reactor
    }

    /// Takes what has come meanwhile, although there are requests to run.
    fn look(&mut self, reactor: &mut Reactor) {
        reactor.listen_if(true);
        reactor.begin_poll();
        let _ = self.shared.site.poller.wait(&mut self.events, Some(Duration::ZERO));
        reactor.end_poll();
        reactor.handle_events(&self.events, Role::Lead(self.thread));
    }

    /// Blocks wait to be freed, and nobody's request can keep the leader from it for long.
    fn may_release(&self, reactor: &Reactor) -> bool {
        self.shared.site.kept.has_let_go() && !reactor.roles.anybody_runs()
    }

    /// Frees the blocks that answers have let go of, watched as one that runs a request.
    fn release<'r>(&mut self, mut reactor: Locked<'r>) -> Locked<'r>
    where
        Self: 'r,
    {
        let sequence = reactor.leave_poller(self.thread, None);
        drop(reactor);
        self.attach();
        self.release_kept();
        let mut reactor = self.shared.lock();
        reactor.roles.leave(sequence);
        reactor
    }

    fn release_kept(&mut self) {
        if self.shared.site.kept.take_let_go() {
            self.executor.release();
        }
    }

    /// Runs one request.
    fn serve<'r>(&mut self, mut reactor: Locked<'r>, mut work: Work) -> Locked<'r>
    where
        Self: 'r,
    {
        let shared = self.shared;
        let began = clock::monotonic();
        self.begin(&mut reactor, &work, began);
        drop(reactor);
        shared.site.slot.thread(self.thread, ThreadWord::BusySince).store(micros(began), Relaxed);
        let gil = if self.attach() { clock::monotonic().saturating_sub(began) } else { Duration::ZERO };
        let queued = began.saturating_sub(work.ready_at);
        self.release_kept();
        let mut exchange = Exchange::new(shared, self.thread, &mut work, &mut self.scratch);
        self.executor.handle(&mut exchange);
        let ended = clock::monotonic();
        let took = micros(ended.saturating_sub(began));
        let answer = exchange.conclude(Times { took, queued: micros(queued), gil: micros(gil) });
        self.count(took);
        let mut reactor = shared.lock();
        reactor.now = ended;
        reactor.roles.running[self.thread] = None;
        reactor.roles.eagerness.handle_request(ended.saturating_sub(began), ended);
        reactor.log.extend_from_slice(&self.scratch.line);
        reactor.complete(&work, answer);
        reactor.recycle(work.request);
        reactor.resume();
        reactor.continue_drain();
        reactor
    }

    fn begin(&self, reactor: &mut Reactor, work: &Work, began: Duration) {
        reactor.enter_app(work);
        let mut summary = String::new();
        let process = &self.shared.site.process;
        if process.harakiri.or(process.slow_stack).is_some() {
            let text =
                |known| String::from_utf8_lossy(work.request.var(known).unwrap_or_default()).into_owned();
            summary = format!(
                "{} {} from {}",
                text(Known::RequestMethod),
                text(Known::RequestUri),
                text(Known::RemoteAddr)
            );
        }
        if self.shared.site.shows_requests {
            let text = |known| work.request.var(known).unwrap_or_default();
            let texts = [text(Known::RequestMethod), text(Known::RemoteAddr), text(Known::RequestUri)];
            self.shared.site.slot.describe(self.thread, texts);
        }
        self.shared.site.lanes[self.thread].begin();
        reactor.roles.running[self.thread] = Some(Running {
            slot: work.slot,
            generation: work.generation,
            since: began,
            summary,
            noted: false,
        });
    }

    fn count(&self, took: u64) {
        let site = &self.shared.site;
        site.slot.add(Counter::RunningMicros, took);
        site.slot.thread(self.thread, ThreadWord::Requests).fetch_add(1, Relaxed);
        site.slot.thread(self.thread, ThreadWord::BusySince).store(0, Relaxed);
        site.slot.thread(self.thread, ThreadWord::UserDeadline).store(0, Relaxed);
    }

    /// `true` when the GIL had to be taken.
    fn attach(&mut self) -> bool {
        let taken = !self.attached;
        if taken {
            self.shared.waiting_for_gil.fetch_add(1, SeqCst);
            self.executor.attach();
            let waiting = self.shared.waiting_for_gil.fetch_sub(1, SeqCst);
            self.attached = true;
            // While this thread waited, nobody woke another one for what had become ready.
            if waiting == 1 && self.shared.watch.take_deferred() {
                watcher::dispatch(self.shared, &mut self.shared.lock());
            }
        }
        taken
    }

    fn detach(&mut self) {
        if std::mem::take(&mut self.attached) {
            self.executor.detach();
        }
    }
}

/// The allocator takes the largest block that was freed for the size of what comes and goes: without this, it gives a
/// body's pages back to the kernel after each request, which costs more than the request.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_KEPT)));
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_waits_without_a_look_where_looks_are_in_vain_but_not_for_ever() {
        let mut looks = Looks::default();
        let mut look = |found| {
            let looks_now = looks.are_worth_it();
            if looks_now {
                looks.note(found);
            }
            looks_now
        };
        assert_eq!((0..100).filter(|_| look(true)).count(), 100);
        let vain: Vec<bool> = (0..36).map(|_| look(false)).collect();
        assert!(vain[..4].iter().all(|&looks| looks));
        assert_eq!(vain[4..].iter().filter(|&&looks| looks).count(), 2, "every sixteenth");
        assert!(!look(false));
        while !look(true) {}
        assert!(look(true) && look(true), "there is something again");
    }
}
