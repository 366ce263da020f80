//! Hooks that run in the zygote and in workers: performed natively, between the steps that `python/margrave` takes.

use margrave_config::settings::{HookSettings, Phase};
use margrave_sys::action::{Effect, Scene};
use pyo3::PyResult;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use std::io::Write;
use std::path::PathBuf;

/// Variables for `os.environ`, and the code with which the process is to end.
pub type HookResult = (Vec<(String, String)>, Option<u8>);

/// Runs the hooks of a phase in `directory`, or where this process is, in which case `chdir` moves it.
///
/// # Errors
/// `RuntimeError` with one sentence for the first that fails in a phase where that matters.
pub fn run(settings: &HookSettings, phase: &str, directory: Option<PathBuf>) -> PyResult<HookResult> {
    let phase =
        Phase::named(phase).ok_or_else(|| PyValueError::new_err(format!("no phase is called {phase}")))?;
    let mut scene = Scene {
        moves: directory.is_none(),
        directory,
        shells: settings.shells.clone(),
        path_patience: settings.path_patience,
        socket_patience: settings.socket_patience,
        ..Scene::default()
    };
    for hook in settings.of(phase) {
        say(&format!("margrave: {}: runs `{}`", hook.option, hook.text));
        match scene.perform(&hook.action) {
            Ok(Effect::None | Effect::BindSignal(..)) => {}
            Ok(Effect::Print(text)) => say(&text),
            Ok(Effect::Exit(code)) => return Ok((scene.variables, Some(code))),
            Err(error) => {
                let place = if hook.origin.is_empty() { String::new() } else { format!("{}: ", hook.origin) };
                let text = format!("{place}{}: `{}` failed: {error}", hook.option, hook.text);
                if phase.is_fatal() {
                    return Err(PyRuntimeError::new_err(text));
                }
                say(&format!("margrave: warning: {text}"));
            }
        }
    }
    Ok((scene.variables, None))
}

/// In one write, so that lines of several processes do not mix. A log that is gone must not stop a hook.
pub fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
