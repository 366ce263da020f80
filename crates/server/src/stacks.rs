//! What every thread does, for whoever asks the master.

use crate::Heading;
use crate::reactor::Reactor;
use margrave_lifecycle::message::{FromWorker, encode};
use margrave_stats::scoreboard::ThreadWord;
use margrave_sys::process;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Reactor {
    /// Has the stacks of all threads written down, and sends them to the master.
    pub(crate) fn answer_with_stacks(&self, ticket: u64) {
        let Some(watchdog) = &self.site.watchdog else { return };
        let headings = (0..self.roles.running.len()).map(|thread| self.heading(thread)).collect();
        let site = Arc::clone(&self.site);
        watchdog.dump_all(
            headings,
            Box::new(move |file| {
                if let Ok(packet) = encode(&FromWorker::Stacks { ticket }) {
                    // A master that has gone or is overwhelmed has no use for it.
                    let _ = site.control.send(&packet, &[file.as_fd()]);
                }
            }),
        );
    }

    fn heading(&self, thread: usize) -> Heading {
        let tid = self.site.slot.thread(thread, ThreadWord::Tid).load(Relaxed);
        let doing = match &self.roles.running[thread] {
            None => "idle".to_owned(),
            Some(running) => {
                let age = self.now.saturating_sub(running.since).as_secs_f64();
                let summary = &running.summary;
                let request = if summary.is_empty() { "a request" } else { summary };
                format!("in {request} for {age:.1} s")
            }
        };
        let (worker, pid) = (self.site.worker, process::id());
        Heading { tid, text: format!("worker {worker} (pid {pid}) core {thread}: {doing}") }
    }
}
