//! One Python thread's way of answering a request: environ, call, answer, clean-up.

use super::apps::{App, AppTable, Unanswered};
use super::dynamic::{DynamicApps, name_of};
use super::environ::{EnvironBuilder, Facts};
use super::input::Input;
use super::kept;
use super::recycling::Recycling;
use super::report;
use super::respond::{Failure, close, respond};
use super::slot::{Slot, State};
use super::start_response::{StartResponse, Write};
use super::stray;
use crate::ffi::function::make;
use crate::ffi::gil::{self, ThreadState};
use crate::ffi::object::{call_two, is_unshared};
use crate::uwsgi::current;
use crate::watchdog::{Lane, RequestTimeout};
use margrave_server::{Exchange, Executor};
use margrave_stats::scoreboard::{Slot as ScoreboardSlot, ThreadWord};
use margrave_wire::{BodyLength, Known};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Between two looks whether another thread still uses the exchange.
const PAUSE: Duration = Duration::from_millis(1);

/// What every executor of a worker is made from.
pub struct Plan {
    /// The applications.
    pub apps: Arc<AppTable>,
    /// `dynamic-apps`: those that requests name.
    pub dynamic: Option<Arc<DynamicApps>>,
    /// `uwsgi.after_req_hook`.
    pub after_request: Option<Py<PyAny>>,
    /// `harakiri-no-arh`: where the deadline of this thread's request is, which the hook is spared.
    pub spared: Option<(ScoreboardSlot<'static>, usize)>,
    /// After which exceptions the worker is replaced, and how to ask for that.
    pub recycling: Recycling,
    /// `catch-exceptions`.
    pub show_exceptions: bool,
}

/// Sets of objects that an application may let go of later. On free-threaded Python nobody can tell whether it has.
const MOST_KEPT: usize = if cfg!(Py_GIL_DISABLED) { 0 } else { 64 };

/// The objects that an application holds during a request; used again when it let go of all of them.
struct Handles {
    slot: Arc<Slot>,
    start_response: Py<PyAny>,
    write: Py<PyAny>,
    input: Py<Input>,
}

/// Answers requests on one Python thread.
pub struct WsgiExecutor<'t> {
    state: &'t mut ThreadState,
    bridge: Bridge,
    lane: &'t Lane,
}

/// All of an executor but the thread state.
pub struct Bridge {
    plan: Plan,
    environ: EnvironBuilder,
    handles: Handles,
    /// Those that an application has kept, the oldest first. Most lie in cycles that wait for the collector (Django's users and
    /// messages).
    kept: VecDeque<Handles>,
}

impl Handles {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let slot = Arc::new(Slot::new(State::default()));
        let write = make(&Bound::new(py, Write::new(Arc::clone(&slot)))?)?;
        let handle = Bound::new(py, StartResponse::new(Arc::clone(&slot)))?;
        handle.get().set_write(write.clone().unbind());
        let start_response = make(&handle)?;
        let input = Bound::new(py, Input::new(Arc::clone(&slot)))?;
        Ok(Self {
            slot,
            start_response: start_response.unbind(),
            write: write.unbind(),
            input: input.unbind(),
        })
    }

    /// Whether the application has kept nothing: one reference each is ours, `write` has another in
    /// `start_response`, the `input` of the present set another in the template of environs.
    fn are_free(&self, py: Python<'_>, present: bool) -> bool {
        is_unshared(self.start_response.bind_borrowed(py), 1)
            && is_unshared(self.write.bind_borrowed(py), 2)
            && is_unshared(self.input.bind(py).as_any().as_borrowed(), if present { 2 } else { 1 })
    }
}

impl<'t> WsgiExecutor<'t> {
    /// For the thread whose state `state` is.
    #[must_use]
    pub fn new(state: &'t mut ThreadState, bridge: Bridge, lane: &'t Lane) -> Self {
        Self { state, bridge, lane }
    }

    /// Frees the Python objects, attached.
    pub fn close(self) {
        let Self { state, bridge, .. } = self;
        state.attach();
        drop(bridge);
        state.detach();
    }
}

/// Makes the names and types that every worker's [`Bridge`] uses, before the fork; they are kept.
///
/// # Errors
/// When an object cannot be made.
pub fn prepare(py: Python<'_>, facts: &Facts) -> PyResult<()> {
    std::mem::forget(make_parts(py, facts)?);
    Ok(())
}

fn make_parts(py: Python<'_>, facts: &Facts) -> PyResult<(EnvironBuilder, Handles)> {
    let errors = py.import("sys")?.getattr("stderr")?;
    Ok((EnvironBuilder::new(py, facts, &errors)?, Handles::new(py)?))
}

impl Bridge {
    /// Makes everything that requests need.
    ///
    /// # Errors
    /// When an object cannot be made.
    pub fn new(py: Python<'_>, plan: Plan, facts: &Facts) -> PyResult<Self> {
        let (environ, handles) = make_parts(py, facts)?;
        environ.set_input(handles.input.bind(py))?;
        Ok(Self { plan, environ, handles, kept: VecDeque::new() })
    }

    fn handle(&mut self, py: Python<'_>, exchange: &mut Exchange<'_>) {
        if let Err(failure) = self.answer(py, exchange) {
            let end = self.judge(py, Err(failure), || request_line(exchange));
            end.apply(exchange);
        }
        if let Err(error) = self.renew(py) {
            report::exception(py, error);
        }
    }

    /// Runs the application and ends the answer.
    ///
    /// # Errors
    /// What went wrong before the application could be called; the answer is still open.
    fn answer(&mut self, py: Python<'_>, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let apps = Arc::clone(&self.plan.apps);
        let named = self.named_by(py, &apps, exchange);
        let chosen = match &named {
            Some((index, app)) => Ok((*index, &**app)),
            None => apps.select(exchange.request_mut()),
        };
        let (index, app) = chosen.map_err(|unanswered| {
            let message = match unanswered {
                Unanswered::NothingLoaded => {
                    "no application is loaded: the start-up log says why; answering 500"
                }
                Unanswered::NotMounted => {
                    "no application is mounted where this request goes, and `no-default-app` is set; answering 500"
                }
            };
            Failure::Misuse(message.to_owned())
        })?;
        exchange.set_app(u16::try_from(index).unwrap_or(u16::MAX));
        // A chunked body is complete by now: its length helps applications that know no other way.
        let body = match exchange.request().body {
            BodyLength::Known(length) if exchange.request().var(Known::ContentLength).is_none() => {
                Some(length)
            }
            _ => None,
        };
        let environ = self.environ.build(py, exchange.request(), exchange.listener(), body)?;
        let slot = Arc::clone(&self.handles.slot);
        slot.grant(exchange, || pause(py), || self.run(py, &slot, app, &environ));
        Ok(())
    }

    /// The application that the request itself names, and its number.
    fn named_by(
        &self,
        py: Python<'_>,
        apps: &AppTable,
        exchange: &Exchange<'_>,
    ) -> Option<(usize, Arc<App>)> {
        let dynamic = self.plan.dynamic.as_ref()?;
        let request = exchange.request();
        if apps.has(name_of(request)) {
            return None;
        }
        let (place, app) = dynamic.find(py, request)?;
        Some((apps.len() + place, app))
    }

    /// The application's part: called, sent, ended, closed. PEP 3333 wants `close()` in any case; it comes after the
    /// end of the answer, so that the client neither waits for it nor sees its exceptions.
    fn run(&self, py: Python<'_>, slot: &Arc<Slot>, app: &App, environ: &Bound<'_, PyDict>) {
        let _ = slot.with(|_, state| state.reset());
        let _current = current::Running::new(slot, environ);
        let start_response = self.handles.start_response.bind_borrowed(py);
        if let Some(tally) = &app.tally {
            tally.requests.fetch_add(1, Relaxed);
        }
        let called = call_two(app.callable.bind_borrowed(py), environ.as_any(), start_response);
        let (outcome, result) = match called {
            Ok(result) => (respond(py, slot, &result), Some(result)),
            Err(error) => (Err(Failure::Raised(error)), None),
        };
        if let (Err(Failure::Raised(_)), Some(tally)) = (&outcome, &app.tally) {
            tally.exceptions.fetch_add(1, Relaxed);
        }
        self.end(py, slot, outcome);
        if let Some(result) = result {
            report_late(py, close(&result));
        }
        if let Some(hook) = &self.plan.after_request {
            if let Some((row, thread)) = &self.plan.spared {
                row.thread(*thread, ThreadWord::UserDeadline).store(u64::MAX, Relaxed);
            }
            report_late(py, hook.bind(py).call0().map(drop));
        }
    }

    /// Ends the answer as `outcome` demands.
    fn end(&self, py: Python<'_>, slot: &Slot, outcome: Result<(), Failure>) {
        let raised = if let Err(Failure::Raised(error)) = &outcome { Some(error) } else { None };
        stray::end_if_stray(py, raised);
        let gone = outcome.is_err() && slot.with(|_, state| state.gone).unwrap_or(false);
        let outcome = if gone { Err(Failure::Gone) } else { outcome };
        let end =
            self.judge(py, outcome, || slot.with(|exchange, _| request_line(exchange)).unwrap_or_default());
        // The lease cannot have ended: this runs within its grant.
        let _ = slot.with_patience(
            || pause(py),
            |exchange, state| {
                state.over = true;
                end.apply(exchange);
            },
        );
    }

    /// Finds or makes the next request's objects, if the application kept one of this one's.
    fn renew(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.handles.are_free(py, true) {
            return Ok(());
        }
        let is_free = self.kept.front().is_some_and(|oldest| oldest.are_free(py, false));
        let free = if is_free { self.kept.pop_front() } else { None };
        let next = free.map_or_else(|| Handles::new(py), Ok)?;
        // One buffer for all, or blocks of all ages would lie about in the memory that workers share.
        let state = self.handles.slot.with_rest(State::take_buffers).unwrap_or_default();
        next.slot.with_rest(|rest| *rest = state);
        self.environ.set_input(next.input.bind(py))?;
        self.kept.push_back(std::mem::replace(&mut self.handles, next));
        if self.kept.len() > MOST_KEPT {
            self.kept.pop_front();
        }
        Ok(())
    }

    /// Reports what went wrong and says how the answer ends. `target` names the request.
    fn judge(&self, py: Python<'_>, outcome: Result<(), Failure>, target: impl FnOnce() -> String) -> End {
        match outcome {
            // Nobody reads any more, or the deadline's answer has gone out: finishing only closes.
            Ok(()) | Err(Failure::Gone) => End::Finish,
            Err(Failure::Misuse(text)) => {
                report::line(&format!("{} {}", target(), text));
                End::Fail
            }
            Err(Failure::Raised(error)) if error.is_instance_of::<RequestTimeout>(py) => End::Fail,
            Err(Failure::Raised(error)) => {
                self.plan.recycling.consider(py, &error);
                let page = self.plan.show_exceptions.then(|| report::traceback(py, &error));
                report::exception(py, error);
                page.map_or(End::Fail, End::Show)
            }
        }
    }
}

/// How an answer ends.
enum End {
    /// Complete.
    Finish,
    /// With 500, or cut when its head has gone out.
    Fail,
    /// `catch-exceptions`: with this traceback, if its head has not gone out.
    Show(String),
}

impl End {
    fn apply(&self, exchange: &mut Exchange<'_>) {
        match self {
            Self::Show(page) if !exchange.head_sent() => show(exchange, page),
            Self::Fail | Self::Show(_) => exchange.fail(),
            Self::Finish => exchange.finish(),
        }
    }
}

fn show(exchange: &mut Exchange<'_>, page: &str) {
    let fields: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"text/plain; charset=utf-8")];
    let known = Some(page.len() as u64);
    let started = exchange.start(b"500 Internal Server Error", &mut fields.into_iter(), known);
    match started.and_then(|()| exchange.write(page.as_bytes())) {
        Ok(_) => exchange.finish(),
        Err(_) => exchange.fail(),
    }
}

/// Reports an exception that came when the answer had ended, unless it is that of the deadline, which has been reported.
fn report_late(py: Python<'_>, result: PyResult<()>) {
    if let Err(error) = result
        && !error.is_instance_of::<RequestTimeout>(py)
    {
        report::exception(py, error);
    }
}

/// Lets another thread of the application come to its end with the exchange.
fn pause(py: Python<'_>) {
    gil::without(py, || std::thread::sleep(PAUSE));
}

/// `GET /path`, for log lines.
fn request_line(exchange: &Exchange<'_>) -> String {
    let request = exchange.request();
    let text = |known| String::from_utf8_lossy(request.var(known).unwrap_or_default()).into_owned();
    format!("{} {}:", text(Known::RequestMethod), text(Known::RequestUri))
}

impl Executor for WsgiExecutor<'_> {
    fn attach(&mut self) {
        self.state.attach();
    }

    fn detach(&mut self) {
        self.state.detach();
    }

    fn release(&mut self) {
        self.state.with(kept::release);
    }

    fn handle(&mut self, exchange: &mut Exchange<'_>) {
        let Self { state, bridge, lane } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            state.with(|py| {
                lane.enter();
                bridge.handle(py, exchange);
                lane.leave(py);
            });
        }));
        if outcome.is_err() {
            report::line(
                "margrave: internal error while a request was answered; it got 500; please report this",
            );
            exchange.fail();
        }
    }
}
