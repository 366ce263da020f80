//! Reading the configuration again.

use super::Instance;
use crate::Reloaded;
use crate::generation::policy;
use crate::inlets::{self, FileWatch};
use crate::restart;
use margrave_lifecycle::order::{Manner, Outcome};
use margrave_lifecycle::supervisor::{self, Level};
use std::rc::Rc;

impl Instance {
    /// Reads the configuration again; one that cannot be used changes nothing.
    pub(super) fn reload(&mut self, manner: Manner, cause: &str) -> Outcome {
        self.parts.log.say(Level::Info, &format!("reload: asked for by {cause}"));
        match self.parts.reload.read() {
            Ok(Reloaded { settings, warnings }) => {
                for warning in warnings {
                    self.parts.log.write(&warning);
                }
                let fixed = restart::options(&self.parts.settings, &settings);
                if !fixed.is_empty() {
                    let text = format!(
                        "reload: a change of {} takes effect at the next start only",
                        fixed.join(", ")
                    );
                    self.parts.log.say(Level::Warning, &text);
                }
                if settings.log.reopen {
                    self.parts.log.reopen();
                }
                self.reloads += 1;
                self.parts.settings = Rc::new(settings);
                self.touch = inlets::touches(&self.parts.settings);
                self.watch_files();
                self.tell(supervisor::Event::Reload(policy(&self.parts.settings), manner));
                Outcome::done("reloading")
            }
            Err(problem) => {
                self.parts.log.say(Level::Error, &problem);
                let text =
                    "reload: the configuration cannot be used, the instance serves on with the old one";
                self.parts.log.say(Level::Error, text);
                Outcome::refused(problem)
            }
        }
    }

    /// Watches the files that the configuration names now.
    pub(super) fn watch_files(&mut self) {
        let (watch, troubles) = FileWatch::new(&self.parts.settings, &self.poller);
        self.watch = watch;
        troubles.iter().for_each(|trouble| self.parts.log.say(Level::Warning, trouble));
    }
}
