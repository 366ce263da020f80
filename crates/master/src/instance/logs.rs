//! Log files that change while the instance runs: every process must write to the new one.

use super::Instance;
use margrave_lifecycle::message::{ToWorker, ToZygote, encode};
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::file::duplicate;
use std::os::fd::AsFd;

impl Instance {
    /// From now on a thread writes the log, so that nothing there holds the loop up.
    pub(super) fn start_log(&self) {
        let started = self.moved.try_clone().and_then(|moved| self.parts.log.start(moved));
        if let Err(error) = started {
            let text =
                format!("cannot start the thread that writes the log: {error}; a slow log may hold us up");
            self.parts.log.say(Level::Warning, &text);
        }
    }

    pub(super) fn reopen_logs(&self) -> Outcome {
        self.parts.log.reopen();
        Outcome::done("log files are opened anew")
    }

    pub(super) fn rotate_logs(&self) -> Outcome {
        self.parts.log.rotate();
        Outcome::done("log files are rotated")
    }

    /// Standard error is another file now: tells the processes that write there by themselves.
    pub(super) fn spread_output(&self) {
        self.moved.drain();
        if self.parts.collector.is_some() {
            return;
        }
        let Ok(output) = duplicate(2) else { return };
        let descriptors = [output.as_fd()];
        // One that cannot be told has ended, or does not read and is killed for that.
        if let Ok(packet) = encode(&ToZygote::Output) {
            for generation in self.generations.values() {
                let _ = generation.zygote.send(&packet, &descriptors);
            }
        }
        if let Ok(packet) = encode(&ToWorker::Output) {
            for channel in self.workers.values().filter_map(|worker| worker.channel.as_ref()) {
                let _ = channel.send(&packet, &descriptors);
            }
        }
    }
}
