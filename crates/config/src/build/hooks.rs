//! Hooks: `hook-*` with their actions, and the families `exec-*`, `mount-*`, `umount-*`.

mod action;

use super::values::Values;
use crate::loader::Setting;
use crate::settings::{Action, Await, Hook, HookSettings, PathKind, Phase};
use std::path::PathBuf;

/// `hook-*` by phase.
const HOOKS: &[(&str, Phase)] = &[
    ("hook-emperor-start", Phase::EmperorStart),
    ("hook-as-vassal", Phase::AsVassal),
    ("hook-as-emperor", Phase::AsEmperor),
    ("hook-emperor-reload", Phase::EmperorReload),
    ("hook-emperor-stop", Phase::EmperorStop),
    ("hook-asap", Phase::Asap),
    ("hook-pre-jail", Phase::PreJail),
    ("hook-post-jail", Phase::PostJail),
    ("hook-in-jail", Phase::InJail),
    ("hook-as-root", Phase::AsRoot),
    ("hook-as-user", Phase::AsUser),
    ("hook-as-user-atexit", Phase::AsUserAtExit),
    ("hook-pre-app", Phase::PreApp),
    ("hook-post-app", Phase::PostApp),
    ("hook-master-start", Phase::MasterStart),
    ("hook-post-fork", Phase::PostFork),
    ("hook-accepting", Phase::Accepting),
    ("hook-accepting1", Phase::Accepting1),
    ("hook-accepting-once", Phase::AcceptingOnce),
    ("hook-accepting1-once", Phase::Accepting1Once),
];

/// Families whose whole value is the argument of one action: the option, its phase, the verb.
const FAMILIES: &[(&str, Phase, &str)] = &[
    ("mount-asap", Phase::Asap, "mount"),
    ("mount-pre-jail", Phase::PreJail, "mount"),
    ("mount-post-jail", Phase::PostJail, "mount"),
    ("mount-in-jail", Phase::InJail, "mount"),
    ("mount-as-root", Phase::AsRoot, "mount"),
    ("mount-as-vassal", Phase::AsVassal, "mount"),
    ("mount-as-emperor", Phase::AsEmperor, "mount"),
    ("umount-asap", Phase::Asap, "umount"),
    ("umount-pre-jail", Phase::PreJail, "umount"),
    ("umount-post-jail", Phase::PostJail, "umount"),
    ("umount-in-jail", Phase::InJail, "umount"),
    ("umount-as-root", Phase::AsRoot, "umount"),
    ("umount-as-vassal", Phase::AsVassal, "umount"),
    ("umount-as-emperor", Phase::AsEmperor, "umount"),
    ("exec-asap", Phase::Asap, "exec"),
    ("exec-pre-jail", Phase::PreJail, "exec"),
    ("exec-post-jail", Phase::PostJail, "exec"),
    ("exec-in-jail", Phase::InJail, "exec"),
    ("exec-as-root", Phase::AsRoot, "exec"),
    ("exec-as-user", Phase::AsUser, "exec"),
    ("exec-as-user-atexit", Phase::AsUserAtExit, "exec"),
    ("exec-pre-app", Phase::PreApp, "exec"),
    ("exec-post-app", Phase::PostApp, "exec"),
    ("exec-as-vassal", Phase::AsVassal, "exec"),
    ("exec-as-emperor", Phase::AsEmperor, "exec"),
];

pub fn build(values: &mut Values<'_>) -> HookSettings {
    let default = HookSettings::default();
    let mut hooks = file_writes(values);
    for (option, phase) in HOOKS {
        for setting in values.all(&[option]) {
            let parsed = action::parse(setting.text());
            hooks.extend(kept(values, setting, *phase, parsed));
        }
    }
    // uWSGI's order within a phase: hooks, mounts, umounts, commands; each kind in the order of the file.
    for (option, phase, verb) in FAMILIES {
        for setting in values.all(&[option]) {
            let parsed = action::of_verb(verb, setting.text()).map(Some);
            hooks.extend(kept(values, setting, *phase, parsed));
        }
    }
    HookSettings {
        hooks,
        awaited: awaited(values),
        interface_patience: patience(values, "wait-for-interface-timeout", default.interface_patience),
        path_patience: patience(values, "wait-for-fs-timeout", default.path_patience),
        socket_patience: patience(values, "wait-for-socket-timeout", default.socket_patience),
        shells: values.paths("binsh"),
        touched: touched(values),
        mount_points: values.paths("check-mountpoint"),
    }
}

fn patience(values: &mut Values<'_>, option: &'static str, default: u32) -> u32 {
    values.number(option).map_or(default, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn kept(
    values: &mut Values<'_>,
    setting: &Setting,
    phase: Phase,
    parsed: Result<Option<Action>, String>,
) -> Option<Hook> {
    let action = match parsed {
        Ok(Some(action)) => action,
        Ok(None) => {
            let message = format!("the action `{}` is not built yet, so it has no effect", setting.text());
            values.warn(setting, message);
            return None;
        }
        Err(message) => {
            values.error(setting, message);
            return None;
        }
    };
    if matches!(action, Action::BindSignal(..)) && !is_of_master(phase) {
        let message = format!(
            "signals are the master's, which `hook-{}` does not run in; write `hook-master-start`",
            phase.name()
        );
        values.error(setting, message);
        return None;
    }
    let (text, option, origin) =
        (setting.text().to_owned(), setting.name.clone(), setting.origin.to_string());
    Some(Hook { phase, action, text, option, origin })
}

/// Whether the master itself runs it while it starts, and lives on.
fn is_of_master(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Asap
            | Phase::PreJail
            | Phase::PostJail
            | Phase::InJail
            | Phase::AsRoot
            | Phase::AsUser
            | Phase::MasterStart
    )
}

/// `file-write = path=text`, before every other action of root.
fn file_writes(values: &mut Values<'_>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for setting in values.all(&["file-write"]) {
        if let Some((path, text)) = values.pair(setting, "PATH=text") {
            let action = Action::Write(path.into(), format!("{text}\n"));
            hooks.extend(kept(values, setting, Phase::AsRoot, Ok(Some(action))));
        }
    }
    hooks
}

fn awaited(values: &mut Values<'_>) -> Vec<Await> {
    const PATHS: [(&str, PathKind); 4] = [
        ("wait-for-fs", PathKind::Any),
        ("wait-for-file", PathKind::File),
        ("wait-for-dir", PathKind::Directory),
        ("wait-for-mountpoint", PathKind::MountPoint),
    ];
    let mut list: Vec<Await> = values.texts("wait-for-interface").into_iter().map(Await::Interface).collect();
    for (option, kind) in PATHS {
        list.extend(values.paths(option).into_iter().map(|path| Await::Path(path, kind)));
    }
    for setting in values.all(&["wait-for-socket"]) {
        let parsed = crate::values::address(setting.text());
        list.extend(values.keep(setting, parsed).map(Await::Socket));
    }
    list
}

/// `touch-exec = file command`, `hook-touch = file action`.
fn touched(values: &mut Values<'_>) -> Vec<(PathBuf, Hook)> {
    let mut list = Vec::new();
    for option in ["touch-exec", "hook-touch"] {
        for setting in values.all(&[option]) {
            let Some((file, rest)) = setting.text().trim().split_once(char::is_whitespace) else {
                values.error(setting, "write a file, a blank, and what is to be done");
                continue;
            };
            let parsed = match option {
                "touch-exec" => action::of_verb("exec", rest.trim()).map(Some),
                _ => action::parse(rest.trim()),
            };
            list.extend(
                kept(values, setting, Phase::MasterStart, parsed).map(|hook| (PathBuf::from(file), hook)),
            );
        }
    }
    list
}
