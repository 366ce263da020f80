//! A worker: the server, the Python threads that run requests, their end.

use crate::error::Error;
use crate::ffi::gil;
use crate::ffi::thread::current_ident;
use crate::hooks::{self, HookResult};
use crate::uwsgi::apps::AppFacts;
use crate::uwsgi::info::COMPATIBLE;
use crate::uwsgi::instance::{Instance, epoch_seconds};
use crate::watchdog::{Lane, PythonWatchdog, Signals, StackFile};
use crate::wsgi::apps::{App, AppTable, MountRules};
use crate::wsgi::dynamic::DynamicApps;
use crate::wsgi::environ::Facts;
use crate::wsgi::executor::{Bridge, Plan, WsgiExecutor};
use crate::wsgi::recycling::Recycling;
use crate::wsgi::stray;
use crate::zygote::{Report, reports};
use margrave_lifecycle::message::LoadFailure;
use margrave_server::{Ending, Server, WorkerParts};
use margrave_stats::scoreboard::{Counter, Slot};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The worker that this process is.
#[pyclass(frozen, module = "margrave._margrave")]
pub struct Worker {
    instance: &'static Instance,
    parts: Mutex<Option<WorkerParts>>,
    respawn: u32,
    server: OnceLock<Server>,
    table: OnceLock<Table>,
    lanes: Arc<[Lane]>,
    stacks: OnceLock<Arc<StackFile>>,
}

struct Table {
    apps: Arc<AppTable>,
    /// Those that requests name.
    dynamic: Arc<DynamicApps>,
    after_request: Option<Py<PyAny>>,
}

impl Worker {
    /// In the new process, right after the fork.
    #[must_use]
    pub fn new(instance: &'static Instance, parts: WorkerParts, respawn: u32) -> Self {
        Self {
            instance,
            parts: Mutex::new(Some(parts)),
            respawn,
            server: OnceLock::new(),
            table: OnceLock::new(),
            stacks: OnceLock::new(),
            lanes: (0..instance.settings.process.threads.max(1)).map(|_| Lane::default()).collect(),
        }
    }

    /// Where the deadline of a thread's request is, when hooks after requests are spared it.
    fn spared(&self, thread: usize) -> Option<(Slot<'static>, usize)> {
        let spares = self.instance.settings.process.harakiri_spares_hooks;
        self.instance.row().filter(|_| spares).map(|row| (row, thread))
    }

    fn server(&self) -> Result<&Server, Error> {
        self.server.get().ok_or(Error::Order("Worker.start comes first"))
    }

    fn sign_in(&self) {
        let Some(row) = self.instance.row() else { return };
        let facts = [
            (Counter::Pid, u64::from(std::process::id())),
            (Counter::Worker, u64::from(self.instance.worker())),
            (Counter::SpawnedAt, epoch_seconds()),
            (Counter::Respawns, u64::from(self.respawn)),
        ];
        for (counter, value) in facts {
            row.counter(counter).store(value, Relaxed);
        }
    }
}

/// What environs of a thread say about the server.
#[must_use]
pub fn facts(instance: &Instance, core: usize) -> Facts {
    let process = &instance.settings.process;
    Facts {
        multithread: process.threads > 1,
        multiprocess: process.workers > 1,
        core,
        version: COMPATIBLE,
        node: instance.host_name.clone().into_bytes(),
        file_wrapper: instance.settings.python.file_wrapper,
        ports: instance.ports.clone(),
    }
}

#[pymethods]
impl Worker {
    /// Its number, from 1.
    #[getter]
    fn number(&self) -> u16 {
        self.instance.worker()
    }

    /// Prepares a signal for the collection of stacks; the descriptor to which `faulthandler` is to write on it,
    /// chaining to the handler that is there.
    fn collect_stacks_on(&self, signal: i32) -> Result<i32, Error> {
        margrave_sys::signal::count(signal)?;
        let stacks = StackFile::create()?;
        Ok(self.stacks.get_or_init(|| Arc::new(stacks)).descriptor())
    }

    /// Sets the server up. From here on the process has a native thread beside the Python ones. The signals are
    /// those that Python has handlers for: `stack` writes a thread's stack, `interrupt` raises in the main thread,
    /// `collect` is that of `collect_stacks_on`.
    fn start(&self, py: Python<'_>, stack: i32, interrupt: i32, collect: i32) -> PyResult<()> {
        stray::watch(py)?;
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut parts = parts.ok_or(Error::Order("Worker.start was called twice")).map_err(PyErr::from)?;
        if let (Some(row), Some(stacks)) = (self.instance.row(), self.stacks.get()) {
            let signals = Signals { stack, interrupt, collect };
            let (lanes, stacks) = (Arc::clone(&self.lanes), Arc::clone(stacks));
            parts.watchdog = Some(Box::new(PythonWatchdog::new(lanes, row, signals, stacks)));
        }
        let server = Server::new(parts).map_err(Error::from)?;
        let _ = self.server.set(server);
        self.sign_in();
        Ok(())
    }

    /// Sets the applications (mount point, callable, load time in milliseconds) and `uwsgi.after_req_hook`.
    fn set_apps(&self, apps: Vec<(String, Py<PyAny>, u32)>, after_request: Option<Py<PyAny>>) {
        let Instance { apps: board, .. } = self.instance;
        let slot = self.instance.slot();
        let facts = apps.iter().map(|(mount, callable, millis)| AppFacts {
            mountpoint: mount.clone(),
            startup_seconds: millis / 1000,
            callable: callable.as_ptr() as usize,
        });
        board.enter(slot, facts.collect());
        let apps = apps.into_iter().enumerate().map(|(number, (mount, callable, _))| App {
            mount: mount.into_bytes(),
            callable,
            tally: board.tally(slot, number),
        });
        let apps = apps.collect();
        let python = &self.instance.settings.python;
        let rules = MountRules {
            manage_script_name: python.manage_script_name,
            no_default_app: python.no_default_app,
            ignore_script_name: python.ignore_script_name,
        };
        let apps = AppTable::new(apps, rules);
        let _ = self.table.set(Table { apps: Arc::new(apps), dynamic: Arc::default(), after_request });
    }

    /// Starts accepting connections.
    fn ready(&self, py: Python<'_>, apps: Vec<Report>) -> PyResult<()> {
        let server = self.server()?;
        if !gil::is_enabled(py)? {
            server.go_parallel();
        }
        server.ready(reports(apps)).map_err(Error::from)?;
        Ok(())
    }

    /// Tells the master that the application did not load here, or that a hook around it failed.
    #[pyo3(signature = (message, *, hook = None))]
    fn load_failed(&self, message: String, hook: Option<u8>) -> Result<(), Error> {
        Ok(self.server()?.load_failed(LoadFailure { message, hook })?)
    }

    /// How often its number has been given before.
    #[getter]
    fn respawn(&self) -> u32 {
        self.respawn
    }

    /// Runs the hooks of a phase in this process; with a directory as if it were there.
    #[pyo3(signature = (phase, directory = None))]
    fn run_hooks(&self, py: Python<'_>, phase: &str, directory: Option<PathBuf>) -> PyResult<HookResult> {
        gil::without(py, || hooks::run(&self.instance.settings.hooks, phase, directory))
    }

    /// Whether the main thread's request is to be given up.
    fn is_overdue(&self) -> bool {
        self.lanes[0].is_unwanted()
    }

    /// Serves on the calling thread until the worker ends; why it ends.
    fn run(&self, py: Python<'_>, thread: usize) -> PyResult<&'static str> {
        let server = self.server()?;
        let table = self.table.get().ok_or(Error::Order("Worker.set_apps comes first"))?;
        let plan = Plan {
            apps: Arc::clone(&table.apps),
            dynamic: self.instance.settings.http.dynamic_apps.then(|| Arc::clone(&table.dynamic)),
            after_request: table.after_request.as_ref().map(|hook| hook.clone_ref(py)),
            spared: self.spared(thread),
            recycling: Recycling::new(self.instance.settings.reload.on_exception.clone(), server.recycler()),
            show_exceptions: self.instance.settings.python.catch_exceptions,
        };
        let lanes = Arc::clone(&self.lanes);
        let lane = lanes.get(thread).ok_or(Error::Order("more threads than `threads` says"))?;
        lane.serve(current_ident(py));
        let bridge = Bridge::new(py, plan, &facts(self.instance, thread))?;
        let ending = gil::released(py, |state| {
            let mut executor = WsgiExecutor::new(state, bridge, lane);
            let ending = server.run_thread(thread, &mut executor);
            executor.close();
            ending
        });
        Ok(match ending {
            Ending::Drained => "drained",
            Ending::Stopped => "stopped",
            Ending::MasterGone => "master-gone",
        })
    }
}
