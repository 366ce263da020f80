//! Handing over to a new executable, and taking over from an old one.

use super::Instance;
use crate::control::ControlServer;
use crate::error::StartError;
use crate::event::Source;
use crate::hold::Held;
use crate::inlets::Fifos;
use crate::pidfile::Pidfile;
use crate::stats::StatsServer;
use crate::tracebacker::Tracebacker;
use crate::upgrade::Successor;
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::{self, Level};
use margrave_sys::process::{self, Ending, Signal};
use margrave_sys::signal::Received;

impl Instance {
    /// Starts the executable anew beside this master.
    pub(super) fn upgrade(&mut self, cause: &str) -> Outcome {
        if self.successor.is_some() {
            return Outcome::refused("upgrade: one is under way");
        }
        if self.supervisor.is_stopping() || self.supervisor.is_reloading() || self.supervisor.live().is_none()
        {
            return Outcome::refused("upgrade: not now: the instance starts, reloads or stops");
        }
        let configured = self.parts.settings.reload.executable.clone();
        let Some(path) = configured.or_else(|| self.executable.clone()) else {
            return Outcome::refused(
                "upgrade: cannot tell where the executable is; name it with `binary-path`",
            );
        };
        let started = Successor::start(&path, &self.parts.listeners).and_then(|successor| {
            let watched = self.poller.add_readable(&successor, Source::Successor.token());
            watched.map_err(StartError::system("watch the new master"))?;
            Ok(successor)
        });
        match started {
            Ok(successor) => {
                let pid = successor.pid;
                let text =
                    format!("upgrade: asked for by {cause}; a new master (pid {pid}) starts beside this one");
                self.parts.log.say(Level::Info, &text);
                self.successor = Some(successor);
                Outcome::done(format!("a new master starts with pid {pid}"))
            }
            Err(error) => Outcome::refused(format!("upgrade: {error}")),
        }
    }

    /// The new master has spoken, or has gone.
    pub(super) fn read_successor(&mut self) {
        let Some(successor) = &mut self.successor else { return };
        if successor.adoption.is_some() || !successor.has_begun() {
            let _ = self.poller.delete(&*successor);
            return;
        }
        let text = format!("upgrade: the new master (pid {}) serves; this one ends", successor.pid);
        self.parts.log.say(Level::Info, &text);
        self.parts.notifier.tell(&format!("MAINPID={}", successor.pid));
        // What has a name is let go before the new master takes it.
        self.parts.stats = None;
        self.parts.control = ControlServer::closed(&self.parts.settings);
        self.fifos = Fifos::default();
        self.parts.held = Held::default();
        self.tracebacker = Tracebacker::default();
        self.parts.listeners.give_away();
        successor.yield_names();
        self.tell(supervisor::Event::Retire);
    }

    /// Whether a child that ended was the new master. One that had not taken over changes nothing.
    pub(super) fn successor_reaped(&mut self, pid: i32, ending: Ending) -> bool {
        let Some(successor) = self.successor.take_if(|successor| successor.pid == pid) else { return false };
        let _ = self.poller.delete(&successor);
        if successor.adoption.is_none() {
            let text = format!("upgrade: the new master {ending} before it served; this one serves on");
            self.parts.log.say(Level::Error, &text);
        }
        true
    }

    /// The old master has let go: what has a name is made here.
    pub(super) fn read_predecessor(&mut self) {
        let Some(predecessor) = self.parts.predecessor.take_if(|predecessor| predecessor.has_yielded())
        else {
            return;
        };
        let _ = self.poller.delete(&predecessor);
        self.parts.listeners.keep();
        let settings = std::rc::Rc::clone(&self.parts.settings);
        let host = &settings.host;
        let mut troubles = Vec::new();
        match StatsServer::bind(&settings.stats, host.vacuum) {
            Ok(stats) => self.parts.stats = stats,
            Err(error) => troubles.push(error),
        }
        if let Some(stats) = &self.parts.stats {
            troubles.extend(stats.watch(&self.poller).err());
        }
        let (control, warnings) = ControlServer::open(&settings, self.parts.version);
        if let Err(error) = control.watch(&self.poller) {
            troubles.push(StartError::system("watch the control socket")(error));
        }
        self.parts.control = control;
        warnings.iter().for_each(|warning| self.parts.log.say(Level::Warning, warning));
        match Fifos::open(&settings, &self.poller) {
            Ok(fifos) => self.fifos = fifos,
            Err(error) => troubles.push(error),
        }
        match Tracebacker::open(&settings, &self.poller) {
            Ok(tracebacker) => self.tracebacker = tracebacker,
            Err(error) => troubles.push(error),
        }
        for (option, path) in [("pidfile", &host.pidfile), ("pidfile2", &host.pidfile2)] {
            match path.as_ref().map(|path| Pidfile::write(option, path, host.vacuum)) {
                Some(Ok(pidfile)) => self.parts.pidfiles.push(pidfile),
                Some(Err(error)) => troubles.push(error),
                None => {}
            }
        }
        troubles.extend(self.parts.held.take_over(&host.held_files, &self.parts.log).err());
        self.write_safe_pidfile();
        for error in troubles {
            self.parts.log.say(Level::Error, &format!("upgrade: {error}"));
        }
        self.parts.notifier.tell(&format!("READY=1\nMAINPID={}\nSTATUS=serves", process::id()));
    }

    /// The first process of a container cannot end before its successor: it passes signals on and reaps until then.
    pub(super) fn stay_for_successor(&mut self) -> Option<i32> {
        const FIRST: i32 = 1;
        let pid = self.successor.as_ref().filter(|_| process::id() == FIRST)?.pid;
        let mut events = margrave_sys::poller::Events::with_capacity(8);
        loop {
            let _ = self.poller.wait(&mut events, None);
            while let Some(signal) = self.parts.signals.next() {
                match (signal, forwarded(signal)) {
                    (Received::EmperorStop | Received::EmperorReload, Some(signal)) => {
                        process::command_vassal(pid, signal);
                    }
                    (_, Some(signal)) => process::kill(pid, signal),
                    (_, None) => {}
                }
            }
            while let Some((gone, ending)) = process::reap() {
                if gone == pid {
                    return Some(match ending {
                        Ending::Exited(code) => code,
                        Ending::Signaled(number) => 128 + number,
                    });
                }
            }
        }
    }
}

fn forwarded(signal: Received) -> Option<Signal> {
    Some(match signal {
        Received::Hangup | Received::EmperorReload => Signal::HUP,
        Received::Interrupt => Signal::INT,
        Received::Quit => Signal::QUIT,
        Received::Terminate | Received::Stop | Received::EmperorStop => Signal::TERM,
        Received::User1 => Signal::USR1,
        Received::User2 => Signal::USR2,
        Received::Pause => Signal::TSTP,
        Received::Child => return None,
    })
}
