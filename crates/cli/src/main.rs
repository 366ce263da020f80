//! The `margrave` executable: arguments to settings, settings to a running instance.
//!
//! The only place that prints and exits. A small file on purpose: configuration is `margrave-config`, everything that
//! runs is `margrave-master`.

mod fix;
mod request;

use margrave_config::check::{CheckRequest, check};
use margrave_config::{Command, Diagnostic, Loaded, help, load, search};
use margrave_control::command::{Ctl, stop_all};
use margrave_master::pidfile::{Order, send};
use margrave_master::{Reload, Reloaded, Startup};
use margrave_sys::world::OsWorld;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut world = OsWorld::new(Box::new(margrave_sources::Outside));
    match args.get(1).map(String::as_str) {
        Some("check") => return exit_code(check_files(&args[2..], &world)),
        Some("request") => return exit_code(request::run(&args[2..])),
        Some("top") => return exit_code(watch(&args[2..])),
        Some("ctl") => return exit_code(steer(&args[2..])),
        Some("stop") => return exit_code(stop(&args[2..])),
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
            return exit_code(fall_back(error.exit_code(), error.fallback.as_deref(), &args));
        }
    };
    print(&loaded.output);
    let code = match &loaded.command {
        Command::Run => {
            let (given, fallback) = (args.clone(), loaded.fallback);
            let notes = lines(&loaded.diagnostics, loaded.shown.as_deref());
            let reload = Reload::new(move || {
                world.count_reload();
                read_again(&args, &world)
            });
            let code = run(Startup { settings: loaded.settings, notes, reload, version: VERSION });
            fall_back(code, fallback.as_deref(), &given)
        }
        Command::Version => {
            print(&[format!("margrave {VERSION} (as uWSGI {})", margrave_config::UWSGI_VERSION)]);
            0
        }
        Command::Help(topic) => explain(topic.as_deref()),
        Command::Exit(code) => fall_back(*code, loaded.fallback.as_deref(), &args),
        Command::AppendData(path) => append_data(path),
        Command::Stop(path) => order(path, Order::Stop),
        Command::Reload(path) => order(path, Order::Reload),
        Command::Pause(path) => order(path, Order::Pause),
    };
    exit_code(code)
}

/// `binary-append-data`: the file and its length, as `data://` finds them behind the executable.
fn append_data(path: &std::path::Path) -> i32 {
    let written = std::fs::read(path).and_then(|mut data| {
        data.extend_from_slice(&(data.len() as u64).to_le_bytes());
        io::stdout().lock().write_all(&data)
    });
    match written {
        Ok(()) => 0,
        Err(error) => {
            complain(&[format!(
                "margrave: error: binary-append-data: {}: {error}; name a file that can be read",
                path.display()
            )]);
            1
        }
    }
}

/// `--help`, of all or of one option or subject.
fn explain(topic: Option<&str>) -> i32 {
    match help(topic) {
        Ok(text) => {
            print(&[text.trim_end().to_owned()]);
            0
        }
        Err(message) => {
            complain(&[format!("margrave: error: {message}")]);
            1
        }
    }
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
    let color =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if request.fix {
        return fix::run(&request, world, color);
    }
    let report = check(&request, world);
    let text = if request.json { report.json() } else { report.render(world, color) };
    print(&[text.trim_end().to_owned()]);
    report.exit_code
}

/// `margrave ctl`.
fn steer(words: &[String]) -> i32 {
    match Ctl::parse(words).and_then(Ctl::run) {
        Ok(said) => {
            print(&[said.text]);
            said.exit_code
        }
        Err(error) => {
            complain(&[format!("margrave: error: {error}")]);
            error.exit_code()
        }
    }
}

/// `margrave top`.
fn watch(words: &[String]) -> i32 {
    match margrave_top::run(words) {
        Ok(()) => 0,
        Err(error) => {
            complain(&[format!("margrave: error: {error}")]);
            1
        }
    }
}

/// `margrave stop --all`.
fn stop(words: &[String]) -> i32 {
    match stop_all(words, &mut |line| print(&[line])) {
        Ok(code) => code,
        Err(error) => {
            complain(&[format!("margrave: error: {error}")]);
            error.exit_code()
        }
    }
}

fn run(startup: Startup) -> i32 {
    let (emperor, hooks) = (startup.settings.emperor.clone(), startup.settings.hooks.clone());
    if emperor.sources.is_empty() {
        return margrave_master::run(startup);
    }
    margrave_master::run_in_place(startup, "uWSGI Emperor", |signals, scene| {
        let ruled = std::env::current_exe()
            .map_err(margrave_emperor::EmperorError::from)
            .and_then(|executable| margrave_emperor::run(&emperor, &hooks, scene, &executable, signals));
        match ruled {
            Ok(()) => 0,
            Err(error) => {
                complain(&[format!("margrave: error: {error}")]);
                error.exit_code()
            }
        }
    })
}

/// `fallback-config`: starts again with that file when the exit code is 1. Returns the code when it does not.
fn fall_back(code: i32, fallback: Option<&str>, args: &[String]) -> i32 {
    /// The code that stands for errors of configuration and start.
    const START_ERROR: i32 = 1;
    /// Files that fall back on one another end here.
    const MOST_ATTEMPTS: u32 = 10;
    const COUNTER: &str = "UWSGI_RELOADS";
    let Some(file) =
        fallback.filter(|file| code == START_ERROR && args.get(1..) != Some(&[(*file).to_owned()]))
    else {
        return code;
    };
    let attempts = std::env::var(COUNTER).ok().and_then(|count| count.parse().ok()).unwrap_or(0) + 1;
    if attempts > MOST_ATTEMPTS {
        complain(&[format!(
            "margrave: error: fallback-config: gave up after {MOST_ATTEMPTS} fallbacks; correct {file}"
        )]);
        return code;
    }
    complain(&[format!(
        "margrave: the exit code would be {code}: starting with the fallback configuration {file}"
    )]);
    // As at an exec by any shell: nothing of the first attempt stays blocked.
    let _ = margrave_sys::signal::unblock_all();
    let error = match std::env::current_exe() {
        Ok(executable) => {
            std::process::Command::new(executable).arg(file).env(COUNTER, attempts.to_string()).exec()
        }
        Err(error) => error,
    };
    complain(&[format!(
        "margrave: error: fallback-config: cannot start with {file}: {error}; start it by hand"
    )]);
    code
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
