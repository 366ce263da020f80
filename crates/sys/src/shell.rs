//! Commands whose output is wanted, within bounds of size and time.

use crate::clock::{monotonic, to_timespec};
use margrave_config::Ran;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a command may take.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// Output of `/bin/sh -c command`, at most `limit` bytes. Waits for its end; past a bound the command and the processes that
/// it started are killed.
///
/// # Errors
/// When the shell cannot be started, says more than `limit`, or takes longer than `timeout`.
pub fn output(command: &str, limit: usize, timeout: Duration) -> io::Result<Ran> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    // A group of its own, so that what the shell starts can be ended with it.
    shell.process_group(0);
    // SAFETY: sigprocmask is async-signal-safe.
    unsafe {
        shell.pre_exec(crate::signal::unblock_all);
    }
    let mut child = shell.spawn()?;
    let read = read(&mut child, limit, timeout);
    if read.is_err() {
        kill_group(&child);
    }
    let status = child.wait()?;
    let failure = (!status.success()).then(|| status.to_string());
    read.map(|output| Ran { output, failure })
}

fn read(child: &mut Child, limit: usize, timeout: Duration) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = child.stdout.take() else { return Ok(Vec::new()) };
    let deadline = monotonic() + timeout;
    let mut content = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        let left = deadline.saturating_sub(monotonic());
        let left = to_timespec(left);
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
            Ok(0) => {
                let message = format!("it did not end within {} seconds", timeout.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match pipe.read(&mut piece)? {
            0 => return Ok(content),
            length => content.extend_from_slice(&piece[..length]),
        }
        if content.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_command_gives_its_output_and_says_how_it_ended() {
        assert_eq!(output("echo hi", 10, LONG).unwrap(), Ran { output: b"hi\n".to_vec(), failure: None });
        let failed = output("echo part; exit 3", 10, LONG).unwrap();
        assert_eq!(failed.output, b"part\n");
        assert!(failed.failure.unwrap().contains('3'));
    }

    #[test]
    fn output_without_end_is_cut_off() {
        let error = output("while :; do echo more; done | cat", 100_000, LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_command_without_end_is_ended_with_all_that_it_started() {
        let error = output("sleep 600 | sleep 600", 10, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
