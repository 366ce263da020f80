//! What asks for a reload, and what a worker is recycled for beside its requests and age.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What asks for a reload, and what a worker is recycled for beside its requests and age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadSettings {
    /// `master-fifo`, one for each slot.
    pub fifos: Vec<PathBuf>,
    /// `touch-workers-reload`.
    pub touch_workers: Vec<PathBuf>,
    /// `touch-chain-reload`.
    pub touch_chain: Vec<PathBuf>,
    /// `touch-logrotate`.
    pub touch_log_rotate: Vec<PathBuf>,
    /// `touch-logreopen`.
    pub touch_log_reopen: Vec<PathBuf>,
    /// `fs-reload`: files and directories.
    pub watch: Vec<PathBuf>,
    /// `fs-brutal-reload`.
    pub watch_brutal: Vec<PathBuf>,
    /// `reload-on-fd` and `brutal-reload-on-fd`.
    pub descriptors: Vec<WatchedDescriptor>,
    /// `reload-on-uss`, bytes.
    pub on_unique: Option<u64>,
    /// `reload-on-pss`, bytes.
    pub on_proportional: Option<u64>,
    /// `evil-reload-on-rss`, bytes.
    pub evil_on_resident: Option<u64>,
    /// `evil-reload-on-as`, bytes.
    pub evil_on_address_space: Option<u64>,
    /// `mem-collector-freq`: time between looks at memory.
    pub memory_interval: Duration,
    /// `max-worker-lifetime-delta`: time added per worker number.
    pub max_lifetime_delta: Duration,
    /// `reload-on-exception` and its relatives.
    pub on_exception: ExceptionRules,
    /// `reload-check`: path that a new generation must answer with 2xx.
    pub check: Option<String>,
    /// `reload-check-timeout`.
    pub check_timeout: Duration,
    /// `py-tracebacker`: prefix of the sockets that give the stacks of a worker.
    pub tracebacker: Option<PathBuf>,
    /// `binary-path`: the executable that an upgrade starts.
    pub executable: Option<PathBuf>,
    /// `drain-delay`: time between the word that a stop is near and its beginning.
    pub drain_delay: Duration,
}

/// An inherited descriptor that asks for a reload when it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedDescriptor {
    /// Its number.
    pub number: i32,
    /// Whether the reload is a brutal one.
    pub brutal: bool,
}

/// Which exceptions of the application make its worker be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExceptionRules {
    /// `reload-on-exception`: every one.
    pub any: bool,
    /// `reload-on-exception-type`: names of classes.
    pub types: Vec<String>,
    /// `reload-on-exception-value`: texts.
    pub values: Vec<String>,
    /// `reload-on-exception-repr`: `class:text`.
    pub reprs: Vec<String>,
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self {
            fifos: Vec::new(),
            touch_workers: Vec::new(),
            touch_chain: Vec::new(),
            touch_log_rotate: Vec::new(),
            touch_log_reopen: Vec::new(),
            watch: Vec::new(),
            watch_brutal: Vec::new(),
            descriptors: Vec::new(),
            on_unique: None,
            on_proportional: None,
            evil_on_resident: None,
            evil_on_address_space: None,
            memory_interval: Duration::from_secs(3),
            max_lifetime_delta: Duration::ZERO,
            on_exception: ExceptionRules::default(),
            check: None,
            check_timeout: Duration::from_secs(10),
            tracebacker: None,
            executable: None,
            drain_delay: Duration::ZERO,
        }
    }
}
