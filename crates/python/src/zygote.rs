//! The zygote: a Python process that has loaded the application and forks workers on command.
//!
//! It talks to the master over one packet socket and waits for its children through pidfds, so it needs no handler for
//! SIGCHLD and leaves the application's signals alone. It never serves. The master's end of the socket is its
//! liveness: at end of file it goes; workers have a pipe of their own for that.

use crate::error::Error;
use crate::ffi::{fork::fork_interpreter, gil};
use crate::hooks::{self, HookResult};
use crate::uwsgi::apps::AppBoard;
use crate::uwsgi::instance::{self, Instance, Place, Shared};
use crate::worker::{Worker, facts};
use crate::wsgi::executor;
use margrave_config::Settings;
use margrave_config::settings::Address;
use margrave_lifecycle::message::{
    AppReport, ForkId, FromZygote, ListenerInfo, LoadFailure, MAX_MESSAGE, ToZygote, decode, encode,
};
use margrave_server::{Fellows, WorkerParts};
use margrave_stats::scoreboard::Layout;
use margrave_sys::channel::Channel;
use margrave_sys::child::{kill, open_pidfd, reap, take_inherited, wait_readable};
use margrave_sys::fork::Forked;
use margrave_sys::lock::SharedLocks;
use margrave_sys::memory;
use margrave_sys::process;
use margrave_sys::process::redirect_output;
use margrave_sys::shm::SharedWords;
use pyo3::prelude::*;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// After so long without a command there seems to be nothing to do.
const REST: Duration = Duration::from_millis(200);

/// A process forked here and not reaped yet.
struct Child {
    id: ForkId,
    pid: i32,
    pidfd: OwnedFd,
}

/// Descriptors that every worker gets.
struct Inheritance {
    listeners: Vec<(ListenerInfo, OwnedFd)>,
    liveness: OwnedFd,
    adoption: OwnedFd,
    fellows: Option<Arc<Fellows>>,
}

/// A fork command.
struct Order {
    id: ForkId,
    worker: u16,
    slot: u16,
    respawn: u32,
    control: OwnedFd,
}

/// The zygote's side of the conversation with the master.
#[pyclass(unsendable, module = "margrave._margrave")]
pub struct Zygote {
    control: Option<Channel>,
    inheritance: Option<Inheritance>,
    instance: &'static Instance,
    children: Vec<Child>,
    retiring: bool,
    renewed_in: Option<String>,
    /// Pages of libraries are mapped here that only the load of the application, or the last fork, has needed.
    holds_files: bool,
}

/// One application as Python reports it: mount point, name, load time in milliseconds.
pub type Report = (String, String, u32);

/// Reports in the form of messages.
#[must_use]
pub fn reports(apps: Vec<Report>) -> Vec<AppReport> {
    apps.into_iter().map(|(mountpoint, name, millis)| AppReport { mountpoint, name, millis }).collect()
}

#[pymethods]
impl Zygote {
    /// Takes the inherited socket and waits for the first message.
    #[new]
    fn new(descriptor: RawFd) -> Result<Self, Error> {
        let control = Channel::from(take_inherited(descriptor)?);
        let (message, descriptors) = receive(&control)?.ok_or(Error::Boot)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or(Error::Boot);
        let ToZygote::Boot { generation, listeners, master_pid, slots, renewed_in } = message else {
            return Err(Error::Boot);
        };
        let (memfd, board, liveness, adoption, locks) = (next()?, next()?, next()?, next()?, next()?);
        let listeners =
            listeners.into_iter().map(|info| Ok((info, next()?))).collect::<Result<Vec<_>, Error>>()?;
        let text = read_settings(memfd)?;
        let settings: Settings = serde_json::from_str(&text)?;
        let layout = Layout {
            slots: slots.into(),
            threads: settings.process.threads.into(),
            listeners: listeners.len(),
        };
        let scoreboard = SharedWords::from_fd(board.as_fd(), layout.words())?;
        let shared = Shared {
            locks: SharedLocks::from_fd(locks.as_fd(), usize::from(settings.process.locks) + 1)?,
            apps: AppBoard::create(slots)?,
        };
        // Workers that accept on sockets of their own do not share connections.
        let fellows = match settings.listen.maps.is_empty() {
            true => Fellows::new(settings.process.workers)?.map(Arc::new),
            false => None,
        };
        let sockets = listeners.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        let ports = listeners.iter().map(|(info, _)| bound_port(&settings, info)).collect();
        let place = Place { master_pid, generation, sockets, ports };
        let instance = instance::set(Instance::new(settings, place, scoreboard, layout, shared));
        Ok(Self {
            control: Some(control),
            inheritance: Some(Inheritance { listeners, liveness, adoption, fellows }),
            instance,
            children: Vec::new(),
            retiring: false,
            renewed_in,
            holds_files: true,
        })
    }

    /// The whole configuration, as JSON.
    #[getter]
    fn settings(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(&*self.instance.settings)?)
    }

    /// Pid of the master.
    #[getter]
    fn master_pid(&self) -> i32 {
        self.instance.master_pid
    }

    /// Puts the `uwsgi` module into `sys.modules`.
    fn install_uwsgi(&self, py: Python<'_>) -> PyResult<()> {
        crate::uwsgi::install(py, self.instance)
    }

    /// Makes names and types that every worker would make for itself.
    fn prepare(&self, py: Python<'_>) -> PyResult<()> {
        executor::prepare(py, &facts(self.instance, 0))
    }

    /// Tells the master that forks may come.
    fn report_ready(
        &self,
        python: String,
        prefix: String,
        apps: Vec<Report>,
        warnings: Vec<String>,
    ) -> Result<(), Error> {
        self.tell(&FromZygote::Ready { python, prefix, apps: reports(apps), warnings }, None)
    }

    /// Tells the master that the application did not load, or that a hook around it failed.
    #[pyo3(signature = (message, *, hook = None))]
    fn report_failure(&self, message: String, hook: Option<u8>) -> Result<(), Error> {
        self.tell(&FromZygote::LoadFailed(LoadFailure { message, hook }), None)
    }

    /// The directory in which the hooks of the start are due here, after a reload.
    #[getter]
    fn renewed_in(&self) -> Option<&str> {
        self.renewed_in.as_deref()
    }

    /// Runs the hooks of a phase in this process; with a directory as if it were there.
    #[pyo3(signature = (phase, directory = None))]
    fn run_hooks(&self, py: Python<'_>, phase: &str, directory: Option<PathBuf>) -> PyResult<HookResult> {
        gil::without(py, || hooks::run(&self.instance.settings.hooks, phase, directory))
    }

    /// Obeys the master until a fork made this process a worker, which is returned, or there is nothing left to do.
    fn run(&mut self, py: Python<'_>) -> PyResult<Option<Worker>> {
        loop {
            if self.retiring && self.children.is_empty() {
                return Ok(None);
            }
            let (commanded, ended) = gil::without(py, || self.wait())?;
            py.check_signals()?;
            self.bury(&ended)?;
            if !commanded {
                if ended.is_empty() && std::mem::take(&mut self.holds_files) {
                    memory::release_files();
                }
                continue;
            }
            self.holds_files = true;
            let Some(control) = &self.control else { return Ok(None) };
            match receive(control)? {
                None => return Ok(None),
                Some((ToZygote::Retire, _)) => self.retiring = true,
                Some((ToZygote::Output, descriptors)) => {
                    for output in &descriptors {
                        redirect_output(output)?;
                    }
                }
                Some((ToZygote::Fork { id, worker, slot, respawn }, mut descriptors)) => {
                    let control = descriptors.pop().ok_or(Error::Boot)?;
                    if let Some(worker) = self.fork(py, Order { id, worker, slot, respawn, control })? {
                        return Ok(Some(worker));
                    }
                }
                Some((ToZygote::Boot { .. }, _)) => return Err(Error::Boot.into()),
            }
        }
    }
}

impl Zygote {
    fn tell(&self, message: &FromZygote, descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let control = self.control.as_ref().ok_or(Error::Order("this process is not the zygote any more"))?;
        control.send(&encode(message)?, descriptor.as_slice())?;
        Ok(())
    }

    /// Waits; whether a command is there, and the ids of children that ended.
    fn wait(&self) -> Result<(bool, Vec<ForkId>), Error> {
        let control = self.control.as_ref().ok_or(Error::Order("this process is not the zygote any more"))?;
        let mut descriptors = vec![control.as_fd()];
        descriptors.extend(self.children.iter().map(|child| child.pidfd.as_fd()));
        let ready = wait_readable(&descriptors, self.holds_files.then_some(REST))?;
        let ended =
            self.children.iter().zip(&ready[1..]).filter(|(_, ready)| **ready).map(|(child, _)| child.id);
        Ok((ready[0], ended.collect()))
    }

    fn bury(&mut self, ended: &[ForkId]) -> Result<(), Error> {
        for id in ended {
            let Some(place) = self.children.iter().position(|child| child.id == *id) else { continue };
            let pid = self.children[place].pid;
            let status = match reap(pid) {
                Ok(Some(status)) => status,
                Ok(None) => continue,
                // Somebody else has reaped it (an application that waits for any child): it is gone all the same.
                Err(_) => 0,
            };
            self.children.swap_remove(place);
            self.tell(&FromZygote::Exited { id: *id, pid, status }, None)?;
        }
        Ok(())
    }

    /// Forks. In the child: the worker.
    fn fork(&mut self, py: Python<'_>, order: Order) -> Result<Option<Worker>, Error> {
        let errno = |error: &std::io::Error| error.raw_os_error().unwrap_or(0);
        let pid = match fork_interpreter(py) {
            Ok(Forked::Child) => return self.become_worker(order).map(Some),
            Ok(Forked::Parent(pid)) => pid,
            Err(error) => {
                self.tell(&FromZygote::ForkFailed { id: order.id, errno: errno(&error) }, None)?;
                return Ok(None);
            }
        };
        // Opened here, where nobody else can have reaped the child.
        match open_pidfd(pid) {
            Ok(pidfd) => {
                self.tell(&FromZygote::Forked { id: order.id, pid }, Some(pidfd.as_fd()))?;
                self.children.push(Child { id: order.id, pid, pidfd });
            }
            Err(error) => {
                kill(pid)?;
                self.tell(&FromZygote::ForkFailed { id: order.id, errno: errno(&error) }, None)?;
            }
        }
        Ok(None)
    }

    /// In a new child: lets go of what is the zygote's. While a worker had the control socket, the master would not
    /// see the zygote's death.
    fn become_worker(&mut self, order: Order) -> Result<Worker, Error> {
        self.control = None;
        self.children.clear();
        let inheritance = self.inheritance.take().ok_or(Error::Order("a worker does not fork workers"))?;
        let instance = self.instance;
        instance.become_worker(order.worker, order.slot);
        settle_in(&instance.settings, order.worker);
        let listeners = mapped(inheritance.listeners, &instance.settings, order.worker)?;
        let parts = WorkerParts {
            settings: Arc::clone(&instance.settings),
            listeners,
            control: order.control,
            liveness: inheritance.liveness,
            adoption: inheritance.adoption,
            fellows: inheritance.fellows,
            scoreboard: instance.scoreboard,
            layout: instance.layout,
            slot: order.slot,
            worker: order.worker,
            watchdog: None,
        };
        Ok(Worker::new(instance, parts, order.respawn))
    }
}

/// `map-socket`: a worker that must not accept on a listener gets one on which nothing ever arrives, so that numbers
/// stay what they are.
fn mapped(
    listeners: Vec<(ListenerInfo, OwnedFd)>,
    settings: &Settings,
    worker: u16,
) -> Result<Vec<(ListenerInfo, OwnedFd)>, Error> {
    let choose = |(info, fd): (ListenerInfo, OwnedFd)| {
        if settings.listen.is_mapped(info.index, worker) {
            return Ok((info, fd));
        }
        Ok((info, margrave_sys::net::mute_listener()?))
    };
    listeners.into_iter().map(choose).collect()
}

/// `cpu-affinity` and `never-swap`: what the system refuses is in the log, and the worker serves without it.
fn settle_in(settings: &Settings, worker: u16) {
    let host = &settings.host;
    let pinned = host.cpu_affinity.map(usize::from).map(|count| {
        let first = usize::from(worker.saturating_sub(1)) * count;
        process::pin(first, count).map_err(|error| format!("cpu-affinity: {error}"))
    });
    let locked =
        host.never_swap.then(|| process::lock_memory().map_err(|error| format!("never-swap: {error}")));
    let troubles = [pinned.and_then(Result::err), locked.and_then(Result::err)];
    for trouble in troubles.into_iter().flatten() {
        hooks::say(&format!("margrave: warning: worker {worker}: {trouble}"));
    }
}

fn receive(control: &Channel) -> Result<Option<(ToZygote, Vec<OwnedFd>)>, Error> {
    let mut buffer = vec![0; MAX_MESSAGE];
    match control.recv(&mut buffer)? {
        None => Ok(None),
        Some((length, descriptors)) => Ok(Some((decode(&buffer[..length])?, descriptors))),
    }
}

fn bound_port(settings: &Settings, listener: &ListenerInfo) -> Option<u16> {
    match settings.listen.listeners.get(usize::from(listener.index))?.address {
        // As bound: the configured port may be 0.
        Address::Tcp { .. } => listener.address.rsplit(':').next()?.parse().ok(),
        _ => None,
    }
}

fn read_settings(memfd: OwnedFd) -> Result<String, Error> {
    let mut file = File::from(memfd);
    // The position is shared with whoever wrote it.
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
