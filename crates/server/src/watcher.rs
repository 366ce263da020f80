//! The native watcher: notices that the leader is stuck in a slow application, and leads until a thread is free.
//!
//! It never runs an application and never takes the GIL. It ticks only while requests run, and parks otherwise.

use crate::reactor::Reactor;
use crate::role::Role;
use crate::threads::{EVENTS, Shared};
use margrave_sys::poller::Events;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// Tick while nothing was slow lately, and after a slow request.
const CALM_TICK: Duration = Duration::from_millis(4);
const QUICK_TICK: Duration = Duration::from_millis(1);
/// Quick ticks after a slow request.
const QUICK_TICKS: u32 = 1000;
/// Calm ticks that a worker which must end at once waits for its threads.
const LAST_TICKS: u32 = 250;
/// Ticks without a request after which the watcher parks.
const QUIET_TICKS: u32 = 3;

/// One word that says whether the leader is in the application and since which entry; read without the lock.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Sequence number, shifted left; the low bit is set while the leader is in the application.
    word: AtomicU64,
    /// Requests became ready while a thread waited for the GIL, and nobody was woken for them.
    deferred: AtomicBool,
    /// The roles have changed in a way that the watcher must see at once.
    called: AtomicBool,
}

impl Watch {
    pub(crate) fn enter(&self, sequence: u64) {
        self.word.store(sequence << 1 | 1, Release);
    }

    pub(crate) fn leave(&self, sequence: u64) {
        self.word.store(sequence << 1, Release);
    }

    pub(crate) fn call(&self) {
        self.called.store(true, Release);
    }

    fn take_call(&self) -> bool {
        self.called.load(Acquire) && self.called.swap(false, AcqRel)
    }

    pub(crate) fn defer(&self) {
        self.deferred.store(true, SeqCst);
    }

    pub(crate) fn take_deferred(&self) -> bool {
        self.deferred.load(SeqCst) && self.deferred.swap(false, SeqCst)
    }

    pub(crate) fn read(&self) -> u64 {
        self.word.load(Acquire)
    }
}

/// The watcher's thread.
pub(crate) fn run(shared: &Shared) {
    shared.lock().roles.register_watcher(std::thread::current());
    let mut watcher = Watcher { shared, events: Events::with_capacity(EVENTS), log: Vec::new(), quick: 0 };
    let (mut last, mut quiet) = (0, 0);
    loop {
        std::thread::park_timeout(if watcher.quick > 0 { QUICK_TICK } else { CALM_TICK });
        watcher.quick = watcher.quick.saturating_sub(1);
        let word = shared.watch.read();
        let stuck = word & 1 == 1 && word == last;
        quiet = if word == last && word & 1 == 0 { quiet + 1 } else { 0 };
        last = word;
        if (stuck || shared.watch.take_call()) && watcher.tick(stuck, word) {
            return;
        }
        if quiet >= QUIET_TICKS {
            watcher.park(word);
            quiet = 0;
        }
    }
}

struct Watcher<'a> {
    shared: &'a Shared,
    events: Events,
    log: Vec<u8>,
    quick: u32,
}

impl Watcher<'_> {
    /// Takes the lead from a stuck leader, or leads when it was handed over. `true` when the worker ends.
    fn tick(&mut self, stuck: bool, word: u64) -> bool {
        let mut reactor = self.shared.lock();
        if stuck && self.shared.watch.read() == word {
            self.quick = QUICK_TICKS;
            reactor.send_held();
            let gil_is_free = self.shared.waiting_for_gil.load(SeqCst) == 0;
            if !(gil_is_free && reactor.roles.hand_lead_to_idle()) {
                reactor.roles.role = Role::Watcher;
                reactor.roles.sequence += 1;
            }
            let sequence = reactor.roles.sequence;
            self.shared.watch.leave(sequence);
        }
        let leads = reactor.roles.role == Role::Watcher;
        let ends = reactor.roles.ending().is_some();
        drop(reactor);
        if ends {
            self.end();
        } else if leads {
            self.lead();
        }
        self.shared.lock().roles.ending().is_some()
    }

    /// Waits for the last requests of a worker that ends at once; a thread that does not come back ends with the process.
    fn end(&self) {
        for _ in 0..LAST_TICKS {
            if !self.shared.lock().roles.anybody_runs() {
                return;
            }
            std::thread::sleep(CALM_TICK);
        }
        self.shared.write_log(&mut Vec::new());
        self.shared.site.log.flush();
        margrave_sys::thread::end_process(0);
    }

    /// Polls, reads and writes for the others until a thread takes the lead.
    fn lead(&mut self) {
        let site = &self.shared.site;
        let mut reactor = self.shared.lock();
        while reactor.roles.role == Role::Watcher {
            if reactor.roles.ending().is_some() {
                drop(reactor);
                return self.end();
            }
            let thread_is_free = reactor.roles.has_idle() || reactor.roles.has_recallable();
            reactor.settle();
            reactor.listen_if(thread_is_free);
            dispatch(self.shared, &mut reactor);
            if reactor.roles.role != Role::Watcher {
                return;
            }
            if site.kept.has_let_go() && !reactor.roles.anybody_runs() {
                reactor.roles.wake_for(1);
            }
            let timeout = reactor.time_left().unwrap_or(Duration::from_secs(1));
            // What is ready waits for a thread that is on its way or busy, and will look. Only fellows that become idle, and
            // threads that could be called away from their clients, have to be looked for.
            let looks = site.fellows.is_some() || reactor.roles.has_recallable();
            let timeout = if looks && !reactor.ready.is_empty() { QUICK_TICK } else { timeout };
            let can_help = reactor.roles.has_idle() && reactor.is_accepting();
            reactor.roles.watcher_polls = true;
            reactor.begin_poll();
            reactor.take_log(&mut self.log);
            drop(reactor);
            site.log.write(&self.log);
            if can_help {
                site.offer_help();
            }
            let _ = site.poller.wait(&mut self.events, Some(timeout));
            let claimed = can_help && site.withdraw_help();
            reactor = self.shared.lock();
            reactor.roles.watcher_polls = false;
            reactor.end_poll();
            reactor.handle_offer_over(claimed);
            reactor.handle_events(&self.events);
        }
        // The new leader may sleep in a poll while requests became ready here.
        dispatch(self.shared, &mut reactor);
    }

    /// Sleeps until the leader enters the application again, or somebody calls.
    fn park(&self, word: u64) {
        let mut reactor = self.shared.lock();
        let led = reactor.roles.role == Role::Watcher || reactor.roles.ending().is_some();
        if led || self.shared.watch.read() != word {
            return;
        }
        reactor.roles.watcher_parked = true;
        drop(reactor);
        std::thread::park();
    }
}

/// Sees to it that what is ready gets a thread. Called by whoever put something there without running it.
pub(crate) fn dispatch(shared: &Shared, reactor: &mut Reactor) {
    if reactor.ready.is_empty() {
        return;
    }
    match reactor.roles.role {
        // A free thread claims the vacant lead when it wakes.
        Role::Vacant => reactor.roles.wake_for(1),
        Role::Lead(_) if shared.watch.read() & 1 == 1 => {
            // The leader is in the application, and watched: it comes back, or loses the lead within a tick.
            if reactor.roles.has_idle() && shared.waiting_for_gil.load(SeqCst) == 0 {
                let ready = reactor.ready.len();
                reactor.roles.wake_for(ready);
            }
        }
        // The leader polls: make it look.
        Role::Lead(_) => shared.site.waker.wake(),
        Role::Watcher => {
            if shared.defer() {
                return;
            }
            if reactor.roles.is_eager() || !reactor.roles.hand_lead_to_idle() {
                let ready = reactor.ready.len();
                reactor.roles.wake_for(ready);
                if !reactor.roles.has_idle() {
                    let taken = reactor.roles.on_their_way();
                    reactor.pass_waiting(taken);
                    if reactor.is_short_of_threads() {
                        reactor.roles.recall_waiter();
                    }
                }
            }
        }
    }
}
