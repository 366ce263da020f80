//! The instance as a Unix program.

use super::values::Values;
use crate::envdir;
use crate::error::Problem;
use crate::settings::{HeldFile, HostSettings};
use std::path::PathBuf;

pub fn build(values: &mut Values<'_>, early: &[envdir::Change]) -> HostSettings {
    let (env, unenv) = environment(values, early);
    let default = HostSettings::default();
    HostSettings {
        chdir: values.path("chdir"),
        chdir_late: values.path("chdir2"),
        env,
        unenv,
        uid: ["immediate-uid", "uid"]
            .into_iter()
            .filter_map(|name| values.text(name))
            .last()
            .map(str::to_owned),
        gid: ["immediate-gid", "gid"]
            .into_iter()
            .filter_map(|name| values.text(name))
            .last()
            .map(str::to_owned),
        add_gid: values.texts("add-gid"),
        no_initgroups: values.flag("no-initgroups").unwrap_or(default.no_initgroups),
        capabilities: words(values.text("cap")),
        master_as_root: values.flag("master-as-root").unwrap_or(default.master_as_root),
        limit_address_space: values.megabytes("limit-as"),
        limit_processes: values.positive("limit-nproc"),
        niceness: niceness(values),
        cpu_affinity: values.bounded("cpu-affinity", 1, u16::MAX),
        never_swap: values.flag("never-swap").unwrap_or(default.never_swap),
        umask: values.mode("umask"),
        chroot: values.path("chroot"),
        jailed: values.flag("jailed").unwrap_or(default.jailed),
        pidfile: values.path("pidfile"),
        pidfile2: values.path("pidfile2"),
        safe_pidfile: values.path("safe-pidfile"),
        safe_pidfile2: values.path("safe-pidfile2"),
        daemonize: log_file(values, "daemonize"),
        daemonize2: log_file(values, "daemonize2"),
        vacuum: values.flag("vacuum").unwrap_or(default.vacuum),
        held_files: held_files(values),
    }
}

fn held_files(values: &mut Values<'_>) -> Vec<HeldFile> {
    const OPTIONS: [(&str, bool, bool); 4] = [
        ("flock", false, false),
        ("flock-wait", true, false),
        ("flock2", false, true),
        ("flock-wait2", true, true),
    ];
    let held = OPTIONS.into_iter().flat_map(|(option, waits, late)| {
        let paths = values.paths(option).into_iter();
        paths.map(move |path| HeldFile { option: option.to_owned(), path, waits, late }).collect::<Vec<_>>()
    });
    held.collect()
}

fn words(list: Option<&str>) -> Vec<String> {
    let words = list.unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn niceness(values: &mut Values<'_>) -> Option<i32> {
    let setting = values.last("prio")?;
    let number = setting.text().trim().parse().ok().filter(|number| (-20..=19).contains(number));
    if number.is_none() {
        let message = format!("`{}` is no priority; write a number from -20 to 19", setting.text());
        values.error(setting, message);
    }
    number
}

/// What is set and what is removed: `ienv` and `early-envdir` come first, `envdir` last, as in uWSGI.
fn environment(values: &mut Values<'_>, early: &[envdir::Change]) -> (Vec<(String, String)>, Vec<String>) {
    let (mut variables, mut removed) = (Vec::new(), Vec::new());
    for change in early {
        envdir::apply(change.clone(), &mut variables, &mut removed);
    }
    for setting in values.all(&["env"]) {
        match values.assignment(setting) {
            Some((name, value)) => {
                removed.retain(|known| known != name);
                variables.push((name.to_owned(), value.to_owned()));
            }
            None => removed.push(setting.text().trim().to_owned()),
        }
    }
    removed.extend(values.texts("unenv"));
    for setting in values.all(&["envdir"]) {
        match envdir::read(setting.text(), &setting.name, &setting.origin, values.world) {
            Ok(changes) => {
                changes.into_iter().for_each(|change| envdir::apply(change, &mut variables, &mut removed));
            }
            Err(Problem::Invalid(findings)) => values.findings.extend(findings),
            Err(problem) => values.error(setting, problem.to_string()),
        }
    }
    (variables, removed)
}

/// A log file; uWSGI also takes `host:port` here and logs over UDP.
pub fn log_file(values: &mut Values<'_>, name: &'static str) -> Option<PathBuf> {
    let setting = values.last(name)?;
    let text = values.text(name)?;
    let port = text.rsplit_once(':').filter(|_| !text.contains('/')).map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        values.error(
            setting,
            format!(
                "logging to `{text}` over UDP is written as `log-socket = {text}`; here a file is wanted"
            ),
        );
        return None;
    }
    Some(PathBuf::from(text))
}
