//! Reading the configuration again.

use super::Instance;
use crate::Reloaded;
use crate::generation::policy;
use crate::restart;
use crate::touch::Touch;
use margrave_lifecycle::order::Outcome;
use margrave_lifecycle::supervisor::{self, Level};
use std::rc::Rc;

impl Instance {
    /// Reads the configuration again; one that cannot be used changes nothing.
    pub(super) fn reload(&mut self, cause: &str) -> Outcome {
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
                self.reloads += 1;
                self.parts.settings = Rc::new(settings);
                self.touch = Touch::new(&self.parts.settings.process.touch_reload);
                self.tell(supervisor::Event::Reload(policy(&self.parts.settings)));
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
}
