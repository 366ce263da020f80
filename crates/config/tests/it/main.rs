//! Tests of the crate through its public face: recorded runs of uWSGI, messages, settings, robustness, documents.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // The tests read their own data and write the reference page.

mod check;
mod documents;
mod fix;
mod kinds;
mod messages;
mod patterns;
mod robustness;
mod round_trip;
mod settings;
mod sources;
mod uwsgi_cases;

use margrave_config::{ConfigError, Loaded, MemoryWorld, load};

/// Loads with a command line given as one text.
fn run(world: &MemoryWorld, command: &str) -> Result<Loaded, ConfigError> {
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    load(&words, world)
}

/// Loads the options of one file beside an application.
fn run_options(options: &str) -> Result<Loaded, ConfigError> {
    let text = format!("[uwsgi]\n{options}");
    run(&MemoryWorld::with_files(&[("site.ini", &text), ("app.py", "")]), "margrave site.ini --module app")
}

/// The notices, warnings and errors of a load, one a line.
fn findings(outcome: &Result<Loaded, ConfigError>) -> Vec<String> {
    match outcome {
        Ok(loaded) => loaded.diagnostics.iter().map(ToString::to_string).collect(),
        Err(error) => error.diagnostics.iter().map(ToString::to_string).chain([error.to_string()]).collect(),
    }
}
