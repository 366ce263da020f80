//! The instance as a Unix program.

use super::values::Values;
use crate::settings::HostSettings;
use std::path::PathBuf;

pub fn build(values: &mut Values<'_>) -> HostSettings {
    let default = HostSettings::default();
    HostSettings {
        chdir: ["chdir", "chdir2"].into_iter().filter_map(|name| values.path(name)).collect(),
        env: env(values),
        unenv: values.texts("unenv"),
        uid: values.text("uid").map(str::to_owned),
        gid: values.text("gid").map(str::to_owned),
        umask: values.mode("umask"),
        pidfile: values.path("pidfile"),
        pidfile2: values.path("pidfile2"),
        safe_pidfile: values.path("safe-pidfile"),
        daemonize: log_file(values, "daemonize"),
        daemonize2: log_file(values, "daemonize2"),
        vacuum: values.flag("vacuum").unwrap_or(default.vacuum),
    }
}

fn env(values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for setting in values.all(&["env"]) {
        if let Some((name, value)) = values.pair(setting, "NAME=value") {
            env.push((name.to_owned(), value.to_owned()));
        }
    }
    env
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
