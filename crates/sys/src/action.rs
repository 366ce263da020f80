//! Performs the actions of hooks: files, directories, mounts, shell commands, waiting.
//!
//! What an action means for its process as a whole (its end, a line of its log, the meaning of a signal) is handed
//! back as an [`Effect`], since only the caller can bring that about.

use crate::users::{group_id, user_id};
use margrave_config::settings::{Action, Address, Mount, MountFlag, PathKind, SignalOrder};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The shell that is always tried last.
const SHELL: &str = "/bin/sh";

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Write a line to the log.
    Print(String),
    /// End the process with this code.
    Exit(u8),
    /// Give a signal to the master another meaning.
    BindSignal(i32, SignalOrder),
}

/// Why an action failed; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// A shell command did not end with 0.
    #[error("the command `{command}` {}", ending(status))]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// What was waited for did not come.
    #[error("{what} is not there after {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u32,
    },
    /// No such user or group.
    #[error("there is no user or group `{0}` on this machine")]
    Nobody(String),
    /// The system refused.
    #[error("cannot {what}: {error}")]
    Refused {
        /// What was tried.
        what: String,
        /// What it said.
        error: io::Error,
    },
}

fn ending(status: &ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (_, Some(number)) => format!("was ended by {}", crate::signal::name(number)),
        _ => "did not end well".to_owned(),
    }
}

/// Where actions take place: a directory, an environment, shells, patience. One scene goes through all the hooks of a
/// process, so that `chdir` and `putenv` reach those that follow.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Where relative paths count from; `None` = where the process is.
    pub directory: Option<PathBuf>,
    /// Whether `chdir` moves the process itself.
    pub moves: bool,
    /// Variables that `putenv` has set, for commands and for the caller to pass on.
    pub variables: Vec<(String, String)>,
    /// Shells to try before `/bin/sh`.
    pub shells: Vec<PathBuf>,
    /// How long `wait_for_fs` and its relatives wait, in seconds.
    pub path_patience: u32,
    /// How long `wait_for_socket` waits, in seconds.
    pub socket_patience: u32,
}

impl Scene {
    fn at(&self, path: &Path) -> PathBuf {
        self.directory.as_deref().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// The shell that runs commands.
    #[must_use]
    pub fn shell_path(&self) -> &Path {
        let usable = |path: &&PathBuf| crate::process::may_execute(path);
        self.shells.iter().find(usable).map_or(Path::new(SHELL), PathBuf::as_path)
    }

    /// A shell command in this scene: no signal is blocked in it.
    #[must_use]
    pub fn shell(&self, command: &str) -> Command {
        let mut built = Command::new(self.shell_path());
        built.arg("-c").arg(command).envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            built.current_dir(directory);
        }
        // SAFETY: sigprocmask is async-signal-safe.
        unsafe {
            built.pre_exec(crate::signal::unblock_all);
        }
        built
    }

    /// Starts a shell command without waiting; the caller reaps it.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn start(&self, command: &str) -> io::Result<i32> {
        let child = self.shell(command).stdin(Stdio::null()).spawn()?;
        i32::try_from(child.id()).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Performs an action; waits for it to end.
    ///
    /// # Errors
    /// Why it failed.
    pub fn perform(&mut self, action: &Action) -> Result<Effect, ActionError> {
        match action {
            Action::ChangeDirectory(path) => self.enter(path)?,
            Action::SetVariable(name, value) => {
                self.variables.retain(|(known, _)| known != name);
                self.variables.push((name.clone(), value.clone()));
            }
            Action::Execute(command) => self.execute(command)?,
            Action::ExecuteSafely(command) => {
                // However it ends, as its name promises; a shell that cannot be started is no exception.
                let _ = self.execute(command);
            }
            Action::WaitForPath(path, kind) => wait_for_path(&self.at(path), *kind, self.path_patience)?,
            Action::WaitForSocket(address) => wait_for_socket(address, self.socket_patience)?,
            Action::WaitForReader(path) => self.wait_for_reader(&self.at(path))?,
            Action::Mount(mount) => self.mount(mount)?,
            Action::Unmount(path, flags) => self.unmount(path, flags)?,
            Action::SetHostName(name) => {
                refused("set the host name", rustix::system::sethostname(name.as_bytes()))?;
            }
            Action::BindSignal(number, order) => return Ok(Effect::BindSignal(*number, *order)),
            Action::Exit(code) => return Ok(Effect::Exit(*code)),
            Action::Print(text) => return Ok(Effect::Print(text.clone())),
            file => self.change_file(file)?,
        }
        Ok(Effect::None)
    }

    fn enter(&mut self, path: &Path) -> Result<(), ActionError> {
        let target = self.at(path);
        let what = || format!("enter {}", target.display());
        if self.moves {
            return refused(what(), std::env::set_current_dir(&target));
        }
        let found = fs::metadata(&target);
        refused(
            what(),
            found.and_then(|found| match found.is_dir() {
                true => Ok(()),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }),
        )?;
        self.directory = Some(std::path::absolute(&target).unwrap_or(target));
        Ok(())
    }

    fn execute(&self, command: &str) -> Result<(), ActionError> {
        let ended = self.shell(command).stdin(Stdio::null()).status();
        let status = ended.map_err(|error| failed(format!("run `{command}`"), error))?;
        if status.success() {
            return Ok(());
        }
        Err(ActionError::Failed { command: command.to_owned(), status })
    }

    fn change_file(&self, action: &Action) -> Result<(), ActionError> {
        let shown = |verb: &str, path: &Path| format!("{verb} {}", path.display());
        match action {
            Action::MakeDirectory(path) => {
                refused(shown("make the directory", path), fs::create_dir(self.at(path)))
            }
            Action::SetMode(path, mode) => {
                let permissions = fs::Permissions::from_mode(*mode);
                refused(shown("set the mode of", path), fs::set_permissions(self.at(path), permissions))
            }
            Action::SetSticky(path) => {
                const STICKY: u32 = 0o1000;
                let changed = fs::metadata(self.at(path)).and_then(|found| {
                    let permissions = fs::Permissions::from_mode(found.mode() | STICKY);
                    fs::set_permissions(self.at(path), permissions)
                });
                refused(shown("set the sticky bit of", path), changed)
            }
            Action::SetOwner(path, user, group) => {
                let uid = user_id(user).ok_or_else(|| ActionError::Nobody(user.clone()))?;
                let gid = group_id(group).ok_or_else(|| ActionError::Nobody(group.clone()))?;
                let changed = std::os::unix::fs::chown(self.at(path), Some(uid), Some(gid));
                refused(shown("change the owner of", path), changed)
            }
            Action::Create(path) => refused(shown("create", path), File::create(self.at(path)).map(drop)),
            Action::Write(path, text) => refused(shown("write", path), fs::write(self.at(path), text)),
            Action::Append(path, text) => {
                let opened = OpenOptions::new().append(true).create(true).open(self.at(path));
                refused(shown("append to", path), opened.and_then(|mut file| file.write_all(text.as_bytes())))
            }
            Action::WriteFifo(path, text) => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let opened = rustix::fs::open(self.at(path), flags, Mode::empty());
                let written = opened
                    .map_err(io::Error::from)
                    .and_then(|fifo| File::from(fifo).write_all(text.as_bytes()));
                refused(shown("write to the FIFO", path), written)
            }
            Action::Remove(path) => refused(shown("remove", path), fs::remove_file(self.at(path))),
            _ => Ok(()),
        }
    }

    fn wait_for_reader(&self, path: &Path) -> Result<(), ActionError> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        wait_until(&format!("a reader of {}", path.display()), self.path_patience, || {
            rustix::fs::open(path, flags, Mode::empty()).is_ok()
        })
    }

    fn mount(&self, mount: &Mount) -> Result<(), ActionError> {
        let target = self.at(&mount.target);
        let what = format!("mount {} on {}", mount.source, target.display());
        let has = |flag| mount.flags.contains(&flag);
        let recursive = has(MountFlag::Recursive);
        let spread = [
            (MountFlag::Private, MountPropagationFlags::PRIVATE),
            (MountFlag::Slave, MountPropagationFlags::DOWNSTREAM),
            (MountFlag::Shared, MountPropagationFlags::SHARED),
        ];
        if let Some((_, flags)) = spread.into_iter().find(|(flag, _)| has(*flag)) {
            let deep = if recursive { MountPropagationFlags::REC } else { MountPropagationFlags::empty() };
            return refused(what, rustix::mount::mount_change(&target, flags | deep));
        }
        let flags = plain_flags(&mount.flags);
        let data = std::ffi::CString::new(mount.data.as_str()).unwrap_or_default();
        let data = (!mount.data.is_empty()).then_some(data.as_c_str());
        let done = if has(MountFlag::Move) {
            rustix::mount::mount_move(mount.source.as_str(), &target)
        } else if has(MountFlag::Remount) {
            rustix::mount::mount_remount(&target, flags, data.unwrap_or(c""))
        } else if has(MountFlag::Bind) {
            let bound = match recursive {
                true => rustix::mount::mount_bind_recursive(mount.source.as_str(), &target),
                false => rustix::mount::mount_bind(mount.source.as_str(), &target),
            };
            // The kernel takes other flags of a bind mount in a second step only.
            bound.and_then(|()| match flags.is_empty() {
                true => Ok(()),
                false => rustix::mount::mount_remount(&target, flags | MountFlags::BIND, c""),
            })
        } else {
            rustix::mount::mount(mount.source.as_str(), &target, mount.kind.as_str(), flags, data)
        };
        refused(what, done)
    }

    fn unmount(&self, path: &Path, flags: &[MountFlag]) -> Result<(), ActionError> {
        let mut how = UnmountFlags::empty();
        how.set(UnmountFlags::DETACH, flags.contains(&MountFlag::Detach));
        how.set(UnmountFlags::FORCE, flags.contains(&MountFlag::Force));
        let target = self.at(path);
        refused(format!("unmount {}", target.display()), rustix::mount::unmount(&target, how))
    }
}

fn plain_flags(list: &[MountFlag]) -> MountFlags {
    list.iter().fold(MountFlags::empty(), |flags, flag| {
        flags
            | match flag {
                MountFlag::ReadOnly => MountFlags::RDONLY,
                MountFlag::NoSuid => MountFlags::NOSUID,
                MountFlag::NoDevices => MountFlags::NODEV,
                MountFlag::NoExec => MountFlags::NOEXEC,
                MountFlag::NoAccessTime => MountFlags::NOATIME,
                MountFlag::Synchronous => MountFlags::SYNCHRONOUS,
                _ => MountFlags::empty(),
            }
    })
}

fn refused<E: Into<io::Error>>(what: impl Into<String>, result: Result<(), E>) -> Result<(), ActionError> {
    result.map_err(|error| failed(what.into(), error.into()))
}

fn failed(what: String, error: io::Error) -> ActionError {
    ActionError::Refused { what, error }
}

/// Waits for a path; `patience` in seconds.
///
/// # Errors
/// When it does not come.
pub fn wait_for_path(path: &Path, kind: PathKind, patience: u32) -> Result<(), ActionError> {
    let what = match kind {
        PathKind::Any => "the path",
        PathKind::File => "the file",
        PathKind::Directory => "the directory",
        PathKind::MountPoint => "the mount point",
    };
    wait_until(&format!("{what} {}", path.display()), patience, || match kind {
        PathKind::Any => path.exists(),
        PathKind::File => path.is_file(),
        PathKind::Directory => path.is_dir(),
        PathKind::MountPoint => is_mount_point(path),
    })
}

/// Waits until somebody listens; `patience` in seconds.
///
/// # Errors
/// When nobody does.
pub fn wait_for_socket(address: &Address, patience: u32) -> Result<(), ActionError> {
    let shown = match address {
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix(path) => path.display().to_string(),
        Address::Abstract(name) => format!("@{name}"),
    };
    wait_until(&format!("a listener on {shown}"), patience, || answers(address))
}

/// Waits for a network interface that is up; `patience` in seconds.
///
/// # Errors
/// When it does not come.
pub fn wait_for_interface(name: &str, patience: u32) -> Result<(), ActionError> {
    /// `IFF_UP` of `net/if.h`.
    const UP: u32 = 1;
    let flags = Path::new("/sys/class/net").join(name).join("flags");
    wait_until(&format!("the network interface {name}"), patience, || {
        let text = fs::read_to_string(&flags).unwrap_or_default();
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).is_ok_and(|flags| flags & UP != 0)
    })
}

fn answers(address: &Address) -> bool {
    /// Longest wait for one answer.
    const PATIENCE: Duration = Duration::from_secs(1);
    match address {
        Address::Tcp { host, port } => {
            let host = if host.is_empty() { "127.0.0.1" } else { host };
            let found = (host, *port).to_socket_addrs().into_iter().flatten();
            found.into_iter().any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
        }
        Address::Unix(path) => UnixStream::connect(path).is_ok(),
        Address::Abstract(name) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
                .and_then(|address| UnixStream::connect_addr(&address))
                .is_ok()
        }
    }
}

/// Whether another file system than the parent's begins here.
#[must_use]
pub fn is_mount_point(path: &Path) -> bool {
    let Ok(found) = fs::metadata(path) else { return false };
    match fs::metadata(path.join("..")) {
        Ok(parent) => found.dev() != parent.dev() || found.ino() == parent.ino(),
        Err(_) => false,
    }
}

fn wait_until(what: &str, patience: u32, is_there: impl Fn() -> bool) -> Result<(), ActionError> {
    let deadline = crate::clock::monotonic() + Duration::from_secs(patience.into());
    while !is_there() {
        if crate::clock::monotonic() >= deadline {
            return Err(ActionError::Late { what: what.to_owned(), seconds: patience });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
