//! Configuration as uWSGI reads it: text to raw keys, expansion and logic, then typed [`Settings`].
//!
//! The way of a value: [`world`](World) → `source` (bytes to text) → `magic` (`%x`) → `formats` (lines to keys) → `loader`
//! (directives, blocks, `$()`, `@()`, `%()`) → `build` (typed settings). `options` is the registry that all of them consult.
//!
//! Pure: files, environment, clock and host facts come through [`World`]. Follows the uWSGI 2.0 configuration
//! documentation; where Margrave differs on purpose the option registry and the module in question say so.

mod build;
pub mod check;
mod command_line;
pub mod diagnostic;
mod envdir;
mod error;
mod expand;
mod formats;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod help;
mod loader;
mod magic;
mod memory;
pub mod options;
mod pattern;
mod raw;
mod schema;
pub mod settings;
#[cfg(test)]
#[allow(clippy::disallowed_methods)] // It reads its corpus.
#[path = "../../../fuzz/smoke.rs"]
mod smoke;
mod source;
mod start_form;
mod suggest;
mod values;
mod world;

pub use diagnostic::{Diagnostic, Origin, Repair, Severity, Topic};
pub use error::{ConfigError, Problem};
pub use help::{help, names, reference, search};
pub use memory::MemoryWorld;
pub use schema::schema;
pub use settings::Settings;
pub use values::parse_address;
pub use world::{Embedded, Entry, EntryKind, Ran, Sources, World};

use loader::{Halt, Loader, Reading};
use std::path::PathBuf;

/// The release of uWSGI whose behaviour Margrave follows: `%V`, `uwsgi.version`.
pub const UWSGI_VERSION: &str = "2.0.31";

/// A configuration that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The typed result; the defaults unless `command` is [`Command::Run`].
    pub settings: Settings,
    /// Warnings in the order found.
    pub diagnostics: Vec<Diagnostic>,
    /// What is in order and still worth knowing, such as options without effect here; for `margrave check`, not for the log.
    pub notices: Vec<Diagnostic>,
    /// Lines of `print`, `iprint` and `get` for standard output, to print before `command` is obeyed.
    pub output: Vec<String>,
    /// The text of `show-config` for the log, when it was asked for.
    pub shown: Option<String>,
    /// What the operator wants done.
    pub command: Command,
    /// The file to start with when the exit code would be 1 (`fallback-config`).
    pub fallback: Option<String>,
}

/// What the operator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start the instance.
    Run,
    /// Print the version and exit with 0.
    Version,
    /// Print [`help`] on everything or on one option or subject, and exit with 0.
    Help(Option<String>),
    /// Exit at once with this code (`exit`, `get`).
    Exit(i32),
    /// Stop the instance whose pidfile this is.
    Stop(PathBuf),
    /// Reload the instance whose pidfile this is.
    Reload(PathBuf),
    /// Pause the instance whose pidfile this is, or resume it when it is paused.
    Pause(PathBuf),
    /// Write this file to standard output, followed by its length in 8 bytes, little endian: `data://0` once it stands behind
    /// the executable.
    AppendData(PathBuf),
}

/// Reads the whole configuration of one instance: environment, command line and the files that they name.
///
/// `args[0]` is the name of the program. The same call again, at a reload, reads everything afresh.
///
/// # Errors
/// The first problem that makes the configuration unusable, with what was found before it.
pub fn load(args: &[String], world: &dyn World) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new(world);
    let outcome = loader.run(args);
    let mut reading = loader.into_reading();
    let command = match outcome {
        Err(Halt::Problem(problem)) => return Err(fail(problem, reading)),
        Err(Halt::Command(command)) => command,
        Ok(()) => Command::Run,
    };
    let mut settings = Settings::default();
    // Settings that took effect before `version` are checked, as uWSGI does; other commands do not care.
    if matches!(command, Command::Run | Command::Version) {
        let built = build::build(&reading, world);
        reading.findings.extend(built.findings);
        if reading.is_strict {
            reading.findings.iter_mut().for_each(make_strict);
        }
        let is_error = |finding: &mut Diagnostic| finding.severity == Severity::Error;
        let errors: Vec<Diagnostic> = reading.findings.extract_if(.., is_error).collect();
        if !errors.is_empty() {
            forget_later_lines(&mut reading, &errors);
            return Err(fail(Problem::Invalid(errors), reading));
        }
        if command == Command::Run {
            if !has_purpose(&built.settings) {
                return Err(fail(without_purpose(&mut reading), reading));
            }
            settings = built.settings;
        }
    }
    let Reading { mut findings, missing_sections, output, shown, fallback, .. } = reading;
    let output = output.into_iter().map(|line| line.text).collect();
    findings.extend(missing_sections);
    diagnostic::sort(&mut findings);
    let (notices, diagnostics) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Notice);
    Ok(Loaded { settings, diagnostics, notices, output, shown, command, fallback })
}

/// Keeps of the printed lines those before the first setting that is wrong: uWSGI stops there.
fn forget_later_lines(reading: &mut Reading, errors: &[Diagnostic]) {
    let is_wrong = |setting: &loader::Setting| {
        errors.iter().any(|error| error.origin == setting.origin && error.option == setting.name)
    };
    if let Some(first) = reading.settings.iter().position(is_wrong) {
        reading.output.retain(|line| line.after <= first);
    }
}

/// Reads as [`load`] does and finds everything there is to say: it goes on after problems and obeys no command.
pub(crate) fn examine(args: &[String], world: &dyn World, place: check::Place) -> Vec<Diagnostic> {
    let mut loader = Loader::new(world).for_check();
    let outcome = loader.run(args);
    let mut reading = loader.into_reading();
    if let Err(Halt::Problem(problem)) = outcome {
        reading.findings.extend(problem.into_findings());
    }
    let built = build::build(&reading, world);
    reading.findings.extend(built.findings);
    if place == check::Place::Here {
        reading.findings.extend(check::look(&built.read, world));
    }
    let is_sound = reading.findings.iter().all(|finding| finding.severity != Severity::Error);
    if is_sound && !has_purpose(&built.settings) {
        let findings = without_purpose(&mut reading).into_findings();
        // A section that is not there is a warning beside others, and an error when nothing else is there.
        let errors = findings.into_iter().map(|mut finding| {
            finding.severity = Severity::Error;
            finding
        });
        reading.findings.extend(errors);
    }
    if reading.is_strict {
        reading.findings.iter_mut().for_each(make_strict);
    }
    reading.findings.extend(std::mem::take(&mut reading.missing_sections));
    diagnostic::sort(&mut reading.findings);
    reading.findings
}

/// `strict`: what misleads is an error. Unknown names are errors from the start.
fn make_strict(finding: &mut Diagnostic) {
    if finding.misleads {
        finding.severity = Severity::Error;
    }
}

fn fail(problem: Problem, reading: Reading) -> ConfigError {
    let mut findings = reading.findings;
    findings.extend(reading.missing_sections);
    diagnostic::sort(&mut findings);
    let (notices, diagnostics) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Notice);
    ConfigError {
        problem: Box::new(problem),
        diagnostics,
        notices,
        output: reading.output.into_iter().map(|line| line.text).collect(),
        shown: reading.shown,
        fallback: reading.fallback.map(String::into_boxed_str),
    }
}

/// Whether a configuration gives the instance anything to do.
fn has_purpose(settings: &Settings) -> bool {
    let files = &settings.static_files;
    !settings.python.apps.is_empty()
        || !settings.emperor.sources.is_empty()
        || !files.maps.is_empty()
        || !files.check.is_empty()
        || files.check_docroot
        || settings.http.dynamic_apps
        || !settings.python.need_app
}

/// Why there is nothing to do: most often a section that is not there.
fn without_purpose(reading: &mut Reading) -> Problem {
    match std::mem::take(&mut reading.missing_sections) {
        missing if missing.is_empty() => Problem::NothingToServe,
        missing => Problem::Invalid(missing),
    }
}

#[cfg(test)]
mod fuzz_smoke {
    //! A short run of every fuzz target of this crate.

    use crate::fuzz;
    use crate::smoke::run;

    #[test]
    fn ini_files_end_in_a_value_or_an_error() {
        run("config_ini", fuzz::ini);
    }

    #[test]
    fn xml_files_end_in_a_value_or_an_error() {
        run("config_xml", fuzz::xml);
    }

    #[test]
    fn yaml_files_end_in_a_value_or_an_error() {
        run("config_yaml", fuzz::yaml);
    }

    #[test]
    fn json_files_end_in_a_value_or_an_error() {
        run("config_json", fuzz::json);
    }

    #[test]
    fn toml_files_end_in_a_value_or_an_error() {
        run("config_toml", fuzz::toml);
    }

    #[test]
    fn logic_ends_in_a_value_or_an_error() {
        run("config_logic", fuzz::logic);
    }

    #[test]
    fn values_are_expanded_to_their_end() {
        run("config_expander", fuzz::expander);
    }
}
