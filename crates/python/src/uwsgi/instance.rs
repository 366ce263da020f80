//! Facts about the instance and the process, for the `uwsgi` module.
//!
//! One value per process: Python modules are one per process too. Made in the zygote; a fork changes the worker.

use super::apps::AppBoard;
use margrave_config::Settings;
use margrave_stats::scoreboard::{Layout, Slot};
use margrave_sys::lock::SharedLocks;
use margrave_sys::shm::SharedWords;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

static INSTANCE: OnceLock<Instance> = OnceLock::new();

/// What a process of this instance knows.
pub struct Instance {
    /// The whole configuration.
    pub settings: Arc<Settings>,
    /// Pid of the master.
    pub master_pid: i32,
    /// Number of this generation, from 1.
    pub generation: u32,
    /// Descriptors of the listening sockets.
    pub sockets: Vec<i32>,
    /// Port of each listening socket; `None` for UNIX sockets.
    pub ports: Vec<Option<u16>>,
    /// Counters of every worker.
    pub scoreboard: SharedWords,
    /// Their shape.
    pub layout: Layout,
    /// The user's locks.
    pub locks: SharedLocks,
    /// The applications.
    pub apps: AppBoard,
    /// Start of this generation, seconds since 1970.
    pub started_on: u64,
    /// Host name.
    pub host_name: String,
    worker: AtomicU16,
    slot: AtomicU16,
}

impl Instance {
    /// Facts as the zygote knows them: no worker yet.
    #[must_use]
    pub fn new(
        settings: Settings,
        place: Place,
        scoreboard: SharedWords,
        layout: Layout,
        shared: Shared,
    ) -> Self {
        Self {
            settings: Arc::new(settings),
            master_pid: place.master_pid,
            generation: place.generation,
            sockets: place.sockets,
            ports: place.ports,
            scoreboard,
            layout,
            locks: shared.locks,
            apps: shared.apps,
            started_on: epoch_seconds(),
            host_name: margrave_sys::net::host_name(),
            worker: AtomicU16::new(0),
            slot: AtomicU16::new(0),
        }
    }

    /// Called in a new worker.
    pub fn become_worker(&self, worker: u16, slot: u16) {
        self.worker.store(worker, Ordering::Relaxed);
        self.slot.store(slot, Ordering::Relaxed);
    }

    /// Number of this worker, from 1; 0 in the zygote.
    #[must_use]
    pub fn worker(&self) -> u16 {
        self.worker.load(Ordering::Relaxed)
    }

    /// Row of this worker in what the workers share.
    #[must_use]
    pub fn slot(&self) -> u16 {
        self.slot.load(Ordering::Relaxed)
    }

    /// This worker's counters; `None` in the zygote.
    #[must_use]
    pub fn row(&self) -> Option<Slot<'static>> {
        if self.worker() == 0 { None } else { self.row_of(self.slot()) }
    }

    /// Counters in row `slot`; row 0 is the instance's.
    #[must_use]
    pub fn row_of(&self, slot: u16) -> Option<Slot<'static>> {
        Slot::new(self.scoreboard.words(), self.layout, usize::from(slot))
    }
}

/// Where an instance stands in the process tree.
#[derive(Clone, Debug)]
pub struct Place {
    /// Pid of the master.
    pub master_pid: i32,
    /// Number of this generation, from 1.
    pub generation: u32,
    /// Descriptors of the listening sockets.
    pub sockets: Vec<i32>,
    /// Port of each listening socket; `None` for UNIX sockets.
    pub ports: Vec<Option<u16>>,
}

/// What the workers of a generation share beside the scoreboard.
#[derive(Debug)]
pub struct Shared {
    /// The user's locks.
    pub locks: SharedLocks,
    /// The applications.
    pub apps: AppBoard,
}

/// Remembers the instance of this process; the first one stays.
pub fn set(instance: Instance) -> &'static Instance {
    INSTANCE.get_or_init(|| instance)
}

/// The instance of this process. `None` when Python was not started by a master.
#[must_use]
pub fn get() -> Option<&'static Instance> {
    INSTANCE.get()
}

/// Now, in seconds since 1970.
#[must_use]
pub fn epoch_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
