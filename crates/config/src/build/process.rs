//! Workers, threads, recycling, reloads.

use super::values::Values;
use crate::settings::ProcessSettings;
use std::time::Duration;

/// Most workers of an instance: the scoreboard counts slots of two generations in 16 bits.
const MAX_WORKERS: u16 = 10_000;

/// Most Python threads of a worker.
const MAX_THREADS: u16 = 4_096;

/// Most Python threads of all workers: each has a place in the scoreboard.
const MAX_ALL_THREADS: u32 = 65_536;

pub fn build(values: &mut Values<'_>) -> ProcessSettings {
    let default = ProcessSettings::default();
    let lazy = values.flag("lazy").unwrap_or(false);
    let spaced = values.text("procname-prefix-spaced").map(|prefix| format!("{prefix} "));
    let prefix = values.text("procname-prefix").map(str::to_owned);
    let mut process = ProcessSettings {
        workers: values.bounded("processes", 1, MAX_WORKERS).unwrap_or(default.workers),
        threads: values.bounded("threads", 0, MAX_THREADS).unwrap_or(default.threads).max(1),
        lazy_apps: values.flag("lazy-apps").unwrap_or(lazy),
        max_requests: values.positive("max-requests"),
        max_requests_delta: values.number("max-requests-delta"),
        max_worker_lifetime: values.seconds("max-worker-lifetime"),
        min_worker_lifetime: values
            .number("min-worker-lifetime")
            .map_or(default.min_worker_lifetime, Duration::from_secs),
        reload_on_rss: values.megabytes("reload-on-rss"),
        reload_on_as: values.megabytes("reload-on-as"),
        stack_size: values.bounded("threads-stacksize", 32, u16::MAX).map(|size| u64::from(size) * 1024),
        worker_mercy: values.seconds("worker-reload-mercy").unwrap_or(default.worker_mercy),
        mercy: values.seconds("reload-mercy").unwrap_or(default.mercy),
        harakiri: values.seconds("harakiri"),
        harakiri_kill: values.flag("harakiri-kill").unwrap_or(default.harakiri_kill),
        harakiri_grace: values.seconds("harakiri-graceful-timeout"),
        harakiri_queue: values
            .positive("harakiri-queue-threshold")
            .map(|least| u32::try_from(least).unwrap_or(u32::MAX)),
        harakiri_verbose: values.flag("harakiri-verbose").unwrap_or(default.harakiri_verbose),
        harakiri_spares_hooks: values.flag("harakiri-no-arh").unwrap_or(default.harakiri_spares_hooks),
        slow_stack: values.duration("slow-request-stack").filter(|limit| !limit.is_zero()),
        touch_reload: values.paths("touch-reload"),
        term_reloads: values.flag("term-reloads").unwrap_or(default.term_reloads),
        exit_on_reload: values.flag("exit-on-reload").unwrap_or(default.exit_on_reload),
        auto_procname: values.flag("auto-procname").unwrap_or(default.auto_procname),
        procname: values.text("procname").map(str::to_owned),
        procname_master: values.text("procname-master").map(str::to_owned),
        procname_prefix: spaced.or(prefix).unwrap_or_default(),
        procname_append: values.text("procname-append").unwrap_or_default().to_owned(),
        locks: values.bounded("locks", 0, u16::MAX).unwrap_or(default.locks),
        memory_report: values.flag("memory-report").unwrap_or(default.memory_report),
    };
    check_threads(values, &process);
    // Naming any part of the names asks for names, as in uWSGI.
    let is_named = process.procname.is_some()
        || process.procname_master.is_some()
        || !process.procname_prefix.is_empty()
        || !process.procname_append.is_empty();
    process.auto_procname |= is_named;
    process
}

fn check_threads(values: &mut Values<'_>, process: &ProcessSettings) {
    let all = u32::from(process.workers) * u32::from(process.threads);
    if let Some(setting) = values.last("threads").filter(|_| all > MAX_ALL_THREADS) {
        let message = format!(
            "{} workers of {} threads are {all}; write numbers whose product is at most {MAX_ALL_THREADS}",
            process.workers, process.threads
        );
        values.error(setting, message);
    }
}
