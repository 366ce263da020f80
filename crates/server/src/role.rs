//! Who leads: polls and decodes, and runs what is ready. At any time one Python thread, the watcher, or nobody yet.
//!
//! The part of the reactor's state that decides it; `threads` and `watcher` act on it under the reactor's lock.

use crate::Ending;
use crate::eager::Eagerness;
use crate::watcher::Watch;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nobody: the next free thread takes it.
    Vacant,
    /// This Python thread.
    Lead(usize),
    /// The native thread, which runs no application.
    Watcher,
}

/// A request that a thread runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) since: Duration,
    /// Method, target and client for the log; filled only when requests have a deadline.
    pub(crate) summary: String,
    /// The log has been told that it is slow.
    pub(crate) noted: bool,
}

/// A thread that waits for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// The connection.
    pub(crate) slot: usize,
    pub(crate) thread: usize,
    /// It can go on without the client, at a price.
    pub(crate) recallable: bool,
}

/// Who is to be woken.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// To be unparked.
    pub(crate) threads: Vec<Thread>,
    /// The watcher, out of its sleep.
    pub(crate) watcher: bool,
    /// Whoever polls.
    pub(crate) poller: bool,
}

/// Roles and the threads' whereabouts.
#[derive(Debug)]
pub(crate) struct Roles {
    pub(crate) role: Role,
    /// Changes at every entry into the application, at its end and at a theft, so that a thread that comes back
    /// knows whether it still leads.
    pub(crate) sequence: u64,
    pub(crate) eagerness: Eagerness,
    /// The watcher is in a poll, as the leader or beside it.
    pub(crate) watcher_polls: bool,
    /// It does so for a tick, and looks after the leader then, whatever comes.
    pub(crate) watcher_is_alert: bool,
    /// It has been called out of that poll since the leader polled last, and has not come yet.
    watcher_is_called: bool,
    /// It sleeps until the next request calls it, or has been called and has not come yet.
    pub(crate) watcher_sleeps: bool,
    watcher_comes: bool,
    /// The leader waits for it.
    is_awaited: bool,
    /// Parked threads that nobody has woken.
    idle: Vec<usize>,
    /// Threads woken for a request that have not taken one yet.
    on_their_way: usize,
    threads: Vec<Option<Thread>>,
    /// Those who run when the reactor is free.
    woken: Woken,
    watch: Arc<Watch>,
    pub(crate) running: Vec<Option<Running>>,
    /// Threads that wait for their clients.
    waiters: Vec<Waiter>,
    ending: Option<Ending>,
}

impl Roles {
    pub(crate) fn new(threads: usize, watch: Arc<Watch>) -> Self {
        Self {
            role: Role::Vacant,
            sequence: 0,
            eagerness: Eagerness::default(),
            watcher_polls: false,
            watcher_is_alert: false,
            watcher_is_called: false,
            watcher_sleeps: false,
            watcher_comes: false,
            is_awaited: false,
            idle: Vec::with_capacity(threads),
            on_their_way: 0,
            threads: vec![None; threads],
            woken: Woken::default(),
            watch,
            running: (0..threads).map(|_| None).collect(),
            waiters: Vec::new(),
            ending: None,
        }
    }

    pub(crate) fn register_thread(&mut self, thread: usize, handle: Thread) {
        self.threads[thread] = Some(handle);
    }

    /// Handing over pays only where another thread could take the request.
    pub(crate) fn is_eager(&self) -> bool {
        self.threads.len() > 1 && self.eagerness.is_eager()
    }

    pub(crate) fn anybody_runs(&self) -> bool {
        self.running.iter().any(Option::is_some)
    }

    /// The thread has nothing to do and is about to park.
    pub(crate) fn rest(&mut self, thread: usize) {
        self.idle.push(thread);
    }

    /// The thread is up again, woken or not.
    pub(crate) fn rise(&mut self, thread: usize) {
        match self.idle.iter().position(|&idle| idle == thread) {
            // Nobody had woken it: a spurious wake-up.
            Some(place) => drop(self.idle.swap_remove(place)),
            None => self.on_their_way = self.on_their_way.saturating_sub(1),
        }
    }

    /// Threads woken for a request that have not taken one yet.
    pub(crate) fn on_their_way(&self) -> usize {
        self.on_their_way
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Wakes as many threads as there are requests without one on its way.
    pub(crate) fn wake_for(&mut self, ready: usize) {
        while self.on_their_way < ready && self.wake_one().is_some() {}
    }

    /// Gives the lead to an idle thread.
    pub(crate) fn hand_lead_to_idle(&mut self) -> bool {
        let Some(thread) = self.wake_one() else { return false };
        self.role = Role::Lead(thread);
        self.sequence += 1;
        true
    }

    /// The leader is in the application, or waits for it: it loses the lead if something comes and it stays there for long;
    /// also without that, when something `waits` for it already.
    pub(crate) fn enter(&mut self, leader: usize, waits: bool) -> u64 {
        self.sequence += 1;
        self.watch.enter(self.sequence, leader);
        self.watch.note_few(self.eagerness.are_few());
        if std::mem::take(&mut self.watcher_sleeps) {
            self.watcher_comes = true;
            self.woken.watcher = true;
        }
        if waits {
            self.call_from_standing_by();
        }
        self.sequence
    }

    /// The leader is about to wait in the poller. Whether it has to wait for the watcher first, which will call it. One that is
    /// to tick will not wait there.
    pub(crate) fn await_watcher(&mut self) -> bool {
        self.is_awaited = self.watcher_comes && self.eagerness.are_few();
        self.is_awaited
    }

    /// The watcher is up, and has called the leader when the reactor is free again.
    pub(crate) fn welcome_watcher(&mut self) {
        self.watcher_sleeps = false;
        self.watcher_comes = false;
        if std::mem::take(&mut self.is_awaited)
            && let Role::Lead(leader) = self.role
        {
            self.call(leader);
        }
    }

    /// A watcher that stands by knows only what its own poll has brought.
    pub(crate) fn call_from_standing_by(&mut self) {
        if self.watcher_polls && !self.watcher_is_alert && !self.watcher_is_called {
            self.watcher_is_called = true;
            self.call_poller();
        }
    }

    /// Whoever polls is to look when the reactor is free again.
    pub(crate) fn call_poller(&mut self) {
        self.woken.poller = true;
    }

    /// Whoever polls from now on may take the call that was meant for another.
    pub(crate) fn forget_call(&mut self) {
        self.watcher_is_called = false;
    }

    /// The leader is back, if it has not lost the lead since that entry.
    pub(crate) fn leave(&mut self, sequence: u64) {
        if self.sequence == sequence {
            self.watch.leave(sequence);
        }
    }

    /// Takes the lead from a thread that is stuck in the application: for an idle one if that may have it, otherwise for the
    /// watcher.
    pub(crate) fn take_lead_away(&mut self, may_go_to_idle: bool) {
        if !(may_go_to_idle && self.hand_lead_to_idle()) {
            self.role = Role::Watcher;
            self.sequence += 1;
        }
        self.watch.leave(self.sequence);
    }

    /// Gives the lead to the watcher.
    pub(crate) fn hand_lead_to_watcher(&mut self) {
        self.role = Role::Watcher;
        self.sequence += 1;
        // A leader that gives the lead away out of the application is not stuck in it: without this the watcher would
        // take the lead from whoever polls next.
        self.watch.leave(self.sequence);
        self.call_watcher();
    }

    /// Takes the lead from the watcher, which stays in its poll, standing by.
    pub(crate) fn take_lead_back(&mut self, thread: usize) {
        self.role = Role::Lead(thread);
        self.sequence += 1;
    }

    /// Makes the watcher look at the roles.
    fn call_watcher(&mut self) {
        if self.watcher_polls {
            self.call_poller();
        } else {
            self.watch.call();
            self.woken.watcher = true;
        }
    }

    fn wake_one(&mut self) -> Option<usize> {
        let thread = self.idle.pop()?;
        self.on_their_way += 1;
        self.call(thread);
        Some(thread)
    }

    /// The thread waits for its client; it is to be woken when something moves there.
    pub(crate) fn wait_for(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    pub(crate) fn wait_over(&mut self, thread: usize) {
        self.waiters.retain(|waiter| waiter.thread != thread);
    }

    /// As many threads wait for clients as may.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiters.len() >= (self.threads.len() / 2).max(1)
    }

    /// A thread that waits for its client could be had.
    pub(crate) fn has_recallable(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.recallable)
    }

    /// Makes one of the threads that wait for clients look whether it is needed elsewhere.
    pub(crate) fn recall_waiter(&mut self) {
        if let Some(place) = self.waiters.iter().position(|waiter| waiter.recallable) {
            self.call(self.waiters[place].thread);
            // The next one, should this one have to wait on.
            self.waiters[place..].rotate_left(1);
        }
    }

    pub(crate) fn wake_waiter(&mut self, slot: usize) {
        let waiters = self.waiters.iter().filter(|waiter| waiter.slot == slot);
        self.woken.threads.extend(waiters.filter_map(|waiter| self.threads[waiter.thread].clone()));
    }

    fn call(&mut self, thread: usize) {
        self.woken.threads.extend(self.threads[thread].clone());
    }

    /// Whoever has been woken since the last call, to be woken without the reactor's lock.
    #[inline]
    pub(crate) fn take_woken(&mut self) -> Option<Woken> {
        let Woken { threads, watcher, poller } = &self.woken;
        let is_anybody = !threads.is_empty() || *watcher || *poller;
        is_anybody.then(|| std::mem::take(&mut self.woken))
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The worker ends: everybody wakes and sees it. The first reason stands, except that losing the master overrides.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.ending.is_some() && ending == Ending::Drained {
            return;
        }
        self.ending = Some(ending);
        self.woken.threads.extend(self.threads.iter().flatten().cloned());
        self.call_poller();
        self.call_watcher();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_threads_are_woken_than_requests_wait() {
        let mut roles = Roles::new(4, Arc::default());
        (0..4).for_each(|thread| roles.rest(thread));
        roles.wake_for(2);
        roles.wake_for(2);
        assert_eq!((roles.idle.len(), roles.on_their_way), (2, 2));
        roles.rise(3);
        roles.wake_for(2);
        assert_eq!((roles.idle.len(), roles.on_their_way), (1, 2));
    }

    #[test]
    fn a_leader_that_gives_the_lead_away_is_not_taken_for_stuck() {
        let watch = Arc::<Watch>::default();
        let mut roles = Roles::new(1, Arc::clone(&watch));
        roles.role = Role::Lead(0);
        roles.sequence += 1;
        watch.enter(roles.sequence, 0);
        roles.hand_lead_to_watcher();
        assert!(!watch.is_in_app());
    }

    #[test]
    fn a_watcher_that_stands_by_is_called_only_for_what_waits() {
        let mut roles = Roles::new(1, Arc::default());
        roles.role = Role::Lead(0);
        roles.watcher_polls = true;
        let entered = roles.enter(0, false);
        assert!(!roles.take_woken().is_some_and(|woken| woken.poller));
        roles.leave(entered);
        let entered = roles.enter(0, true);
        assert!(roles.take_woken().is_some_and(|woken| woken.poller));
        roles.leave(entered);
        let entered = roles.enter(0, true);
        assert!(!roles.take_woken().is_some_and(|woken| woken.poller), "once is enough");
        roles.leave(entered);
        roles.forget_call();
        let entered = roles.enter(0, true);
        assert!(roles.take_woken().is_some_and(|woken| woken.poller));
        roles.leave(entered);
        roles.forget_call();
        roles.watcher_is_alert = true;
        roles.enter(0, true);
        assert!(!roles.take_woken().is_some_and(|woken| woken.poller));
    }

    #[test]
    fn a_watcher_that_sleeps_is_woken_by_the_next_request() {
        let mut roles = Roles::new(1, Arc::default());
        roles.watcher_sleeps = true;
        roles.enter(0, false);
        assert!(roles.take_woken().is_some_and(|woken| woken.watcher));
        roles.enter(0, false);
        assert!(!roles.take_woken().is_some_and(|woken| woken.watcher));
    }

    #[test]
    fn a_spurious_wake_up_does_not_count_as_a_thread_on_its_way() {
        let mut roles = Roles::new(1, Arc::default());
        roles.rest(0);
        roles.rise(0);
        assert_eq!((roles.idle.len(), roles.on_their_way), (0, 0));
    }

    #[test]
    fn one_thread_alone_is_never_eager() {
        let mut roles = Roles::new(1, Arc::default());
        for _ in 0..100 {
            roles.eagerness.handle_request(Duration::from_secs(1), Duration::ZERO);
        }
        assert!(!roles.is_eager());
    }
}
