//! The `margrave` executable: arguments to settings, settings to a running instance.
//!
//! The only place that prints and exits. A small file on purpose: configuration is `margrave-config`, everything that
//! runs is `margrave-master`.

use margrave_config::check::{CheckRequest, check};
use margrave_config::{Command, Diagnostic, Loaded, help, load, search};
use margrave_master::pidfile::{Order, send};
use margrave_master::{Reload, Reloaded, Startup};
use margrave_sys::world::OsWorld;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut world = OsWorld::new();
    match args.get(1).map(String::as_str) {
        Some("check") => return exit_code(check_files(&args[2..], &world)),
        Some("options") => {
            print(&[search(&args[2..]).trim_end().to_owned()]);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let loaded = match load(&args, &world) {
        Ok(loaded) => loaded,
        Err(error) => {
            print(&error.output);
            complain(&lines(&error.diagnostics, error.shown.as_deref()));
            complain(&[format!("margrave: error: {error}")]);
            return exit_code(error.exit_code());
        }
    };
    print(&loaded.output);
    let code = match &loaded.command {
        Command::Run => {
            let notes = lines(&loaded.diagnostics, loaded.shown.as_deref());
            let reload = Reload::new(move || {
                world.count_reload();
                read_again(&args, &world)
            });
            run(Startup { settings: loaded.settings, notes, reload, version: VERSION })
        }
        Command::Version => {
            print(&[format!("margrave {VERSION} (as uWSGI {})", margrave_config::UWSGI_VERSION)]);
            0
        }
        Command::Help(topic) => {
            print(&[help(topic.as_deref()).trim_end().to_owned()]);
            0
        }
        Command::Exit(code) => *code,
        Command::Stop(path) => order(path, Order::Stop),
        Command::Reload(path) => order(path, Order::Reload),
    };
    exit_code(code)
}

/// `margrave check`.
fn check_files(arguments: &[String], world: &OsWorld) -> i32 {
    const USAGE_ERROR: i32 = 2;
    let request = match CheckRequest::parse(arguments) {
        Ok(request) => request,
        Err(message) => {
            complain(&[format!("margrave: error: {message}")]);
            return USAGE_ERROR;
        }
    };
    let report = check(&request, world);
    let color =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let text = if request.json { report.json() } else { report.render(world, color) };
    print(&[text.trim_end().to_owned()]);
    report.exit_code
}

fn run(startup: Startup) -> i32 {
    let emperor = startup.settings.emperor.clone();
    if emperor.sources.is_empty() {
        return margrave_master::run(startup);
    }
    margrave_master::run_in_place(startup, "uWSGI Emperor", |signals| {
        let ruled = std::env::current_exe()
            .map_err(margrave_emperor::EmperorError::from)
            .and_then(|executable| margrave_emperor::run(&emperor, &executable, signals));
        match ruled {
            Ok(()) => 0,
            Err(error) => {
                complain(&[format!("margrave: error: {error}")]);
                1
            }
        }
    })
}

fn read_again(args: &[String], world: &OsWorld) -> Result<Reloaded, String> {
    match load(args, world) {
        Ok(Loaded { settings, diagnostics, shown, command: Command::Run, .. }) => {
            Ok(Reloaded { settings, warnings: lines(&diagnostics, shown.as_deref()) })
        }
        Ok(_) => Err("the configuration no longer describes an instance to run".to_owned()),
        Err(error) => {
            let mut text = lines(&error.diagnostics, None);
            text.push(error.to_string());
            Err(text.join("\n"))
        }
    }
}

fn order(path: &std::path::Path, order: Order) -> i32 {
    match send(path, order) {
        Ok(()) => 0,
        Err(error) => {
            complain(&[format!("margrave: error: {error}")]);
            error.exit_code()
        }
    }
}

fn lines(diagnostics: &[Diagnostic], shown: Option<&str>) -> Vec<String> {
    let findings = diagnostics.iter().map(|finding| format!("margrave: warning: {finding}"));
    findings.chain(shown.map(str::to_owned)).collect()
}

/// To standard output; a reader that has gone (`margrave --help | head`) is no error.
fn print(lines: &[String]) {
    let mut out = io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

fn complain(lines: &[String]) {
    let mut out = io::stderr().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

fn exit_code(code: i32) -> ExitCode {
    // As `exit` does: the low byte.
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}
