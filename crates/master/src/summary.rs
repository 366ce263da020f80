//! The start-up summary: what a person wants to see at a glance.

use crate::generation::Generation;
use margrave_lifecycle::message::AppReport;
use margrave_sys::process;
use std::fmt::Write;

/// What the summary tells beside the generation.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Version of Margrave.
    pub version: &'a str,
    /// Address of the stats server.
    pub stats: Option<&'a str>,
    /// Use colours.
    pub colour: bool,
}

/// The summary of a generation whose zygote is ready, some ten lines.
#[must_use]
pub fn text(generation: &Generation, about: About<'_>) -> String {
    let About { version, stats, colour } = about;
    let (strong, weak, plain) = if colour { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("{strong}margrave {version}{plain} {weak}(pid {}){plain}\n", process::id());
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {weak}{name:<9}{plain} {value}");
    };
    let mut heading = "listens";
    for bound in &generation.listeners {
        row(heading, &format!("{}  {weak}{}{plain}", bound.shown(), bound.settings.option));
        heading = "";
    }
    if generation.listeners.is_empty() {
        row(heading, "nowhere: add `http = 127.0.0.1:8000` or `socket = /run/app.sock`");
    }
    let loaded = generation.loaded.clone().unwrap_or_default();
    let mut heading = "serves";
    for app in &loaded.apps {
        row(heading, &app_line(app));
        heading = "";
    }
    let process = &generation.settings.process;
    if loaded.apps.is_empty() {
        row(heading, if process.lazy_apps { "what each worker loads itself" } else { "no application" });
    }
    row("python", &format!("{} in {}", loaded.python, loaded.prefix));
    let lazy = if process.lazy_apps { ", each loads the application itself" } else { "" };
    row(
        "workers",
        &format!(
            "{} x {}{lazy}",
            count(process.workers.max(1), "process", "processes"),
            count(process.threads.max(1), "thread", "threads")
        ),
    );
    if let Some(address) = stats {
        row("stats", address);
    }
    for (name, value) in host_rows(generation) {
        row(name, &value);
    }
    if colour {
        row("control", &format!("Ctrl-C stops, kill -HUP {} reloads", process::id()));
    }
    text
}

fn app_line(app: &AppReport) -> String {
    let place = if app.mountpoint.is_empty() { "" } else { " at " };
    // A name that begins with `%d/` has two slashes where one is meant.
    let name = app.name.replace("//", "/");
    format!("{name}{place}{} (loaded in {:.2} s)", app.mountpoint, f64::from(app.millis) / 1000.0)
}

fn host_rows(generation: &Generation) -> Vec<(&'static str, String)> {
    let settings = &generation.settings;
    let mut rows = Vec::new();
    let pidfile = [&settings.host.pidfile, &settings.host.pidfile2, &settings.host.safe_pidfile];
    if let Some(path) = pidfile.into_iter().flatten().next() {
        rows.push(("pidfile", path.display().to_string()));
    }
    let log =
        [&settings.host.daemonize, &settings.host.daemonize2, &settings.log.logto, &settings.log.logto2];
    if let Some(path) = log.into_iter().flatten().next() {
        rows.push(("log", path.display().to_string()));
    }
    let (uid, gid) = process::user_and_group();
    if uid == 0 {
        rows.push(("user", "root: consider `uid = www-data` and `gid = www-data`".to_owned()));
    } else if settings.host.uid.is_some() {
        let user = margrave_sys::users::user_name(uid).unwrap_or_else(|| uid.to_string());
        let group = margrave_sys::users::group_name(gid).unwrap_or_else(|| gid.to_string());
        rows.push(("user", format!("{user}, group {group}")));
    }
    if let Some(limit) = settings.process.harakiri {
        rows.push(("harakiri", format!("after {} s", limit.as_secs())));
    }
    rows
}

fn count(number: u16, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_shown_with_its_mount_point() {
        let app = |mountpoint: &str| AppReport {
            mountpoint: mountpoint.into(),
            name: "site:app".into(),
            millis: 310,
        };
        assert_eq!(app_line(&app("")), "site:app (loaded in 0.31 s)");
        assert_eq!(app_line(&app("/api")), "site:app at /api (loaded in 0.31 s)");
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(count(1, "process", "processes"), "1 process");
        assert_eq!(count(4, "process", "processes"), "4 processes");
    }
}
