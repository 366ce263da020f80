//! Processes: starting programs with a clean signal state, reaping, killing, detaching from the terminal.
//!
//! Starts nothing that shares our memory; `fork` for workers is in [`crate::fork`].

use crate::fork::{Forked, fork};
use rustix::process::{Pid, WaitOptions, WaitStatus};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use rustix::process::Signal;

/// A program to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// The executable.
    pub path: &'a Path,
    /// Its arguments, without the name.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts; `None` = where we are.
    pub directory: Option<PathBuf>,
    /// Descriptors it inherits under the same numbers; all others are closed by their close-on-exec flag.
    pub inherited: Vec<BorrowedFd<'a>>,
    /// Its standard output and error; `None` = ours.
    pub output: Option<BorrowedFd<'a>>,
    /// What is different about it from us.
    pub traits: Traits,
}

/// What is different about a process from the one that starts it.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    /// It leads a session and a process group of its own.
    pub leads: bool,
    /// It keeps our standard input.
    pub keeps_stdin: bool,
    /// Whom it becomes.
    pub identity: Option<crate::privileges::Identity>,
    /// Most bytes of its address space.
    pub address_space: Option<u64>,
    /// Most processes of its user.
    pub processes: Option<u64>,
}

impl Traits {
    /// In the new process.
    fn take_on(&self) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, setrlimit};
        if self.leads {
            rustix::process::setsid()?;
        }
        let limits = [(Resource::As, self.address_space), (Resource::Nproc, self.processes)];
        for (resource, limit) in limits {
            if limit.is_some() {
                setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
            }
        }
        match &self.identity {
            Some(identity) => identity.assume().map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

/// Descriptors beyond which programs that close all there could be take noticeably long.
const MOST_DESCRIPTORS: u64 = 1 << 20;

/// Lets this process and those that it starts have as many descriptors as the system allows: each connection takes one,
/// and the usual limit of 1024 is meant for programs that use `select`.
///
/// # Errors
/// When the system refuses.
pub fn use_all_descriptors() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    if current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })?;
    }
    Ok(())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It called exit with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

impl Ending {
    /// From the raw status of `wait`.
    #[must_use]
    pub fn from_raw(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Exited((status >> 8) & 0xff),
            signal => Self::Signaled(signal),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(number) => write!(f, "was ended by {}", crate::signal::name(*number)),
        }
    }
}

impl From<WaitStatus> for Ending {
    fn from(status: WaitStatus) -> Self {
        Self::from_raw(status.as_raw())
    }
}

/// Starts a program; the caller reaps it with [`reap`]. Standard input is empty, no signal is blocked in it.
///
/// # Errors
/// When the program cannot be run, or processes are exhausted.
pub fn spawn(program: &Program<'_>) -> io::Result<i32> {
    let child = command(program)?.spawn()?;
    i32::try_from(child.id()).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Becomes a program, under the same pid; returns only when that failed.
#[must_use]
pub fn become_program(program: &Program<'_>) -> io::Error {
    match command(program) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// Starts a copy of this process, which runs `body` with no signal blocked and ends with its code; the caller reaps it
/// with [`reap`].
///
/// # Errors
/// When this process has other threads, whose locks the copy would wait for in vain, or processes are exhausted.
pub fn spawn_copy(body: impl FnOnce() -> i32) -> io::Result<i32> {
    if crate::thread::all().len() > 1 {
        return Err(io::Error::other("a process with several threads cannot be copied"));
    }
    // SAFETY: there is no other thread.
    match unsafe { fork() }? {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => {
            let unblocked = crate::signal::unblock_all();
            let code = unblocked
                .ok()
                .and_then(|()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).ok());
            crate::thread::end_process(code.unwrap_or(1))
        }
    }
}

fn command(program: &Program<'_>) -> io::Result<Command> {
    let mut command = Command::new(program.path);
    command.args(&program.arguments).env_clear().envs(program.environment.iter().cloned());
    command.stdin(if program.traits.keeps_stdin { Stdio::inherit() } else { Stdio::null() });
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    if let Some(output) = program.output {
        command.stdout(output.try_clone_to_owned()?).stderr(output.try_clone_to_owned()?);
    }
    let inherited: Vec<RawFd> = program.inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let traits = program.traits.clone();
    // SAFETY: between fork and exec the closure makes only system calls (sigprocmask, fcntl, setrlimit and those that change
    // the user, which the C library makes for all threads under a lock: fork has freed it, and there is one thread);
    // it allocates only for the text of an error, after which there is no exec. The numbers stay open because `program` borrows their owners until the command has run.
    unsafe {
        command.pre_exec(move || {
            crate::signal::unblock_all()?;
            traits.take_on()?;
            inherited.iter().try_for_each(|&fd| {
                let fd = BorrowedFd::borrow_raw(fd);
                Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?)
            })
        });
    }
    Ok(command)
}

/// Starts `/bin/sh -c command` in a process group of its own and gives the pipe to its standard input.
///
/// # Errors
/// When the shell cannot be started.
pub fn spawn_reader(command: &str) -> io::Result<OwnedFd> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).process_group(0);
    // SAFETY: sigprocmask is async-signal-safe.
    unsafe {
        shell.pre_exec(crate::signal::unblock_all);
    }
    let input = shell.spawn()?.stdin.take();
    Ok(input.ok_or(io::ErrorKind::BrokenPipe)?.into())
}

/// Reaps one child that has ended, if there is one; never waits.
#[must_use]
pub fn reap() -> Option<(i32, Ending)> {
    let (pid, status) = rustix::process::wait(WaitOptions::NOHANG).ok().flatten()?;
    Some((pid.as_raw_nonzero().get(), status.into()))
}

/// Sends a signal to a process. A process that has gone already is no error.
pub fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal, by number, to a process group; 0 only asks whether it is there.
///
/// # Errors
/// When there is none, or it is not ours to signal.
pub fn signal_group(leader: i32, number: i32) -> io::Result<()> {
    if leader <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a plain system call on numbers.
    match unsafe { libc::kill(-leader, number) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal, by number, to a process; 0 only asks whether it is there.
///
/// # Errors
/// When there is none, or it is not ours to signal.
pub fn signal_process(pid: i32, number: i32) -> io::Result<()> {
    if pid <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: as above.
    match unsafe { libc::kill(pid, number) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether we may do everything.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Sets how nice this process and those it starts are to others, from -20 to 19.
///
/// # Errors
/// When it is to be less nice and we are not root.
pub fn set_niceness(niceness: i32) -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, niceness)?)
}

/// Keeps this process to some of the processors that it may use: `count` of them, from the `first` of those on, counted
/// around. Their numbers.
///
/// # Errors
/// When the system refuses.
pub fn pin(first: usize, count: usize) -> io::Result<Vec<usize>> {
    use rustix::thread::CpuSet;
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect();
    let chosen: Vec<usize> =
        (0..count.min(all.len())).map(|offset| all[(first + offset) % all.len()]).collect();
    let mut set = CpuSet::new();
    chosen.iter().for_each(|processor| set.set(*processor));
    rustix::thread::sched_setaffinity(None, &set)?;
    Ok(chosen)
}

/// Keeps the memory of this process from being swapped out.
///
/// # Errors
/// When there is more than we may lock.
pub fn lock_memory() -> io::Result<()> {
    use rustix::mm::MlockAllFlags;
    Ok(rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

/// Kills the process of a pidfd; unlike a pid it never means another process.
pub fn kill_by_pidfd(pidfd: impl AsFd) {
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
}

/// Sends a signal to a process that another one named.
///
/// # Errors
/// When there is no such process, or it is not ours to signal.
pub fn try_kill(pid: i32, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(pid).filter(|_| pid > 0).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// The value beside a SIGTERM that says: stop, whatever SIGTERM is configured to mean.
pub(crate) const STOP_MARK: i32 = 0x6d61_7267;

/// Asks a master to finish what is in flight and end, even where `term-reloads` gives SIGTERM another meaning. Any
/// other program sees a plain SIGTERM.
///
/// # Errors
/// As [`try_kill`].
pub fn ask_to_stop(pid: i32) -> io::Result<()> {
    queue(pid, libc::SIGTERM, STOP_MARK)
}

/// The value beside a SIGTERM or SIGHUP that says: your emperor wants it.
pub(crate) const EMPEROR_MARK: i32 = 0x6d61_7265;

/// Sends SIGTERM or SIGHUP to a vassal, which learns that it comes from its emperor. Any other program sees a plain
/// signal. A process that has gone already is no error.
pub fn command_vassal(pid: i32, signal: Signal) {
    let _ = queue(pid, signal.as_raw(), EMPEROR_MARK);
}

fn queue(pid: i32, number: i32, mark: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let value = libc::sigval { sival_ptr: mark as usize as *mut libc::c_void };
    // SAFETY: a plain system call; the receiver treats the value as a number.
    match unsafe { libc::sigqueue(pid, number, value) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Our own process id.
#[must_use]
pub fn id() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Our real user and group.
#[must_use]
pub fn user_and_group() -> (u32, u32) {
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

/// The user that permissions are checked for.
#[must_use]
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// When a process started, in the kernel's ticks since boot; `None` when there is no such process. A zombie counts as
/// gone.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and parentheses; the last one ends it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.nth(18)?.parse().ok().filter(|_| state != "Z")
}

/// Makes orphaned descendants our children, so that [`reap`] sees their ends.
///
/// # Errors
/// On kernels before 3.4.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// The children of this (single-threaded) process that are in its process group: descendants that did not detach.
#[must_use]
pub fn children_of_our_group() -> Vec<i32> {
    let own = group_of(0);
    let path = format!("/proc/self/task/{}/children", id());
    let list = fs::read_to_string(path).unwrap_or_default();
    let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter(|&pid| own.is_some() && group_of(pid) == own).collect()
}

/// The process group of a process, 0 for our own; 0 stands also for a group outside of our process namespace, as the
/// first process of a container may have.
fn group_of(pid: i32) -> Option<i32> {
    // SAFETY: a plain system call on a number.
    let group = unsafe { libc::getpgid(pid) };
    (group >= 0).then_some(group)
}

/// Resident set and address space of a process, in bytes.
#[must_use]
pub fn memory_of(pid: i32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (space, resident) = (pages.next()?, pages.next()?);
    let page = rustix::param::page_size() as u64;
    Some((resident * page, space * page))
}

/// Memory that no other process shares, and the share of all memory of a process, in bytes.
#[must_use]
pub fn shares_of(pid: i32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let sum = |names: &[&str]| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let numbers = lines
            .filter(|(name, _)| names.contains(name))
            .filter_map(|(_, rest)| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        numbers.sum::<u64>() * 1024
    };
    Some((sum(&["Private_Clean", "Private_Dirty", "Private_Hugetlb"]), sum(&["Pss"])))
}

/// Whether this process may execute a file, or search a directory.
#[must_use]
pub fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Sets the permission mask for new files.
pub fn set_umask(mask: u32) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
}

/// A pipe, close-on-exec, both ends waiting: `(read, write)`.
///
/// # Errors
/// When descriptors are exhausted.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Gives a pipe room for `bytes`, as far as the system allows: fewer writes have to wait for its reader.
pub fn widen_pipe(pipe: impl AsFd, bytes: usize) {
    // Without the room it works all the same.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, bytes);
}

/// Makes a descriptor return `WouldBlock` instead of waiting; everybody who shares the open file sees it.
///
/// # Errors
/// When the descriptor is not usable.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Makes our standard output and error what `target` is.
///
/// # Errors
/// When `target` is not usable.
pub fn redirect_output(target: impl AsFd) -> io::Result<()> {
    rustix::stdio::dup2_stdout(&target)?;
    Ok(rustix::stdio::dup2_stderr(&target)?)
}

/// Makes our standard input empty.
///
/// # Errors
/// When `/dev/null` cannot be opened.
pub fn close_input() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?)
}

/// Opens a log file for appending; several processes may write to it.
///
/// # Errors
/// When the path cannot be created or written.
pub fn open_log(path: &Path, mode: Option<u32>) -> io::Result<fs::File> {
    OpenOptions::new().append(true).create(true).mode(mode.unwrap_or(0o640)).open(path)
}

/// Forks a daemon: in a session of its own, input empty, output as before. Returns in both processes.
///
/// # Errors
/// When the kernel refuses.
pub fn daemonize() -> io::Result<Forked> {
    // SAFETY: the executable starts no thread before it daemonizes, so no lock can be held by another one.
    let first = unsafe { fork() }?;
    if first != Forked::Child {
        return Ok(first);
    }
    rustix::process::setsid()?;
    // Twice, so that the daemon leads no session and can never gain a terminal.
    // SAFETY: as above.
    if let Forked::Parent(_) = unsafe { fork() }? {
        crate::thread::end_process(0);
    }
    close_input()?;
    Ok(Forked::Child)
}

/// An environment with variables removed and added, in order.
#[must_use]
pub fn environment_with(removed: &[String], added: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let keep = |name: &OsStr| {
        !removed.iter().any(|gone| OsStr::new(gone) == name) && !added.iter().any(|(new, _)| new == name)
    };
    let mut list: Vec<_> = std::env::vars_os().filter(|(name, _)| keep(name)).collect();
    for (position, (name, value)) in added.iter().enumerate() {
        if !added[position + 1..].iter().any(|(later, _)| later == name) {
            list.push((name.clone(), value.clone()));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn run(program: &Program<'_>) -> (String, Ending) {
        let (read, write) = pipe().unwrap();
        let pid = spawn(&Program {
            path: program.path,
            arguments: program.arguments.clone(),
            environment: program.environment.clone(),
            directory: program.directory.clone(),
            inherited: program.inherited.clone(),
            output: Some(write.as_fd()),
            traits: program.traits.clone(),
        })
        .unwrap();
        drop(write);
        let mut text = String::new();
        fs::File::from(read).read_to_string(&mut text).unwrap();
        let status = rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap().unwrap().1;
        (text, status.into())
    }

    fn shell<'a>(script: &str) -> Program<'a> {
        Program {
            path: Path::new("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("KEY".into(), "value".into())],
            directory: Some(PathBuf::from("/")),
            inherited: Vec::new(),
            output: None,
            traits: Traits::default(),
        }
    }

    #[test]
    fn a_program_gets_its_directory_environment_and_exit_code_through() {
        let (text, ending) = run(&shell("pwd; echo $KEY; exit 3"));
        assert_eq!(text, "/\nvalue\n");
        assert_eq!(ending, Ending::Exited(3));
    }

    #[test]
    fn only_the_named_descriptor_is_inherited() {
        let (kept, other) = pipe().unwrap();
        let mut program = shell("ls /proc/self/fd | wc -l");
        let (without, _) = run(&program);
        program.inherited = vec![kept.as_fd()];
        let (with, _) = run(&program);
        let count = |text: &str| text.trim().parse::<usize>().unwrap();
        assert_eq!(count(&with), count(&without) + 1);
        drop(other);
    }

    #[test]
    fn a_signal_death_is_told_from_an_exit() {
        assert_eq!(run(&shell("kill -9 $$")).1, Ending::Signaled(9));
    }

    #[test]
    fn a_process_with_other_threads_is_not_copied() {
        // Tests run in threads of their own beside the main one.
        assert!(spawn_copy(|| 0).is_err());
    }

    #[test]
    fn a_missing_program_is_an_error_of_spawn() {
        let mut program = shell("");
        program.path = Path::new("/no/such/program");
        assert_eq!(spawn(&program).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_last_of_several_values_wins_and_removed_names_are_gone() {
        let added = [("A".into(), "1".into()), ("A".into(), "2".into())];
        let list = environment_with(&["PATH".to_owned()], &added);
        assert_eq!(list.iter().filter(|(name, _)| name == "A").count(), 1);
        assert!(list.contains(&("A".into(), "2".into())));
        assert!(!list.iter().any(|(name, _)| name == "PATH"));
    }

    #[test]
    fn our_own_memory_is_known() {
        let (resident, space) = memory_of(id()).unwrap();
        assert!(resident > 0 && space >= resident);
        let (unique, proportional) = shares_of(id()).unwrap();
        assert!(unique > 0 && proportional >= unique);
    }

    #[test]
    fn a_process_is_pinned_to_processors_that_it_may_use() {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let last = (0..rustix::thread::CpuSet::MAX_CPU).rfind(|one| all.is_set(*one)).unwrap();
        let mut only = rustix::thread::CpuSet::new();
        only.set(last);
        rustix::thread::sched_setaffinity(None, &only).unwrap();
        for first in 0..3 {
            assert_eq!(pin(first, 2).unwrap(), [last]);
        }
    }
}
