//! What runs beside the workers: errands of hooks, attached programs, commands at times.

use super::Instance;
use crate::beside::{Beside, Surroundings};
use crate::hooks::{Errand, Weight};
use crate::log::Collector;
use crate::touch::Touch;
use margrave_config::settings::{HookSettings, Phase};
use margrave_lifecycle::daemons;
use margrave_lifecycle::message::ForkId;
use margrave_lifecycle::order::Order;
use margrave_lifecycle::supervisor::{self, Level};
use margrave_sys::action::is_mount_point;
use margrave_sys::clock::monotonic;
use margrave_sys::poller::Events;
use margrave_sys::process::{self, Ending};
use margrave_sys::signal::Received;
use std::time::Duration;

/// Time for programs and tasks when the instance is to end at once, and for those that are killed.
const QUICK_MERCY: Duration = Duration::from_secs(2);

impl Instance {
    /// Runs the hooks of a phase without waiting for them.
    pub(super) fn begin_hooks(&mut self, phase: Phase) {
        self.parts.hooks.enqueue_phase(phase, &self.parts.settings.hooks);
        self.proceed_with_hooks();
    }

    pub(super) fn proceed_with_hooks(&mut self) {
        let errand = self.parts.hooks.proceed(&self.parts.log);
        self.settle(errand);
        self.obey_after_hooks();
    }

    /// Does what the emperor says, after the hooks for it; the instance serves on meanwhile.
    pub(super) fn obey_emperor(&mut self, phase: Phase, order: Order) {
        if self.parts.settings.hooks.of(phase).next().is_none() {
            return self.obey_unheard(order, "the emperor");
        }
        self.parts.hooks.postponed = Some(order);
        self.begin_hooks(phase);
    }

    fn obey_after_hooks(&mut self) {
        if let Some(order) = self.parts.hooks.take_postponed() {
            self.obey_unheard(order, "the emperor");
        }
    }

    /// Whether a child that has ended was an errand, a daemon or a task.
    pub(super) fn reaped_beside(&mut self, pid: i32, ending: Ending) -> bool {
        if let Some(errand) = self.parts.hooks.handle_reaped(pid, ending, &self.parts.log) {
            self.settle(errand);
            self.obey_after_hooks();
            return true;
        }
        let ended = self.with_beside(|beside, around| beside.handle_reaped(pid, ending, around));
        if ended == Some(true) {
            self.tell(supervisor::Event::Stop);
        }
        ended.is_some()
    }

    /// Does what programs and tasks beside the workers are due to do.
    pub(super) fn proceed_beside(&mut self) {
        if self.with_beside(|beside, around| beside.proceed(around)) {
            self.tell(supervisor::Event::Stop);
        }
    }

    /// The application is loaded: what belongs beside the workers begins.
    pub(super) fn start_beside(&mut self) {
        self.beside.start(&self.parts.settings.beside);
        self.proceed_beside();
    }

    fn with_beside<R>(&mut self, act: impl FnOnce(&mut Beside, &Surroundings<'_>) -> R) -> R {
        let around = Surroundings {
            scene: &self.parts.hooks.scene,
            settings: &self.parts.settings,
            output: self.parts.collector.as_ref().map(Collector::write_end),
            log: &self.parts.log,
        };
        act(&mut self.beside, &around)
    }

    /// Ends the programs beside the workers that are not kept, and the tasks: asked first, killed when they take too
    /// long or the end is to be quick.
    pub(super) fn end_beside(&mut self) {
        self.with_beside(Beside::stop);
        let patience = if self.beside.hurried { QUICK_MERCY } else { daemons::MERCY };
        let mut deadline = monotonic() + patience;
        let mut killed = false;
        loop {
            while let Some((pid, ending)) = process::reap() {
                self.with_beside(|beside, around| beside.handle_reaped(pid, ending, around));
            }
            self.with_beside(Beside::wait);
            if !self.beside.is_ending() {
                return;
            }
            if monotonic() >= deadline {
                if killed {
                    return;
                }
                self.with_beside(Beside::kill);
                (killed, deadline) = (true, monotonic() + QUICK_MERCY);
            }
            let mut events = Events::with_capacity(4);
            let _ = self.poller.wait(&mut events, Some(Duration::from_millis(50)));
            while let Some(signal) = self.parts.signals.next() {
                if matches!(signal, Received::Interrupt | Received::Quit) {
                    deadline = monotonic();
                }
            }
        }
    }

    /// `touch-exec`, `hook-touch`, `check-mountpoint`: what files ask for.
    pub(super) fn look_beside(&mut self) {
        if self.supervisor.is_stopping() {
            return;
        }
        for (_, number) in self.touched.changed() {
            if let Some((_, hook)) = self.parts.settings.hooks.touched.get(number) {
                self.parts.hooks.enqueue(hook.clone(), Weight::Light);
            }
        }
        self.proceed_with_hooks();
        self.with_beside(Beside::look);
        self.proceed_beside();
        let gone = self.parts.settings.hooks.mount_points.iter().find(|path| !is_mount_point(path));
        if let Some(path) = gone {
            let text = format!("check-mountpoint: no file system is mounted on {} any more", path.display());
            self.settle(Errand::Fatal(text));
        }
    }

    fn settle(&mut self, errand: Errand) {
        match errand {
            Errand::Fine => {}
            Errand::Fatal(why) => {
                self.parts.log.say(Level::Error, &format!("{why}; the instance ends"));
                self.broken.get_or_insert((1, Some(why)));
                self.tell(supervisor::Event::Halt);
            }
            Errand::Exit(code) => {
                self.broken.get_or_insert((code.into(), None));
                self.tell(supervisor::Event::Halt);
            }
        }
    }

    /// A hook wants an exit code. It gets it when nothing serves yet; later its failure ends what it stands in alone.
    pub(super) fn want_exit_code(&mut self, code: u8, why: &str) {
        if self.supervisor.live().is_none() {
            self.broken.get_or_insert((code.into(), Some(why.to_owned())));
        }
    }

    /// A worker's hook failed. Among the first workers of the start that ends the instance, whether or not others serve
    /// already; later it costs a reload its candidate, or the worker.
    pub(super) fn hook_failed_in_worker(&mut self, id: ForkId, code: u8, why: &str) {
        const FIRST: u32 = 1;
        let is_first = self.workers.get(&id).is_some_and(|worker| {
            let tally = self.generations.get(&FIRST).and_then(|first| first.tallies.get(&worker.worker));
            worker.generation == FIRST && tally.is_some_and(|tally| tally.spawned == 1)
        });
        if is_first {
            self.parts.log.say(Level::Error, &format!("{why}; the instance ends"));
            self.broken.get_or_insert((code.into(), Some(why.to_owned())));
            self.tell(supervisor::Event::Halt);
        }
    }

    /// A reload is through: what uWSGI's master does when it executes itself again.
    pub(super) fn reloaded(&mut self) {
        self.parts.hooks.follow(self.parts.settings.host.chdir.as_deref());
        self.touched = watch(&self.parts.settings.hooks);
        self.with_beside(Beside::reload);
        self.proceed_beside();
        self.begin_hooks(Phase::AsUserAtExit);
        self.begin_hooks(Phase::MasterStart);
    }

    /// The hooks of the end, which are waited for.
    pub(super) fn end_hooks(&mut self) {
        let (hooks, settings) = (&mut self.parts.hooks, &self.parts.settings);
        // Failures are in the log, and the end is the end.
        let _ = hooks.run(Phase::AsUserAtExit, &settings.hooks, &self.parts.log);
    }
}

/// The files of `HookSettings::touched`, each with its place there.
pub(super) fn watch(settings: &HookSettings) -> Touch<usize> {
    Touch::new(settings.touched.iter().enumerate().map(|(number, (path, _))| (path.clone(), number)))
}
