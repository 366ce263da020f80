//! What runs beside the workers: errands of hooks.

use super::Instance;
use crate::hooks::{Errand, Weight};
use crate::touch::Touch;
use margrave_config::settings::{HookSettings, Phase};
use margrave_lifecycle::message::ForkId;
use margrave_lifecycle::supervisor::{self, Level};
use margrave_sys::action::is_mount_point;
use margrave_sys::process::Ending;

impl Instance {
    /// Runs the hooks of a phase without waiting for them.
    pub(super) fn begin_hooks(&mut self, phase: Phase) {
        self.parts.hooks.enqueue_phase(phase, &self.parts.settings.hooks);
        self.proceed_with_hooks();
    }

    pub(super) fn proceed_with_hooks(&mut self) {
        let errand = self.parts.hooks.proceed(&self.parts.log);
        self.settle(errand);
    }

    /// Whether a child that has ended was an errand, a daemon or a task.
    pub(super) fn reaped_beside(&mut self, pid: i32, ending: Ending) -> bool {
        let Some(errand) = self.parts.hooks.handle_reaped(pid, ending, &self.parts.log) else { return false };
        self.settle(errand);
        true
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
        self.parts.hooks.follow(&self.parts.settings.host.chdir);
        self.touched = watch(&self.parts.settings.hooks);
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
