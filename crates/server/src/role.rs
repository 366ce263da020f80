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

/// Roles and the threads' whereabouts.
#[derive(Debug)]
pub(crate) struct Roles {
    pub(crate) role: Role,
    /// Changes at every entry into the application, at its end and at a theft, so that a thread that comes back
    /// knows whether it still leads.
    pub(crate) sequence: u64,
    pub(crate) eagerness: Eagerness,
    pub(crate) watcher_parked: bool,
    /// The watcher is in a poll, as the leader or still.
    pub(crate) watcher_polls: bool,
    /// Parked threads that nobody has woken.
    idle: Vec<usize>,
    /// Threads woken for a request that have not taken one yet.
    woken: usize,
    threads: Vec<Option<Thread>>,
    watcher: Option<Thread>,
    /// Those who run when the reactor is free.
    woken_up: Vec<Thread>,
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
            watcher_parked: false,
            watcher_polls: false,
            idle: Vec::with_capacity(threads),
            woken: 0,
            threads: vec![None; threads],
            watcher: None,
            woken_up: Vec::new(),
            watch,
            running: (0..threads).map(|_| None).collect(),
            waiters: Vec::new(),
            ending: None,
        }
    }

    pub(crate) fn register_thread(&mut self, thread: usize, handle: Thread) {
        self.threads[thread] = Some(handle);
    }

    pub(crate) fn register_watcher(&mut self, handle: Thread) {
        self.watcher = Some(handle);
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
            None => self.woken = self.woken.saturating_sub(1),
        }
    }

    /// Threads woken for a request that have not taken one yet.
    pub(crate) fn on_their_way(&self) -> usize {
        self.woken
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Wakes as many threads as there are requests without one on its way.
    pub(crate) fn wake_for(&mut self, ready: usize) {
        while self.woken < ready && self.wake_one().is_some() {}
    }

    /// Gives the lead to an idle thread.
    pub(crate) fn hand_lead_to_idle(&mut self) -> bool {
        let Some(thread) = self.wake_one() else { return false };
        self.role = Role::Lead(thread);
        self.sequence += 1;
        true
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

    /// Makes the watcher look at the roles.
    fn call_watcher(&mut self) {
        self.watcher_parked = false;
        self.watch.call();
        self.woken_up.extend(self.watcher.clone());
    }

    /// The watcher looks after whoever is in the application.
    pub(crate) fn rouse_watcher(&mut self) {
        if std::mem::take(&mut self.watcher_parked) {
            self.woken_up.extend(self.watcher.clone());
        }
    }

    fn wake_one(&mut self) -> Option<usize> {
        let thread = self.idle.pop()?;
        self.woken += 1;
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
        self.woken_up.extend(waiters.filter_map(|waiter| self.threads[waiter.thread].clone()));
    }

    fn call(&mut self, thread: usize) {
        self.woken_up.extend(self.threads[thread].clone());
    }

    /// Whoever has been woken since the last call, to be unparked without the reactor's lock.
    pub(crate) fn take_woken(&mut self) -> Vec<Thread> {
        std::mem::take(&mut self.woken_up)
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
        self.woken_up.extend(self.threads.iter().flatten().cloned());
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
        assert_eq!((roles.idle.len(), roles.woken), (2, 2));
        roles.rise(3);
        roles.wake_for(2);
        assert_eq!((roles.idle.len(), roles.woken), (1, 2));
    }

    #[test]
    fn a_leader_that_gives_the_lead_away_is_not_taken_for_stuck() {
        let watch = Arc::<Watch>::default();
        let mut roles = Roles::new(1, Arc::clone(&watch));
        roles.role = Role::Lead(0);
        roles.sequence += 1;
        watch.enter(roles.sequence);
        roles.hand_lead_to_watcher();
        assert_eq!(watch.read() & 1, 0);
    }

    #[test]
    fn a_spurious_wake_up_does_not_count_as_a_thread_on_its_way() {
        let mut roles = Roles::new(1, Arc::default());
        roles.rest(0);
        roles.rise(0);
        assert_eq!((roles.idle.len(), roles.woken), (0, 0));
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
