//! The native watcher: notices that the leader is stuck in a slow application, and leads until a thread is free.
//!
//! It never runs an application and never takes the GIL. While requests are many it ticks, which costs them little. While
//! they are few a tick out of idleness would cost half as much as a request. Then it stands by: it waits in the poller
//! beside the leader, which costs nothing either. Of two who wait, the kernel wakes the one that came last, and that has to be
//! the leader, which lets the watcher go first. What comes while the leader is in the application wakes the watcher.

use crate::reactor::Reactor;
use crate::role::Role;
use crate::threads::{EVENTS, Locked, Shared};
use margrave_stats::scoreboard::ThreadWord;
use margrave_sys::poller::Events;
use margrave_sys::{clock, thread};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::Thread;
use std::time::Duration;

/// Tick while nothing was slow lately, and after a slow request.
const CALM_TICK: Duration = Duration::from_millis(4);
const QUICK_TICK: Duration = Duration::from_millis(1);
/// Quick ticks after a slow request.
const QUICK_TICKS: u32 = 1000;
/// Bits for a thread's number.
const THREAD_BITS: u32 = 16;
/// Calm ticks that a worker which must end at once waits for its threads.
const LAST_TICKS: u32 = 250;
/// Without a request for so long the watcher sleeps: while requests are many, and while they are few.
const QUIET: Duration = Duration::from_millis(12);
const LONG_QUIET: Duration = Duration::from_secs(2);

/// What is known of the leader without the lock, and how the watcher is woken.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// From the low bit on: the leader is in the application, its number in so many bits, and the sequence number.
    word: AtomicU64,
    /// Requests became ready while a thread waited for the GIL, and nobody was woken for them.
    deferred: AtomicBool,
    /// The roles have changed in a way that the watcher must see at once.
    called: AtomicBool,
    /// The watcher has gone into the poller, or is about to, since the leader waited there last.
    arrives: AtomicBool,
    /// Requests are few.
    few: AtomicBool,
    /// The watcher.
    thread: OnceLock<Thread>,
}

impl Watch {
    pub(crate) fn enter(&self, sequence: u64, leader: usize) {
        self.word.store((sequence << THREAD_BITS | leader as u64) << 1 | 1, Release);
    }

    pub(crate) fn leave(&self, sequence: u64) {
        self.word.store(sequence << THREAD_BITS << 1, Release);
    }

    pub(crate) fn note_few(&self, few: bool) {
        self.few.store(few, Relaxed);
    }

    pub(crate) fn call(&self) {
        self.called.store(true, Release);
    }

    fn take_call(&self) -> bool {
        self.called.load(Acquire) && self.called.swap(false, AcqRel)
    }

    /// Lets the watcher get into the poller if it is on its way there: one that has woken the leader on its own processor is not.
    pub(crate) fn let_arrive(&self) {
        if self.arrives.load(Relaxed) && self.arrives.swap(false, Relaxed) {
            std::thread::yield_now();
        }
    }

    /// Ends the watcher's tick or sleep, not its poll.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn defer(&self) {
        self.deferred.store(true, SeqCst);
    }

    pub(crate) fn take_deferred(&self) -> bool {
        self.deferred.load(SeqCst) && self.deferred.swap(false, SeqCst)
    }

    fn read(&self) -> u64 {
        self.word.load(Acquire)
    }

    pub(crate) fn is_in_app(&self) -> bool {
        is_in_app(self.read())
    }
}

fn is_in_app(word: u64) -> bool {
    word & 1 == 1
}

/// The leader that a word names.
fn leader_of(word: u64) -> usize {
    (word >> 1) as usize & ((1 << THREAD_BITS) - 1)
}

/// The watcher's thread.
pub(crate) fn run(shared: &Shared) {
    // Nobody else sets it.
    let _ = shared.watch.thread.set(std::thread::current());
    let mut watcher = Watcher {
        shared,
        events: Events::with_capacity(EVENTS),
        log: Vec::new(),
        word: 0,
        since: clock::monotonic(),
        now: clock::monotonic(),
        quick: 0,
        run: None,
    };
    while !watcher.step() {}
}

struct Watcher<'a> {
    shared: &'a Shared,
    events: Events,
    log: Vec<u8>,
    /// What was seen of the leader last, since when it is so, and when that was.
    word: u64,
    since: Duration,
    now: Duration,
    /// Ticks that are to be quick.
    quick: u32,
    /// How long a leader in the application had run by then, in its life.
    run: Option<Duration>,
}

impl Watcher<'_> {
    /// Sleeps until there is something to look at, and does. `true` when the worker ends.
    fn step(&mut self) -> bool {
        let watch = &self.shared.watch;
        if watch.few.load(Relaxed) || self.is_quiet(QUIET) {
            return self.rest();
        }
        std::thread::park_timeout(if self.quick > 0 { QUICK_TICK } else { CALM_TICK });
        self.quick = self.quick.saturating_sub(1);
        let stuck = self.look();
        (stuck || watch.take_call()) && self.act(stuck)
    }

    /// Looks at the leader. Whether it is stuck in the application.
    fn look(&mut self) -> bool {
        let word = self.shared.watch.read();
        self.now = clock::monotonic();
        if word != self.word {
            (self.word, self.since) = (word, self.now);
            self.run = if is_in_app(word) { thread::time_run(self.leader()) } else { None };
        }
        is_in_app(word) && self.unchanged() >= QUICK_TICK && !self.leader_awaits_processor()
    }

    /// Whether the leader could run and mostly has not since: on a busy machine every thread waits for a processor every few
    /// milliseconds. It is not stuck then, and who takes the lead from it takes its processor as well. (One that waited for
    /// something else and has got it just now looks the same, and is looked at again.)
    fn leader_awaits_processor(&self) -> bool {
        let leader = self.leader();
        let Some(before) = self.run.filter(|_| thread::is_runnable(leader)) else { return false };
        let run = thread::time_run(leader).unwrap_or(before).saturating_sub(before);
        run * 2 < self.unchanged()
    }

    /// The kernel's id of the thread that leads.
    fn leader(&self) -> u64 {
        self.shared.site.slot.thread(leader_of(self.word), ThreadWord::Tid).load(Relaxed)
    }

    fn unchanged(&self) -> Duration {
        self.now.saturating_sub(self.since)
    }

    fn is_quiet(&self, time: Duration) -> bool {
        !is_in_app(self.word) && self.unchanged() >= time
    }

    /// Stands by or sleeps as long as that is enough. `true` when the worker ends.
    fn rest(&mut self) -> bool {
        let mut reactor = self.shared.lock();
        loop {
            let stuck = self.look();
            if stuck || reactor.roles.role == Role::Watcher || reactor.roles.ending().is_some() {
                drop(reactor);
                return self.act(stuck);
            }
            let few = self.shared.watch.few.load(Relaxed);
            if !(few || self.is_quiet(QUIET)) {
                return false;
            }
            if !few || reactor.leader_polls() || self.is_quiet(LONG_QUIET) {
                // From here it would be woken before the leader. The next request calls, and the leader waits for who is called.
                reactor.roles.watcher_sleeps = true;
                drop(reactor);
                std::thread::park();
                reactor = self.shared.lock();
                reactor.roles.welcome_watcher();
            } else {
                let is_alert = is_in_app(self.word);
                // One that has been there for longer seems to wait for a processor, and is looked at again.
                let left = QUICK_TICK.checked_sub(self.unchanged()).unwrap_or(QUICK_TICK);
                let timeout = if is_alert { left } else { reactor.time_to_duty().max(QUICK_TICK) };
                reactor.roles.watcher_is_alert = is_alert;
                reactor.watch_new();
                reactor = self.poll(reactor, timeout);
                dispatch(self.shared, &mut reactor);
                if reactor.leader_polls() && !self.events.is_empty() {
                    // What has come may have a time of its own, and the leader does not know of it.
                    reactor.roles.call_poller();
                }
            }
        }
    }

    /// Takes the lead from a stuck leader, or leads when it was handed over. `true` when the worker ends.
    fn act(&mut self, stuck: bool) -> bool {
        let mut reactor = self.shared.lock();
        if stuck && self.shared.watch.read() == self.word {
            self.quick = QUICK_TICKS;
            reactor.send_held();
            let gil_is_free = self.shared.waiting_for_gil.load(SeqCst) == 0;
            reactor.roles.take_lead_away(gil_is_free);
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

    /// Waits in the poller and handles what comes.
    fn poll<'r>(&mut self, mut reactor: Locked<'r>, timeout: Duration) -> Locked<'r>
    where
        Self: 'r,
    {
        let site = &self.shared.site;
        reactor.roles.watcher_polls = true;
        reactor.roles.forget_call();
        self.shared.watch.arrives.store(true, Relaxed);
        reactor.take_log(&mut self.log);
        drop(reactor);
        site.log.write(&self.log);
        let _ = site.poller.wait(&mut self.events, Some(timeout));
        let mut reactor = self.shared.lock();
        reactor.roles.watcher_polls = false;
        if reactor.roles.role == Role::Watcher {
            reactor.end_poll();
            reactor.end_offer();
        }
        reactor.handle_events(&self.events, Role::Watcher);
        reactor
    }

    /// Polls, reads and writes for the others until a thread takes the lead, and beside it until the next event: one that
    /// comes while that thread is in the application.
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
            let timeout = if looks && !reactor.ready.is_empty() { timeout.min(QUICK_TICK) } else { timeout };
            if reactor.roles.has_idle() {
                // A thread that takes the lead from now on ends the offer.
                reactor.offer_help();
            }
            reactor.roles.watcher_is_alert = false;
            reactor.begin_poll();
            reactor = self.poll(reactor, timeout);
        }
        // The new leader may sleep in a poll while requests became ready here.
        dispatch(self.shared, &mut reactor);
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
        Role::Lead(_) if shared.watch.is_in_app() => {
            // The leader is in the application, and watched: it comes back, or loses the lead within a tick.
            reactor.roles.call_from_standing_by();
            if reactor.roles.has_idle() {
                if reactor.roles.eagerness.shares_at_once() && shared.waiting_for_gil.load(SeqCst) == 0 {
                    let ready = reactor.ready.len();
                    reactor.roles.wake_for(ready);
                }
            } else {
                // The watcher may have been woken in place of an idle fellow.
                let taken = reactor.roles.on_their_way();
                reactor.pass_waiting(taken);
            }
        }
        Role::Lead(_) if reactor.leader_polls() => reactor.roles.call_poller(),
        // It is on its way, and looks. A watcher that stands by would only wake itself.
        Role::Lead(_) => {}
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
