//! Children of the zygote: pidfds, waiting, reaping.

use crate::clock::to_timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn pid_of(pid: i32) -> io::Result<Pid> {
    // Zero and negative numbers mean groups, to which nothing here is ever sent.
    (pid > 0).then(|| Pid::from_raw(pid)).flatten().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// A descriptor that becomes readable when process `pid` ends. Sound for a child that has not been reaped.
///
/// # Errors
/// When there is no such process, or no descriptor left.
pub fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid_of(pid)?, PidfdFlags::empty())?)
}

/// Whether the inherited descriptor has an owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the one descriptor that this process has inherited under a number it was told; it is not inherited further.
///
/// # Errors
/// The second time, when nothing is open under that number, and for the standard descriptors.
pub fn take_inherited(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let copy = crate::file::duplicate(number)?;
    // SAFETY: open (it could be duplicated), inherited through exec for this purpose, and taken once: nobody else in
    // this process owns it. Dropped here, so that only the close-on-exec copy stays.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(copy.into())
}

/// Reaps child `pid` if it has ended; its raw wait status.
///
/// # Errors
/// When `pid` is not an unreaped child.
pub fn reap(pid: i32) -> io::Result<Option<i32>> {
    let pid = pid_of(pid)?;
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::NOHANG))?;
    Ok(ended.map(|(_, status)| status.as_raw()))
}

/// Kills child `pid` and reaps it.
///
/// # Errors
/// When `pid` is not an unreaped child.
pub fn kill(pid: i32) -> io::Result<()> {
    let pid = pid_of(pid)?;
    kill_process(pid, Signal::KILL)?;
    rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    Ok(())
}

/// Waits until one of `descriptors` is readable or at its end; which ones are. Ends early, with none, when a signal
/// arrives, or after `timeout` (`None` = never).
///
/// # Errors
/// When a descriptor is not open.
pub fn wait_readable(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<_> =
        descriptors.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
    let timeout = timeout.map(to_timespec);
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => Ok(polled.iter().map(|entry| !entry.revents().is_empty()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(vec![false; descriptors.len()]),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "reaping it is what is tested")]
    fn the_end_of_a_child_is_seen_and_reaped_once() {
        let child = std::process::Command::new("false").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = open_pidfd(pid).unwrap();
        assert_eq!(wait_readable(&[pidfd.as_fd()], None).unwrap(), [true]);
        assert_eq!(reap(pid).unwrap(), Some(1 << 8));
        assert!(reap(pid).is_err());
    }

    #[test]
    fn pids_that_mean_groups_are_refused() {
        for pid in [0, -1, -5] {
            assert!(open_pidfd(pid).is_err());
            assert!(kill(pid).is_err());
        }
    }
}
