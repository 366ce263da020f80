//! Settings from the options that were read: one function per slice of [`Settings`], each naming the options it reads.
//!
//! The last value of a scalar wins, across aliases too; lists keep every value in order. A value of the wrong kind is an
//! error; a value that uWSGI would read differently than it looks is a warning.

mod beside;
mod cheaper;
mod control;
mod directory;
mod emperor;
mod forms;
mod hooks;
mod host;
mod http;
mod listen;
mod log;
mod loggers;
mod process;
mod python;
mod reload;
mod static_files;
mod stats;
mod values;

use crate::diagnostic::Diagnostic;
use crate::loader::{Reading, Setting};
use crate::settings::{OptValue, Settings};
use crate::world::World;
use values::Values;

/// What building gave.
pub struct Built {
    /// The settings; of use only when no finding is an error.
    pub settings: Settings,
    /// What they were built from, as it was read.
    pub read: Vec<Setting>,
    /// Notices, warnings and errors.
    pub findings: Vec<Diagnostic>,
}

/// Builds settings.
pub fn build(reading: &Reading, world: &dyn World) -> Built {
    let (bare, findings) = forms::take_wrapping_off(&reading.settings);
    let mut values = Values::new(&bare, world);
    values.findings = findings;
    let mut settings =
        Settings { opt: opt(reading), magic: reading.magic.clone(), ..slices(&mut values, reading) };
    forms::check_kinds(&mut values);
    listen::add_default(&mut settings);
    directory::enter(&mut settings);
    let findings = values.findings;
    Built { settings, findings, read: bare }
}

fn slices(values: &mut Values<'_>, reading: &Reading) -> Settings {
    forms::check(values);
    let process = process::build(values);
    let python = python::build(values);
    Settings {
        http: http::build(values),
        listen: listen::build(values),
        reload: reload::build(values),
        cheaper: cheaper::build(values, process.workers),
        process,
        host: host::build(values, &reading.environment_changes),
        beside: beside::build(values),
        hooks: hooks::build(values),
        log: log::build(values),
        static_files: static_files::build(values, &python),
        python,
        emperor: emperor::build(values),
        stats: stats::build(values),
        control: control::build(values),
        opt: Vec::new(),
        magic: Vec::new(),
    }
}

/// `uwsgi.opt`: every key in order of first appearance, with its last value.
fn opt(reading: &Reading) -> Vec<(String, OptValue)> {
    let mut order: Vec<(String, OptValue)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for entry in &reading.raw.entries {
        let value = entry.value.clone().map_or(OptValue::Flag, OptValue::Text);
        let place = *places.entry(entry.key.as_str()).or_insert_with(|| {
            order.push((entry.key.clone(), OptValue::Flag));
            order.len() - 1
        });
        order[place].1 = value;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryWorld;
    use crate::options::{self, Status};

    #[test]
    fn every_working_option_is_read() {
        let world = MemoryWorld::default();
        let mut values = Values::new(&[], &world);
        slices(&mut values, &Reading::default());
        let unread: Vec<&str> = options::rows()
            .filter(|row| row.status == Status::Works && row.directive.is_none())
            .map(|row| row.name())
            .filter(|name| !values.read.contains(name))
            .collect();
        assert!(unread.is_empty(), "rows that claim to work but no settings read them: {unread:?}");
    }
}
