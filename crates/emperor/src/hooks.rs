//! Hooks of the emperor's configuration. Those of its start run in the emperor itself, before there are vassals; the
//! others in processes of their own, so that a slow one delays no vassal but its own.

use crate::{EmperorError, say};
use margrave_config::settings::{HookSettings, Phase};
use margrave_sys::action::{Effect, Scene};
use margrave_sys::process::{self, Program};
use std::path::Path;
use std::process::{Command, Stdio};

/// By which hooks know their vassal; a vassal itself does not have it, since its environment is configuration.
const NAME: &str = "UWSGI_VASSAL_CONFIG";

/// How the hooks of a phase went.
enum Went {
    /// All were performed; some may have failed where that ends nothing.
    Well,
    /// One failed, which is in the text.
    Failed(String),
    /// One asks for the end with this code.
    Exit(u8),
}

/// `hook-emperor-start`.
pub(crate) fn at_start(hooks: &HookSettings, scene: &mut Scene) -> Result<(), EmperorError> {
    match perform(Phase::EmperorStart, hooks, scene) {
        Went::Well => Ok(()),
        Went::Failed(text) => Err(EmperorError::Hook(text)),
        Went::Exit(code) => Err(EmperorError::Asked(code)),
    }
}

/// In the process that is to become a vassal: what comes before, and the vassal. Returns its exit code when it does
/// not come to that. `scene` has the directory and the variables of the vassal.
pub(crate) fn become_vassal(
    mut program: Program<'_>,
    name: &str,
    start_hook: Option<&Path>,
    hooks: &HookSettings,
    mut scene: Scene,
) -> i32 {
    /// The code of a vassal that cannot start.
    const FAILED: i32 = 1;
    if let Some(hook) = start_hook {
        run_program("vassals-start-hook", hook, name, &scene);
    }
    scene.variables.push((NAME.into(), name.into()));
    match perform(Phase::AsVassal, hooks, &mut scene) {
        Went::Well => {}
        Went::Failed(text) => {
            say(format_args!("emperor: vassal {name} does not start: {text}"));
            return FAILED;
        }
        Went::Exit(code) => return code.into(),
    }
    program.directory = scene.directory.take();
    let own = scene.variables.into_iter().filter(|(name, _)| name != NAME);
    let variables: Vec<_> = own.map(|(name, value)| (name.into(), value.into())).collect();
    program.environment.retain(|(known, _)| variables.iter().all(|(name, _)| name != known));
    program.environment.extend(variables);
    let error = process::become_program(&program);
    say(format_args!("emperor: vassal {name} cannot be started: {error}"));
    FAILED
}

/// Beside the emperor: `hook-as-emperor` and its relatives. The exit code of the process.
pub(crate) fn beside_emperor(name: &str, hooks: &HookSettings, mut scene: Scene) -> i32 {
    scene.variables.push((NAME.into(), name.into()));
    match perform(Phase::AsEmperor, hooks, &mut scene) {
        Went::Well | Went::Failed(_) => 0,
        Went::Exit(code) => code.into(),
    }
}

/// Runs a program with the name of a vassal and waits for it. A failure is in the log.
pub(crate) fn run_program(option: &str, program: &Path, vassal: &str, scene: &Scene) {
    say(format_args!("emperor: {option}: runs {} {vassal}", program.display()));
    let mut command = Command::new(program);
    command.arg(vassal).stdin(Stdio::null());
    command.envs(scene.variables.iter().map(|(name, value)| (name, value)));
    if let Some(directory) = &scene.directory {
        command.current_dir(directory);
    }
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => say(format_args!("emperor: {option}: {} {vassal}: {status}", program.display())),
        Err(error) => say(format_args!("emperor: {option}: cannot run {}: {error}", program.display())),
    }
}

fn perform(phase: Phase, hooks: &HookSettings, scene: &mut Scene) -> Went {
    for hook in hooks.of(phase) {
        say(format_args!("{}: runs `{}`", hook.option, hook.text));
        match scene.perform(&hook.action) {
            Ok(Effect::None | Effect::BindSignal(..)) => {}
            Ok(Effect::Print(text)) => say(format_args!("{text}")),
            Ok(Effect::Exit(code)) => return Went::Exit(code),
            Err(error) => {
                let text = format!("{} failed: {error}", hook.place());
                if phase.is_fatal() {
                    return Went::Failed(text);
                }
                say(format_args!("{text}"));
            }
        }
    }
    Went::Well
}
