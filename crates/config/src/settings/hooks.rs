//! Hooks: actions at fixed points in the life of an instance, as `hook-*`, `exec-*`, `mount-*` and `umount-*` name them.

use super::Address;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// When an action runs, and in which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The emperor, before it looks for vassals.
    EmperorStart,
    /// What is to become a vassal, before it executes itself.
    AsVassal,
    /// A process beside the emperor, once a vassal has been started.
    AsEmperor,
    /// The master of a vassal, before it does as the emperor says and reloads.
    EmperorReload,
    /// The master of a vassal, before it does as the emperor says and stops.
    EmperorStop,
    /// The master, before anything else.
    Asap,
    /// The master, as root, before the root directory changes.
    PreJail,
    /// The master, as root, after it was told that it is in a jail.
    PostJail,
    /// The master, as root, after the root directory has changed.
    InJail,
    /// The master, before it gives up privileges.
    AsRoot,
    /// The master, after it has given up privileges.
    AsUser,
    /// The master, at its end and at each reload.
    AsUserAtExit,
    /// The zygote (with `lazy-apps` each worker), before it loads the application.
    PreApp,
    /// The zygote (with `lazy-apps` each worker), after it has loaded the application.
    PostApp,
    /// The master, once the first workers run.
    MasterStart,
    /// Each worker, after the fork.
    PostFork,
    /// Each worker, before it takes its first request.
    Accepting,
    /// The first worker, before it takes its first request.
    Accepting1,
    /// Each worker of a generation the first time that it is there, not when it is replaced.
    AcceptingOnce,
    /// The first worker of a generation the first time that it is there.
    Accepting1Once,
}

impl Phase {
    /// Every phase, in the order in which they come.
    pub const ALL: [Self; 20] = [
        Self::EmperorStart,
        Self::AsVassal,
        Self::AsEmperor,
        Self::Asap,
        Self::PreJail,
        Self::InJail,
        Self::PostJail,
        Self::AsRoot,
        Self::AsUser,
        Self::PreApp,
        Self::PostApp,
        Self::MasterStart,
        Self::PostFork,
        Self::Accepting,
        Self::AcceptingOnce,
        Self::Accepting1,
        Self::Accepting1Once,
        Self::EmperorReload,
        Self::EmperorStop,
        Self::AsUserAtExit,
    ];

    /// Its name, as the options have it behind `hook-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EmperorStart => "emperor-start",
            Self::AsVassal => "as-vassal",
            Self::AsEmperor => "as-emperor",
            Self::EmperorReload => "emperor-reload",
            Self::EmperorStop => "emperor-stop",
            Self::Asap => "asap",
            Self::PreJail => "pre-jail",
            Self::PostJail => "post-jail",
            Self::InJail => "in-jail",
            Self::AsRoot => "as-root",
            Self::AsUser => "as-user",
            Self::AsUserAtExit => "as-user-atexit",
            Self::PreApp => "pre-app",
            Self::PostApp => "post-app",
            Self::MasterStart => "master-start",
            Self::PostFork => "post-fork",
            Self::Accepting => "accepting",
            Self::Accepting1 => "accepting1",
            Self::AcceptingOnce => "accepting-once",
            Self::Accepting1Once => "accepting1-once",
        }
    }

    /// The phase of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// Whether a failing action ends what it stands in, as in uWSGI.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        !matches!(self, Self::AsUserAtExit | Self::AsEmperor | Self::EmperorReload | Self::EmperorStop)
    }
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// `cd`, `chdir`.
    ChangeDirectory(PathBuf),
    /// `mkdir`.
    MakeDirectory(PathBuf),
    /// `putenv`.
    SetVariable(String, String),
    /// `chmod`.
    SetMode(PathBuf, u32),
    /// `sticky`: sets the sticky bit.
    SetSticky(PathBuf),
    /// `chown` (user and group by name) and `chown2` (by number).
    SetOwner(PathBuf, String, String),
    /// `exec`: a shell command that must end with 0.
    Execute(String),
    /// `safeexec`: a shell command, however it ends.
    ExecuteSafely(String),
    /// `create`, `creat`: makes or empties a file.
    Create(PathBuf),
    /// `write`, `writen`: replaces the content of a file.
    Write(PathBuf, String),
    /// `append`, `appendn`: adds to a file.
    Append(PathBuf, String),
    /// `writefifo`: writes to a FIFO that somebody reads.
    WriteFifo(PathBuf, String),
    /// `unlink`.
    Remove(PathBuf),
    /// `mount`.
    Mount(Mount),
    /// `umount`.
    Unmount(PathBuf, Vec<MountFlag>),
    /// `hostname`.
    SetHostName(String),
    /// `wait_for_fs`, `wait_for_file`, `wait_for_dir`.
    WaitForPath(PathBuf, PathKind),
    /// `wait_for_socket`.
    WaitForSocket(Address),
    /// `spinningfifo`: waits until somebody reads a FIFO.
    WaitForReader(PathBuf),
    /// `unix_signal`: gives a signal to the master another meaning.
    BindSignal(i32, SignalOrder),
    /// `exit`: ends the process with this code.
    Exit(u8),
    /// `print`, `log`.
    Print(String),
}

/// What must be there before a `wait_for_*` goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathKind {
    /// Anything.
    Any,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// The root of a mounted file system.
    MountPoint,
}

/// `mount = type source target [flags]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// File system type, such as `tmpfs`.
    pub kind: String,
    /// Device or source directory.
    pub source: String,
    /// Where it appears.
    pub target: PathBuf,
    /// How.
    pub flags: Vec<MountFlag>,
    /// What the file system itself understands, separated by commas.
    pub data: String,
}

/// A flag of `mount` and `umount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountFlag {
    /// Shows a directory a second time.
    Bind,
    /// With everything below.
    Recursive,
    /// Nothing can be written.
    ReadOnly,
    /// Set-user-id bits have no meaning.
    NoSuid,
    /// Device files have no meaning.
    NoDevices,
    /// Programs cannot be run.
    NoExec,
    /// Times of access are not kept.
    NoAccessTime,
    /// Every write waits for the device.
    Synchronous,
    /// Changes flags of what is mounted.
    Remount,
    /// Mounts below stay here.
    Private,
    /// Mounts below come from elsewhere and do not go back.
    Slave,
    /// Mounts below are shared.
    Shared,
    /// Moves a mount.
    Move,
    /// `umount`: vanishes now, ends when nobody uses it.
    Detach,
    /// `umount`: even when somebody uses it.
    Force,
}

/// What `unix_signal` can make a signal mean, by the names of uWSGI's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalOrder {
    /// `gracefully_kill_them_all`: finish what is in flight and end.
    Stop,
    /// `kill_them_all`: end now.
    Halt,
    /// `grace_them_all`: reload.
    Reload,
    /// `reap_them_all`: reload, and give what is in flight a moment only.
    BrutalReload,
    /// `suspend_resume_them_all`: pause, or end a pause.
    TogglePause,
    /// `stats`: write the counters to the log.
    Statistics,
}

/// An action and when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// When.
    pub phase: Phase,
    /// What.
    pub action: Action,
    /// What the configuration says, for the log: `exec:touch /tmp/x`.
    pub text: String,
    /// The option, for messages.
    pub option: String,
    /// `file:line` of that option, for messages; empty when there is none.
    pub origin: String,
}

impl Hook {
    /// Where it is written and what it says, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        match self.origin.as_str() {
            "" => format!("{}: `{}`", self.option, self.text),
            origin => format!("{origin}: {}: `{}`", self.option, self.text),
        }
    }
}

/// Something that must be there before hooks of root run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Await {
    /// `wait-for-interface`.
    Interface(String),
    /// `wait-for-fs`, `wait-for-file`, `wait-for-dir`, `wait-for-mountpoint`.
    Path(PathBuf, PathKind),
    /// `wait-for-socket`.
    Socket(Address),
}

/// Hooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookSettings {
    /// Within a phase in the order in which they run.
    pub hooks: Vec<Hook>,
    /// What is waited for at the start.
    pub awaited: Vec<Await>,
    /// `wait-for-interface-timeout`, seconds.
    pub interface_patience: u32,
    /// `wait-for-fs-timeout`, seconds; `wait_for_*` actions too.
    pub path_patience: u32,
    /// `wait-for-socket-timeout`, seconds.
    pub socket_patience: u32,
    /// `binsh`: shells to try before `/bin/sh`.
    pub shells: Vec<PathBuf>,
    /// `touch-exec`, `hook-touch`: a file and what is done when it changes.
    pub touched: Vec<(PathBuf, Hook)>,
    /// `check-mountpoint`: the instance ends when one is gone.
    pub mount_points: Vec<PathBuf>,
}

impl Default for HookSettings {
    fn default() -> Self {
        /// What uWSGI waits, in seconds.
        const PATIENCE: u32 = 60;
        Self {
            hooks: Vec::new(),
            awaited: Vec::new(),
            interface_patience: PATIENCE,
            path_patience: PATIENCE,
            socket_patience: PATIENCE,
            shells: Vec::new(),
            touched: Vec::new(),
            mount_points: Vec::new(),
        }
    }
}

impl HookSettings {
    /// The hooks of a phase, in order.
    pub fn of(&self, phase: Phase) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.phase == phase)
    }
}
