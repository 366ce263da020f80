//! Performs the orders of operators, whichever way they come: signals, the master FIFO, touched files, `margrave ctl`.

use super::Instance;
use margrave_lifecycle::order::{Manner, Order, Outcome};
use margrave_lifecycle::supervisor::{self, Level};

impl Instance {
    /// Performs an order and says what came of it; `cause` tells the log who gave it.
    pub(crate) fn obey(&mut self, order: Order, cause: &str) -> Outcome {
        match order {
            Order::Reload(Manner::Graceful) => self.reload(cause),
            Order::Stop => {
                self.tell(supervisor::Event::Stop);
                Outcome::done("stopping: requests in flight are finished first")
            }
            Order::Halt => {
                self.tell(supervisor::Event::Halt);
                Outcome::done("stopping now")
            }
            Order::WritePidfiles => self.rewrite_pidfiles(),
            other => Outcome::refused(format!("`{other}` is not built yet")),
        }
    }

    /// Performs an order to which nobody waits for an answer: what cannot be done is for the log.
    pub(crate) fn obey_unheard(&mut self, order: Order, cause: &str) {
        if let Outcome::Refused(why) = self.obey(order, cause) {
            self.parts.log.say(Level::Warning, &format!("{cause}: {why}"));
        }
    }
}
