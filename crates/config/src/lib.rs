//! Configuration as uWSGI reads it: text to raw keys, expansion and logic, then typed [`Settings`].
//!
//! Pure: files, environment, clock and host facts come through [`World`]. Follows the uWSGI 2.0
//! configuration documentation; where Margrave differs on purpose the option registry says so.

pub mod diagnostic;
mod error;
mod memory;
pub mod settings;
mod world;

pub use diagnostic::{Diagnostic, Origin, Severity};
pub use error::{ConfigError, Problem};
pub use memory::MemoryWorld;
pub use settings::Settings;
pub use world::{Entry, EntryKind, World};

use std::path::PathBuf;

/// The release of uWSGI whose behaviour Margrave follows: `%V`, `uwsgi.version`.
pub const UWSGI_VERSION: &str = "2.0.31";

/// A configuration that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The typed result.
    pub settings: Settings,
    /// Notices and warnings in the order found; none is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// Lines of `print`, `iprint` and `get` for standard output, to print before `command` is obeyed.
    pub output: Vec<String>,
    /// The text of `show-config` for the log, when it was asked for.
    pub shown: Option<String>,
    /// What the operator wants done.
    pub command: Command,
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
}

/// Reads the whole configuration of one instance: environment, command line and the files that they name.
///
/// `args[0]` is the name of the program. The same call again, at a reload, reads everything afresh.
///
/// # Errors
/// The first problem that makes the configuration unusable, with what was found before it.
pub fn load(args: &[String], world: &dyn World) -> Result<Loaded, ConfigError> {
    let _ = (args, world);
    Ok(Loaded {
        settings: Settings::default(),
        diagnostics: Vec::new(),
        output: Vec::new(),
        shown: None,
        command: Command::Run,
    })
}

/// The text of `--help` on everything (`None`), or on one option or subject.
pub fn help(topic: Option<&str>) -> String {
    topic.unwrap_or_default().to_owned()
}
