//! The beginning and the end of an instance: the summary, the word that it serves, what it leaves behind.

use super::Instance;
use crate::pidfile::Pidfile;
use crate::stats::StatsServer;
use crate::summary;
use margrave_config::settings::Phase;
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::clock::monotonic;
use margrave_sys::poller::Events;
use margrave_sys::process::{self, Signal};
use std::rc::Rc;
use std::time::Duration;

/// Time that descendants of the application get to end after the instance has.
const STRAY_GRACE: Duration = Duration::from_millis(500);

impl Instance {
    /// Shows the summary at the start, before the first request can be answered.
    pub(super) fn introduce(&self, number: u32) {
        let Some(generation) = self.generations.get(&number).filter(|_| self.parts.promise.is_open()) else {
            return;
        };
        let about = summary::About {
            version: self.parts.version,
            stats: self.parts.stats.as_ref().map(StatsServer::address),
            colour: self.parts.log.is_terminal(),
        };
        for line in summary::text(generation, about).lines() {
            self.parts.log.write(line);
        }
    }

    pub(super) fn serving(&mut self) {
        if self.parts.promise.is_open() {
            let took = monotonic().saturating_sub(self.started);
            self.parts.log.say(Level::Info, &format!("serves after {:.2} s", took.as_secs_f64()));
            let live = self.supervisor.live().and_then(|live| self.generations.get(&live));
            if let (Some(predecessor), Some(live)) = (&mut self.parts.predecessor, live) {
                predecessor.announce(&live.adoption);
            } else {
                self.parts.notifier.tell(&format!("READY=1\nMAINPID={}\nSTATUS=serves", process::id()));
                self.write_safe_pidfile();
            }
            self.parts.promise.kept();
            self.next_heartbeat = self.parts.notifier.heartbeat().map(|_| monotonic());
            self.begin_hooks(Phase::MasterStart);
        }
        // From now on the generations keep the sockets alive.
        self.parts.bound.clear();
    }

    pub(super) fn write_safe_pidfile(&mut self) {
        let settings = Rc::clone(&self.parts.settings);
        let host = &settings.host;
        for (option, path) in [("safe-pidfile", &host.safe_pidfile), ("safe-pidfile2", &host.safe_pidfile2)] {
            match path.as_ref().map(|path| Pidfile::write(option, path, host.vacuum)) {
                Some(Ok(pidfile)) => self.parts.pidfiles.push(pidfile),
                Some(Err(error)) => self.parts.log.say(Level::Error, &error.to_string()),
                None => {}
            }
        }
    }

    /// Writes the pidfiles that were written so far again, after somebody has removed or changed them.
    pub(super) fn rewrite_pidfiles(&mut self) -> Outcome {
        if self.parts.pidfiles.is_empty() {
            return Outcome::refused("the configuration names no pidfile");
        }
        for pidfile in &mut self.parts.pidfiles {
            if let Err(error) = pidfile.rewrite() {
                return Outcome::refused(error);
            }
        }
        Outcome::done("the pidfiles are written")
    }

    /// Ends what the application's processes left behind in our process group: first asked, then killed.
    pub(super) fn end_strays(&self) {
        let deadline = monotonic() + STRAY_GRACE;
        let mut signal = Signal::TERM;
        loop {
            while process::reap().is_some() {}
            let mut strays = process::children_of_our_group();
            strays.retain(|pid| self.successor.as_ref().is_none_or(|successor| successor.pid != *pid));
            if strays.is_empty() {
                return;
            }
            let late = monotonic() >= deadline;
            if late || signal == Signal::TERM {
                strays.iter().for_each(|pid| process::kill(*pid, if late { Signal::KILL } else { signal }));
            }
            signal = Signal::KILL;
            let mut events = Events::with_capacity(1);
            let _ = self.poller.wait(&mut events, Some(Duration::from_millis(50)));
            while self.parts.signals.next().is_some() {}
            if monotonic() >= deadline + STRAY_GRACE {
                return;
            }
        }
    }
}
