//! The typed result of configuration: one slice per part of the program, handed out by value, a file each.
//!
//! Nothing here parses. Every field is already checked and in its unit; defaults are Margrave's
//! (see `Default`), not uWSGI's. Serializable, because the master passes the slices to the zygote.

mod beside;
mod cheaper;
mod control;
mod emperor;
mod hooks;
mod host;
mod http;
mod listen;
mod log;
mod process;
mod python;
mod reload;
mod static_files;
mod stats;

pub use beside::{BesideSettings, CronSettings, DaemonSettings};
pub use cheaper::{BusynessSettings, CheaperAlgorithm, CheaperSettings};
pub use control::{ControlSettings, ControlSocket};
pub use emperor::EmperorSettings;
pub use hooks::{Action, Await, Hook, HookSettings, Mount, MountFlag, PathKind, Phase, SignalOrder};
pub use host::{HeldFile, HostSettings};
pub use http::{HttpSettings, Trust};
pub use listen::{Address, ListenSettings, ListenerSettings, Protocol};
pub use log::{LogEncoder, LogEncoding, LogRoute, LogSettings, LogTarget, Logger, RemoteSyslog};
pub use process::ProcessSettings;
pub use python::{AppSettings, AppTarget, PythonSettings};
pub use reload::{ExceptionRules, ReloadSettings, WatchedDescriptor};
pub use static_files::{CompressedSettings, ExpiresRule, ExpiresSubject, FileServeMode, StaticSettings};
pub use stats::{Carbon, Pusher, Sink, StatsSettings};

use serde::{Deserialize, Serialize};

/// Everything one instance needs to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Sockets to listen on.
    pub listen: ListenSettings,
    /// Limits and timeouts of the wire protocols.
    pub http: HttpSettings,
    /// Interpreter and applications.
    pub python: PythonSettings,
    /// Workers, threads, recycling, reloads.
    pub process: ProcessSettings,
    /// What asks for a reload.
    pub reload: ReloadSettings,
    /// How many workers there are when the load decides.
    pub cheaper: CheaperSettings,
    /// The instance as a Unix program: pidfile, user, daemonizing.
    pub host: HostSettings,
    /// Actions at fixed points of its life.
    pub hooks: HookSettings,
    /// Programs and commands at times beside the workers.
    pub beside: BesideSettings,
    /// Log destinations and formats.
    pub log: LogSettings,
    /// Files answered without Python.
    pub static_files: StaticSettings,
    /// Emperor mode.
    pub emperor: EmperorSettings,
    /// Stats server.
    pub stats: StatsSettings,
    /// Control socket.
    pub control: ControlSettings,
    /// What Python sees as `uwsgi.opt`, in order of first appearance.
    pub opt: Vec<(String, OptValue)>,
    /// What Python sees as `uwsgi.magic_table`: magic letter and its text; only non-empty entries.
    pub magic: Vec<(char, String)>,
}

/// One value of `uwsgi.opt`: uWSGI gives `True` for an option without value, else bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptValue {
    /// The option stood alone.
    Flag,
    /// The option's last value.
    Text(String),
}
