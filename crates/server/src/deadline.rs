//! Deadlines of requests: the client is answered at once, the thread is asked to give up.

use crate::connection::{Next, Phase};
use crate::lane::Forfeit;
use crate::reactor::Reactor;
use crate::threads::micros;
use margrave_stats::scoreboard::{Counter, ThreadWord};
use margrave_sys::backlog;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What a client is answered whose request has passed its deadline.
pub(crate) const OVERDUE_STATUS: u16 = 504;

impl Reactor {
    /// Ends requests whose time is over, and asks their threads again until they give up.
    pub(crate) fn sweep_deadlines(&mut self) {
        for thread in 0..self.roles.running.len() {
            if self.site.lanes[thread].is_forfeited() {
                if let Some(watchdog) = &self.site.watchdog {
                    watchdog.interrupt(thread);
                }
            } else if self.is_overdue(thread) {
                self.end_overdue(thread);
            } else {
                self.note_slow(thread);
            }
        }
    }

    fn is_overdue(&self, thread: usize) -> bool {
        let Some(running) = &self.roles.running[thread] else { return false };
        let user = self.site.slot.thread(thread, ThreadWord::UserDeadline).load(Relaxed);
        let deadline = match user {
            0 => self.site.process.harakiri.map(|harakiri| running.since + harakiri),
            micros => Some(Duration::from_micros(micros)),
        };
        deadline.is_some_and(|deadline| deadline <= self.now) && self.others_wait()
    }

    /// `harakiri-queue-threshold`: whether so many connections, or requests that have been read, wait that requests have to end.
    fn others_wait(&self) -> bool {
        let Some(least) = self.site.process.harakiri_queue else { return true };
        let backlog = backlog::longest(self.site.listeners.iter().map(|listener| &listener.fd));
        self.ready.len() + backlog as usize >= least as usize
    }

    /// `slow-request-stack`: shows once what a request does that runs for long.
    fn note_slow(&mut self, thread: usize) {
        let (Some(limit), Some(running)) = (self.site.process.slow_stack, &mut self.roles.running[thread])
        else {
            return;
        };
        let age = self.now.saturating_sub(running.since);
        if age < limit || std::mem::replace(&mut running.noted, true) {
            return;
        }
        let (site, sequence) = (Arc::clone(&self.site), running.since);
        let since = micros(sequence);
        let stack = move || {
            let present = site.slot.thread(thread, ThreadWord::BusySince).load(Relaxed);
            if let Some(watchdog) = site.watchdog.as_ref().filter(|_| present == since) {
                watchdog.dump_stack(thread);
            }
        };
        self.site.log.say_then(
            format_args!(
                "slow request: worker {} core {thread}: {} has run for {:.1} s and goes on; its stack follows",
                self.site.worker,
                running.summary,
                age.as_secs_f64(),
            ),
            stack,
        );
    }

    /// `harakiri-verbose`: what the kernel does for a thread.
    fn kernel_side(&self, thread: usize) -> String {
        if !self.site.process.harakiri_verbose {
            return String::new();
        }
        let tid = self.site.slot.thread(thread, ThreadWord::Tid).load(Relaxed);
        margrave_sys::thread::kernel_side(tid).map_or_else(String::new, |text| format!(" ({text})"))
    }

    fn end_overdue(&mut self, thread: usize) {
        // With `harakiri-kill` the master ends the whole worker, as uWSGI does.
        if self.site.process.harakiri_kill {
            return;
        }
        let Some(forfeit) = self.site.lanes[thread].forfeit() else { return };
        let Some(running) = &self.roles.running[thread] else { return };
        let (slot, generation) = (running.slot, running.generation);
        self.site.slot.add(Counter::Overdue, 1);
        let age = self.now.saturating_sub(running.since);
        let outcome = if forfeit == Forfeit::BeforeHead { "answered 504" } else { "the answer is cut" };
        let site = Arc::clone(&self.site);
        // In this order, whoever writes: the line, the stack below it, and only then the interruption. A thread that
        // has come back by itself meanwhile is left alone.
        let stack = move || {
            if let Some(watchdog) = site.watchdog.as_ref().filter(|_| site.lanes[thread].is_forfeited()) {
                watchdog.dump_stack(thread);
                watchdog.interrupt(thread);
            }
        };
        self.site.log.say_then(
            format_args!(
                "HARAKIRI: worker {} core {thread}: {} has run for {:.1} s{}; {outcome}, its stack follows",
                self.site.worker,
                running.summary,
                age.as_secs_f64(),
                self.kernel_side(thread),
            ),
            stack,
        );
        self.answer_overdue(slot, generation, forfeit);
    }

    fn answer_overdue(&mut self, slot: usize, generation: u32, forfeit: Forfeit) {
        let Some(connection) = self.connections.find_mut(slot, generation) else {
            return;
        };
        if connection.phase != Phase::InApp {
            return;
        }
        // Its thread may wait for the client.
        connection.inflow = None;
        self.roles.wake_waiter(slot);
        match forfeit {
            Forfeit::AfterHead => self.close(slot),
            Forfeit::BeforeHead => {
                let answer = self.refusal(slot, OVERDUE_STATUS).unwrap_or_default();
                self.connections[slot].output.push(&answer);
                self.answer(slot, Next::Linger);
            }
        }
    }
}
