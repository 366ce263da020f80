//! What serves requests inside a worker: listeners, the reactor, connections, the way of a request to the
//! application and back.
//!
//! Knows no Python: an application is an [`Executor`], one for each thread. A Python thread leads: it polls,
//! decodes and runs the application inline. A native watcher takes the lead when the application is slow, so
//! that reading, writing and timeouts go on. The design and its reasons: ARCHITECTURE.md, "The reactor".

mod balance;
mod batch;
mod body;
mod connection;
mod date;
mod deadline;
mod delivery;
mod drain;
mod eager;
mod exchange;
mod fellows;
mod files;
mod intake;
mod kept;
mod lane;
mod live;
mod log;
mod log_writer;
mod output;
mod pace;
mod part;
mod passing;
mod proxied;
mod reactor;
mod records;
mod role;
mod site;
mod spill;
mod stacks;
mod threads;
mod trust;
mod watcher;

pub use body::Body;
pub use exchange::{Exchange, SendError, Written};
pub use fellows::Fellows;
pub use kept::{COPIED, Owner};
pub use live::BodyFault;
pub use threads::Server;

use margrave_config::Settings;
use margrave_lifecycle::message::ListenerInfo;
use margrave_stats::scoreboard::Layout;
use margrave_sys::shm::SharedWords;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Runs requests on one thread.
pub trait Executor {
    /// Takes what the application needs to run (the GIL). May wait for it.
    fn attach(&mut self);
    /// Gives it back.
    fn detach(&mut self);
    /// Runs one request, attached. Ends it with [`Exchange::finish`] or [`Exchange::fail`].
    fn handle(&mut self, exchange: &mut Exchange<'_>);
    /// Frees, attached, the blocks that answers have let go of ([`Owner`]).
    fn release(&mut self);
}

/// What can be done about a thread whose request has passed its deadline. Called without the GIL, from the
/// watcher or a thread that leads; must not wait.
pub trait Watchdog: Send + Sync {
    /// Writes the Python stack of a thread to the log.
    fn dump_stack(&self, thread: usize);
    /// Asks the thread to give up its request; asked again until it does.
    fn interrupt(&self, thread: usize);
    /// Writes the stacks of all threads of the process, these first under their headings, into a file that it passes
    /// on when that is done.
    fn dump_all(&self, threads: Vec<Heading>, done: Box<dyn FnOnce(OwnedFd) + Send>);
}

/// What is written above the stack of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The kernel's id of the thread.
    pub tid: u64,
    /// Who it is and what it does.
    pub text: String,
}

/// Why a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything in flight is done, or its time was over.
    Drained,
    /// The master wants it at once.
    Stopped,
    /// The master has gone.
    MasterGone,
}

/// What a worker is made of.
pub struct WorkerParts {
    /// The whole configuration.
    pub settings: Arc<Settings>,
    /// Bound sockets.
    pub listeners: Vec<(ListenerInfo, OwnedFd)>,
    /// The channel to the master.
    pub control: OwnedFd,
    /// Read end of a pipe that only the master can write to: its end is the master's end.
    pub liveness: OwnedFd,
    /// Where connections of the generation before arrive.
    pub adoption: OwnedFd,
    /// The other workers of this generation, to which requests can be passed.
    pub fellows: Option<Arc<Fellows>>,
    /// The scoreboard.
    pub scoreboard: SharedWords,
    /// Its shape.
    pub layout: Layout,
    /// This worker's row.
    pub slot: u16,
    /// This worker's number, from 1.
    pub worker: u16,
    /// Help against stuck requests.
    pub watchdog: Option<Box<dyn Watchdog>>,
}
