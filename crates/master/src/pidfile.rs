//! Pidfiles: written in one piece, removed by the instance that wrote them, and read by `--stop` and `--reload`.

use crate::error::{StartError, plain};
use margrave_sys::process::{self, Signal};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A pidfile that we wrote.
#[derive(Debug)]
pub struct Pidfile {
    option: &'static str,
    path: PathBuf,
    vacuum: bool,
    /// Device and inode of what we wrote.
    identity: Option<(u64, u64)>,
}

impl Pidfile {
    /// Writes our process id, over whatever was there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(option: &'static str, path: &Path, vacuum: bool) -> Result<Self, StartError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let text = format!("{}\n", process::id());
        match write_whole(&path, &text) {
            Ok(()) => {
                let identity = identity(&path);
                Ok(Self { option, path, vacuum, identity })
            }
            Err(error) => Err(StartError::Unwritable { option, path, error }),
        }
    }

    /// Writes it again, whatever has become of it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rewrite(&mut self) -> Result<(), StartError> {
        let written = Self::write(self.option, &self.path, self.vacuum)?;
        // What was there before is not ours to remove any more: it has been replaced.
        std::mem::replace(self, written).identity = None;
        Ok(())
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|found| (found.dev(), found.ino()))
}

/// Nobody sees half a number: a new file takes the name of the old one, where the directory allows it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}", process::id()));
    let temporary = path.with_file_name(name);
    // Devices and links such as /dev/stdout are written through, not replaced.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) || fs::write(&temporary, text).is_err()
    {
        return fs::write(path, text);
    }
    fs::rename(&temporary, path).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // After privileges were dropped it may be unreadable and still removable.
        let is_another = || read(&self.path).is_ok_and(|pid| pid != process::id());
        if self.vacuum && self.identity.is_some() && identity(&self.path) == self.identity && !is_another() {
            // Its directory may not be ours any more after privileges were dropped.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What `--stop`, `--reload`, `--pause` and `--resume` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Finish what is in flight and end.
    Stop,
    /// Reload.
    Reload,
    /// Take no more requests, or take them again.
    Pause,
}

/// Sends an order to the instance that wrote the pidfile.
///
/// # Errors
/// One sentence: no such file, no number in it, no such process, not ours.
pub fn send(path: &Path, order: Order) -> Result<(), StartError> {
    let pid = read(path).map_err(StartError::Pidfile)?;
    let sent = match order {
        Order::Stop => process::ask_to_stop(pid),
        Order::Reload => process::try_kill(pid, Signal::HUP),
        Order::Pause => process::try_kill(pid, Signal::TSTP),
    };
    sent.map_err(|error| {
        StartError::Pidfile(match error.raw_os_error() {
            Some(NO_SUCH_PROCESS) => format!(
                "{} names process {pid}, which does not run; the instance has ended without removing the file, so remove it",
                path.display()
            ),
            _ => format!("{} names process {pid}, which cannot be signalled: {}", path.display(), plain(&error)),
        })
    })
}

/// `ESRCH`.
const NO_SUCH_PROCESS: i32 = 3;

fn read(path: &Path) -> Result<i32, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{shown} does not exist; is the instance running, and is that its `pidfile`?")
        }
        _ => format!("cannot read {shown}: {}", plain(&error)),
    })?;
    text.trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .ok_or_else(|| format!("{shown} does not hold a process id; give the file that `pidfile` names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_holds_the_pid_and_vanishes_with_us() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("p");
        fs::write(&path, "1234567\nold").unwrap();
        let pidfile = Pidfile::write("pidfile", &path, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        drop(pidfile);
        assert!(!path.exists());
    }

    #[test]
    fn a_pidfile_that_another_instance_took_over_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("p");
        let pidfile = Pidfile::write("pidfile", &path, true).unwrap();
        fs::write(&path, "1234567\n").unwrap();
        drop(pidfile);
        assert!(path.exists());
        let pidfile = Pidfile::write("pidfile", &path, true).unwrap();
        let _next = Pidfile::write("pidfile", &path, false).unwrap();
        drop(pidfile);
        assert!(path.exists());
    }

    #[test]
    fn every_unusable_pidfile_is_one_sentence() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("p");
        let message = || send(&path, Order::Stop).unwrap_err().to_string();
        assert!(message().contains("does not exist; is the instance running"));
        fs::write(&path, "words").unwrap();
        assert!(message().contains("does not hold a process id"));
        fs::write(&path, "0\n").unwrap();
        assert!(message().contains("does not hold a process id"));
        fs::write(&path, "4194303\n").unwrap();
        assert!(message().contains("which does not run"));
    }
}
