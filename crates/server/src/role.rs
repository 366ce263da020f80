//! Who leads: polls and decodes, and runs what is ready. At any time one Python thread, the watcher, or nobody yet.
//!
//! The part of the reactor's state that decides it; `threads` and `watcher` act on it under the reactor's lock.

use crate::Ending;
use crate::eager::{Eagerness, SLOW};
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
    /// The watcher looks after the leader by itself; otherwise it sleeps until it is called or its alarm goes off.
    watcher_ticks: bool,
    /// The watcher's alarm is set, for the leader's present entry into the application.
    alarm_is_set: bool,
    /// The watcher is in a poll, as the leader or, since a thread has taken the lead, beside it.
    pub(crate) watcher_polls: bool,
    /// It has offered help meanwhile.
    pub(crate) watcher_offers: bool,
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
            watcher_ticks: true,
            alarm_is_set: false,
            watcher_polls: false,
            watcher_offers: false,
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

    /// The leader is in the application, or waits for it: it loses the lead if it stays there for long.
    pub(crate) fn enter(&mut self) -> u64 {
        self.sequence += 1;
        self.watch.enter(self.sequence);
        let pays_alarms = self.eagerness.pays_alarms();
        self.watch.prefer_alarms(pays_alarms);
        if self.watcher_ticks || self.watcher_polls {
            // It sees the entry with its next tick, or is woken by whatever comes meanwhile and ticks then.
        } else if pays_alarms {
            self.watch.alarm.set(SLOW);
            self.alarm_is_set = true;
        } else {
            self.watcher_ticks = true;
            self.woken.watcher = true;
        }
        self.sequence
    }

    /// The leader is back, if it has not lost the lead since that entry.
    pub(crate) fn leave(&mut self, sequence: u64) {
        if self.sequence == sequence {
            self.watch.leave(sequence);
            self.clear_alarm();
        }
    }

    fn clear_alarm(&mut self) {
        if std::mem::take(&mut self.alarm_is_set) {
            self.watch.alarm.clear();
        }
    }

    /// The watcher is up again. Whether its alarm has gone off for the leader's present entry.
    pub(crate) fn take_alarm(&mut self) -> bool {
        self.watcher_ticks = true;
        let expired = self.watch.alarm.take_expired();
        expired && std::mem::take(&mut self.alarm_is_set) && self.watch.is_in_app()
    }

    /// Takes the lead from a thread that is stuck in the application: for an idle one if that may have it, otherwise for the
    /// watcher.
    pub(crate) fn take_lead_away(&mut self, may_go_to_idle: bool) {
        if !(may_go_to_idle && self.hand_lead_to_idle()) {
            self.role = Role::Watcher;
            self.sequence += 1;
        }
        self.watch.leave(self.sequence);
        self.clear_alarm();
    }

    /// The watcher is about to sleep without ticks. `false`: there is something it has to look after.
    pub(crate) fn stop_ticks(&mut self) -> bool {
        let unwatched = self.watch.is_in_app() && !self.alarm_is_set;
        if unwatched || self.role == Role::Watcher || self.ending.is_some() {
            return false;
        }
        self.watcher_ticks = false;
        true
    }

    /// Gives the lead to the watcher.
    pub(crate) fn hand_lead_to_watcher(&mut self) {
        self.role = Role::Watcher;
        self.sequence += 1;
        // A leader that gives the lead away out of the application is not stuck in it: without this the watcher would
        // take the lead from whoever polls next.
        self.watch.leave(self.sequence);
        self.clear_alarm();
        self.call_watcher();
    }

    /// Takes the lead from the watcher, which stays in its poll: there it costs nothing, and the thread that comes to poll
    /// last is the first that the kernel wakes.
    pub(crate) fn take_lead_back(&mut self, thread: usize) {
        self.role = Role::Lead(thread);
        self.sequence += 1;
    }

    /// Makes the watcher look at the roles.
    fn call_watcher(&mut self) {
        self.watcher_ticks = true;
        if self.watcher_polls {
            self.woken.poller = true;
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
    pub(crate) fn take_woken(&mut self) -> Woken {
        std::mem::take(&mut self.woken)
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
        self.call_watcher();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::new().unwrap())
    }

    #[test]
    fn no_more_threads_are_woken_than_requests_wait() {
        let mut roles = Roles::new(4, watch());
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
        let watch = watch();
        let mut roles = Roles::new(1, Arc::clone(&watch));
        roles.role = Role::Lead(0);
        roles.sequence += 1;
        watch.enter(roles.sequence);
        roles.hand_lead_to_watcher();
        assert!(!watch.is_in_app());
    }

    #[test]
    fn an_alarm_that_went_off_for_an_entry_that_is_over_says_nothing() {
        let mut roles = Roles::new(1, watch());
        roles.role = Role::Lead(0);
        roles.eagerness.handle_request(Duration::ZERO, Duration::from_secs(1));
        assert!(roles.stop_ticks());
        let left = roles.enter();
        roles.watch.alarm.sleep();
        roles.leave(left);
        assert!(!roles.take_alarm());
        assert!(roles.stop_ticks());
        roles.enter();
        roles.watch.alarm.sleep();
        assert!(roles.take_alarm());
        roles.take_lead_away(true);
        assert!(!roles.take_alarm() && roles.role == Role::Watcher);
    }

    #[test]
    fn a_spurious_wake_up_does_not_count_as_a_thread_on_its_way() {
        let mut roles = Roles::new(1, watch());
        roles.rest(0);
        roles.rise(0);
        assert_eq!((roles.idle.len(), roles.on_their_way), (0, 0));
    }

    #[test]
    fn one_thread_alone_is_never_eager() {
        let mut roles = Roles::new(1, watch());
        for _ in 0..100 {
            roles.eagerness.handle_request(Duration::from_secs(1), Duration::ZERO);
        }
        assert!(!roles.is_eager());
    }
}
