//! Performs the orders of operators, whichever way they come: signals, the master FIFO, touched files, `margrave ctl`.

use super::Instance;
use margrave_lifecycle::order::{Manner, Order, Outcome};
use margrave_lifecycle::supervisor::{self, Level};

impl Instance {
    /// Performs an order and says what came of it; `cause` tells the log who gave it.
    pub(crate) fn obey(&mut self, order: Order, cause: &str) -> Outcome {
        match order {
            Order::Reload(manner) => self.reload(manner, cause),
            Order::ReloadWorkers(manner) => self.reload_workers(manner, cause),
            Order::ChainReload => self.chain_reload(cause),
            Order::Stop => {
                self.tell(supervisor::Event::Stop);
                Outcome::done("stopping: requests in flight are finished first")
            }
            Order::Halt => {
                self.beside.hurried = true;
                self.tell(supervisor::Event::Halt);
                Outcome::done("stopping now")
            }
            Order::Pause => self.pause(true),
            Order::Resume => self.pause(false),
            Order::TogglePause => self.pause(!self.supervisor.is_paused()),
            Order::Workers(change) => self.resize(change),
            Order::Sleep => self.sleep(),
            Order::ReopenLogs => self.reopen_logs(),
            Order::RotateLogs => self.rotate_logs(),
            Order::WritePidfiles => self.rewrite_pidfiles(),
            Order::Stacks => self.ask_for_stacks(),
            Order::ScanVassals => Outcome::refused("this instance is no emperor"),
            Order::Reinforce => Outcome::refused("no emperor has started this instance"),
            Order::ToggleSubscriptions => Outcome::refused("this instance subscribes to no router"),
            Order::Statistics => self.log_statistics(),
            Order::Status => Outcome::done(self.status()),
            Order::Upgrade => self.upgrade(cause),
        }
    }

    /// Performs an order to which nobody waits for an answer: what cannot be done is for the log.
    pub(crate) fn obey_unheard(&mut self, order: Order, cause: &str) {
        match self.obey(order, cause) {
            Outcome::Done(_) => {}
            Outcome::Refused(why) => self.parts.log.say(Level::Warning, &format!("{cause}: {why}")),
            Outcome::Later(ticket) => self.answer_in_log(ticket),
        }
    }

    fn reload_workers(&mut self, manner: Manner, cause: &str) -> Outcome {
        self.parts.log.say(Level::Info, &format!("reload of the workers: asked for by {cause}"));
        self.reloads += 1;
        self.tell(supervisor::Event::ReloadWorkers(manner));
        Outcome::done("reloading the workers")
    }

    fn chain_reload(&mut self, cause: &str) -> Outcome {
        self.parts.log.say(Level::Info, &format!("chain reload: asked for by {cause}"));
        self.reloads += 1;
        self.tell(supervisor::Event::ChainReload);
        Outcome::done("reloading worker by worker")
    }

    fn pause(&mut self, pause: bool) -> Outcome {
        if self.supervisor.is_stopping() {
            return Outcome::refused("the instance is stopping");
        }
        self.tell(supervisor::Event::Pause(pause));
        Outcome::done(if pause { "paused" } else { "resumed" })
    }

    fn resize(&mut self, change: i16) -> Outcome {
        let before = self.supervisor.wanted();
        self.tell(supervisor::Event::Resize(change));
        let wanted = self.supervisor.wanted();
        if wanted == before {
            let bound = if change < 0 { "one worker always stays" } else { "there can be no more workers" };
            return Outcome::refused(format!("there are {before} workers; {bound}"));
        }
        Outcome::done(format!("{wanted} workers, {before} before"))
    }

    fn sleep(&mut self) -> Outcome {
        self.tell(supervisor::Event::Sleep);
        if self.supervisor.is_asleep() {
            Outcome::done("all workers end; the next connection starts them again")
        } else {
            Outcome::refused("not now: the instance starts, reloads or stops")
        }
    }
}
