//! The instance as a Unix program.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The instance as a Unix program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSettings {
    /// `chdir`.
    pub chdir: Option<PathBuf>,
    /// `chdir2`: where workers work, relative to `chdir`.
    pub chdir_late: Option<PathBuf>,
    /// `env`: set before Python starts, in order.
    pub env: Vec<(String, String)>,
    /// `unenv`: removed before Python starts.
    pub unenv: Vec<String>,
    /// `uid`: number or name.
    pub uid: Option<String>,
    /// `gid`: number or name.
    pub gid: Option<String>,
    /// `add-gid`: further groups, by number or name.
    pub add_gid: Vec<String>,
    /// `no-initgroups`: without the groups of the user.
    pub no_initgroups: bool,
    /// `cap`: capabilities that are kept.
    pub capabilities: Vec<String>,
    /// `master-as-root`: only the application's processes give up privileges.
    pub master_as_root: bool,
    /// `limit-as`, bytes, of each process of the application.
    pub limit_address_space: Option<u64>,
    /// `limit-nproc`.
    pub limit_processes: Option<u64>,
    /// `prio`: niceness, from -20 to 19.
    pub niceness: Option<i32>,
    /// `cpu-affinity`: processors for each worker.
    pub cpu_affinity: Option<u16>,
    /// `never-swap`.
    pub never_swap: bool,
    /// `umask`.
    pub umask: Option<u32>,
    /// `chroot`: the root directory.
    pub chroot: Option<PathBuf>,
    /// `jailed`: somebody else has put this instance into a jail.
    pub jailed: bool,
    /// `pidfile`, written before privileges are dropped.
    pub pidfile: Option<PathBuf>,
    /// `pidfile2`, written after.
    pub pidfile2: Option<PathBuf>,
    /// `safe-pidfile`: written only once the application is loaded.
    pub safe_pidfile: Option<PathBuf>,
    /// `safe-pidfile2`: the same file, after privileges are dropped.
    pub safe_pidfile2: Option<PathBuf>,
    /// `daemonize`: detach and log to this file.
    pub daemonize: Option<PathBuf>,
    /// `daemonize2`: the same, after the applications are loaded.
    pub daemonize2: Option<PathBuf>,
    /// `vacuum`: remove sockets and pidfiles that we created.
    pub vacuum: bool,
    /// `flock` and its relatives: files that one instance at a time holds.
    pub held_files: Vec<HeldFile>,
}

/// A file on which an instance holds a lock while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFile {
    /// The option that names it.
    pub option: String,
    /// The file, which must be there.
    pub path: PathBuf,
    /// Waits until nobody else holds it.
    pub waits: bool,
    /// Only once the instance is in the background (`flock2`, `flock-wait2`).
    pub late: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            chdir: None,
            chdir_late: None,
            env: Vec::new(),
            unenv: Vec::new(),
            uid: None,
            gid: None,
            add_gid: Vec::new(),
            no_initgroups: false,
            capabilities: Vec::new(),
            master_as_root: false,
            limit_address_space: None,
            limit_processes: None,
            niceness: None,
            cpu_affinity: None,
            never_swap: false,
            umask: None,
            chroot: None,
            jailed: false,
            pidfile: None,
            pidfile2: None,
            safe_pidfile: None,
            safe_pidfile2: None,
            daemonize: None,
            daemonize2: None,
            vacuum: true,
            held_files: Vec::new(),
        }
    }
}
