//! Workers, threads, recycling, reloads.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Workers, threads, recycling, reloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessSettings {
    /// `processes`/`workers`.
    pub workers: u16,
    /// `threads`: Python threads per worker.
    pub threads: u16,
    /// `threads-stacksize`: bytes of the stack of each Python thread beside the first; `None` = what the system gives.
    pub stack_size: Option<u64>,
    /// `lazy-apps`: each worker loads the applications itself.
    pub lazy_apps: bool,
    /// `max-requests`: recycle a worker after so many; `None` = never.
    pub max_requests: Option<u64>,
    /// `max-requests-delta`: spread between workers, as a number of requests; `None` = 10 %.
    pub max_requests_delta: Option<u64>,
    /// `max-worker-lifetime`.
    pub max_worker_lifetime: Option<Duration>,
    /// `min-worker-lifetime`.
    pub min_worker_lifetime: Duration,
    /// `reload-on-rss`, bytes.
    pub reload_on_rss: Option<u64>,
    /// `reload-on-as`, bytes.
    pub reload_on_as: Option<u64>,
    /// `worker-reload-mercy`: longest drain of one worker.
    pub worker_mercy: Duration,
    /// `reload-mercy`: longest drain of the instance at stop.
    pub mercy: Duration,
    /// `harakiri`: deadline of one request.
    pub harakiri: Option<Duration>,
    /// `harakiri-kill`: kill the worker at the deadline instead of ending the request.
    pub harakiri_kill: bool,
    /// `harakiri-graceful-timeout`: time for a stuck request to yield before its worker is replaced.
    pub harakiri_grace: Option<Duration>,
    /// `harakiri-queue-threshold`: requests are ended only while so many connections wait.
    pub harakiri_queue: Option<u32>,
    /// `harakiri-verbose`: the log has what the thread waits for in the kernel, too.
    pub harakiri_verbose: bool,
    /// `harakiri-no-arh`: hooks after a request have no deadline.
    pub harakiri_spares_hooks: bool,
    /// `slow-request-stack`: the stack of a request that runs longer is logged once.
    pub slow_stack: Option<Duration>,
    /// `touch-reload`.
    pub touch_reload: Vec<PathBuf>,
    /// `term-reloads`: SIGTERM reloads instead of stopping.
    pub term_reloads: bool,
    /// `exit-on-reload`.
    pub exit_on_reload: bool,
    /// `auto-procname`.
    pub auto_procname: bool,
    /// `procname`.
    pub procname: Option<String>,
    /// `procname-master`.
    pub procname_master: Option<String>,
    /// `procname-prefix`, `procname-prefix-spaced` (the blank is already in it).
    pub procname_prefix: String,
    /// `procname-append`.
    pub procname_append: String,
    /// `locks`: user locks beyond lock 0.
    pub locks: u16,
    /// `memory-report`.
    pub memory_report: bool,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            threads: 1,
            stack_size: None,
            lazy_apps: false,
            max_requests: None,
            max_requests_delta: None,
            max_worker_lifetime: None,
            min_worker_lifetime: Duration::from_secs(10),
            reload_on_rss: None,
            reload_on_as: None,
            worker_mercy: Duration::from_secs(60),
            mercy: Duration::from_secs(60),
            harakiri: None,
            harakiri_kill: false,
            harakiri_grace: None,
            harakiri_queue: None,
            harakiri_verbose: false,
            harakiri_spares_hooks: false,
            slow_stack: None,
            touch_reload: Vec::new(),
            term_reloads: false,
            exit_on_reload: false,
            auto_procname: false,
            procname: None,
            procname_master: None,
            procname_prefix: String::new(),
            procname_append: String::new(),
            locks: 0,
            memory_report: false,
        }
    }
}
