//! The instance as a Unix program.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The instance as a Unix program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSettings {
    /// `chdir`, in order; each relative to the one before.
    pub chdir: Vec<PathBuf>,
    /// `env`: set before Python starts, in order.
    pub env: Vec<(String, String)>,
    /// `unenv`: removed before Python starts.
    pub unenv: Vec<String>,
    /// `uid`: number or name.
    pub uid: Option<String>,
    /// `gid`: number or name.
    pub gid: Option<String>,
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
    /// `daemonize`: detach and log to this file.
    pub daemonize: Option<PathBuf>,
    /// `daemonize2`: the same, after the applications are loaded.
    pub daemonize2: Option<PathBuf>,
    /// `vacuum`: remove sockets and pidfiles that we created.
    pub vacuum: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            chdir: Vec::new(),
            env: Vec::new(),
            unenv: Vec::new(),
            uid: None,
            gid: None,
            umask: None,
            chroot: None,
            jailed: false,
            pidfile: None,
            pidfile2: None,
            safe_pidfile: None,
            daemonize: None,
            daemonize2: None,
            vacuum: true,
        }
    }
}
