//! The native watcher: notices that the leader is stuck in a slow application, and leads until a thread is free.
//!
//! It never runs an application and never takes the GIL. While requests are many it ticks, which costs them nothing. While
//! they are few it sleeps, and the leader sets an alarm at each entry into the application and takes it back: a tick out of
//! idleness costs some 25 µs, an alarm that does not go off ten (on a virtual machine, whose timers are the host's).

use crate::reactor::Reactor;
use crate::role::Role;
use crate::threads::{EVENTS, Shared};
use margrave_sys::alarm::Alarm;
use margrave_sys::poller::Events;
use std::io;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// Tick while nothing was slow lately, and after a slow request.
const CALM_TICK: Duration = Duration::from_millis(4);
const QUICK_TICK: Duration = Duration::from_millis(1);
/// Quick ticks after a slow request.
const QUICK_TICKS: u32 = 1000;
/// Calm ticks that a worker which must end at once waits for its threads.
const LAST_TICKS: u32 = 250;
/// Ticks without a request after which the watcher sleeps.
const QUIET_TICKS: u32 = 3;

/// What is known of the leader without the lock, and how the watcher is woken.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Sequence number, shifted left; the low bit is set while the leader is in the application.
    word: AtomicU64,
    /// Requests became ready while a thread waited for the GIL, and nobody was woken for them.
    deferred: AtomicBool,
    /// The roles have changed in a way that the watcher must see at once.
    called: AtomicBool,
    /// The leader would rather set alarms than have ticks.
    by_alarm: AtomicBool,
    pub(crate) alarm: Alarm,
}

impl Watch {
    /// # Errors
    /// When descriptors are exhausted.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            word: AtomicU64::default(),
            deferred: AtomicBool::default(),
            called: AtomicBool::default(),
            by_alarm: AtomicBool::default(),
            alarm: Alarm::new()?,
        })
    }

    pub(crate) fn enter(&self, sequence: u64) {
        self.word.store(sequence << 1 | 1, Release);
    }

    pub(crate) fn leave(&self, sequence: u64) {
        self.word.store(sequence << 1, Release);
    }

    pub(crate) fn prefer_alarms(&self, prefers: bool) {
        self.by_alarm.store(prefers, Relaxed);
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

/// The watcher's thread.
pub(crate) fn run(shared: &Shared) {
    let mut watcher = Watcher {
        shared,
        events: Events::with_capacity(EVENTS),
        log: Vec::new(),
        last: 0,
        quiet: 0,
        quick: 0,
    };
    while !watcher.step() {}
}

struct Watcher<'a> {
    shared: &'a Shared,
    events: Events,
    log: Vec<u8>,
    /// The word that the last tick read, and the ticks since when nobody has entered the application.
    last: u64,
    quiet: u32,
    /// Ticks that are to be quick.
    quick: u32,
}

impl Watcher<'_> {
    /// Sleeps until there is something to look at, and does. `true` when the worker ends.
    fn step(&mut self) -> bool {
        let watch = &self.shared.watch;
        let rests = self.quiet >= QUIET_TICKS || watch.by_alarm.load(Relaxed);
        if rests && self.shared.lock().roles.stop_ticks() {
            self.quiet = 0;
            watch.alarm.sleep();
            let mut reactor = self.shared.lock();
            let (stuck, word) = (reactor.roles.take_alarm(), watch.read());
            drop(reactor);
            return (stuck || watch.take_call()) && self.act(stuck, word);
        }
        watch.alarm.sleep_for(if self.quick > 0 || rests { QUICK_TICK } else { CALM_TICK });
        self.quick = self.quick.saturating_sub(1);
        let word = watch.read();
        let stuck = is_in_app(word) && word == self.last;
        self.quiet = if word == self.last && !stuck { self.quiet + 1 } else { 0 };
        self.last = word;
        (stuck || watch.take_call()) && self.act(stuck, word)
    }

    /// Takes the lead from a stuck leader, or leads when it was handed over. `true` when the worker ends.
    fn act(&mut self, stuck: bool, word: u64) -> bool {
        let mut reactor = self.shared.lock();
        if stuck && self.shared.watch.read() == word {
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
            let can_help = reactor.roles.has_idle() && reactor.is_accepting();
            reactor.roles.watcher_polls = true;
            reactor.roles.watcher_offers = can_help;
            if can_help {
                // A thread that takes the lead from now on withdraws it.
                site.offer_help();
            }
            reactor.begin_poll();
            reactor.take_log(&mut self.log);
            drop(reactor);
            site.log.write(&self.log);
            let _ = site.poller.wait(&mut self.events, Some(timeout));
            reactor = self.shared.lock();
            reactor.roles.watcher_polls = false;
            reactor.end_poll();
            reactor.end_watchers_offer();
            reactor.handle_events(&self.events, Role::Watcher);
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
            if reactor.roles.has_idle() {
                if shared.waiting_for_gil.load(SeqCst) == 0 {
                    let ready = reactor.ready.len();
                    reactor.roles.wake_for(ready);
                }
            } else {
                // The watcher may have been woken in place of an idle fellow.
                let taken = reactor.roles.on_their_way();
                reactor.pass_waiting(taken);
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
