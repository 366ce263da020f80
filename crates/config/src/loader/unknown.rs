//! Keys that are no options: placeholders when something refers to them, otherwise probably slips.

use super::{Halt, Loader};
use crate::diagnostic::{Diagnostic, Origin, Topic};
use crate::error::Problem;
use crate::options::{self, Argument};
use crate::raw::Entry;
use crate::suggest;
use std::collections::HashSet;

impl Loader<'_> {
    /// Warns of unknown keys from a place in the table on; with `strict` they are errors.
    pub(super) fn check_unknown(&mut self, from: usize) -> Result<(), Halt> {
        let entries = &self.raw.entries[from..];
        let assigned = self.assigned();
        let unknown = |entry: &&Entry| {
            options::find(&entry.key).is_none()
                && !self.custom.iter().any(|option| option.name == entry.key)
                && !entry.is_placeholder
        };
        if self.strict {
            let errors: Vec<Diagnostic> = entries.iter().filter(unknown).map(strict_error).collect();
            return if errors.is_empty() { Ok(()) } else { Err(Problem::Invalid(errors).into()) };
        }
        let warnings: Vec<Diagnostic> = entries
            .iter()
            .filter(unknown)
            .filter(|entry| !self.referenced.contains(&entry.key) && !assigned.contains(entry.key.as_str()))
            .map(|entry| Diagnostic::warning(&entry.origin, &entry.key, explain(entry)).about(Topic::Unknown))
            .collect();
        self.findings.extend(warnings);
        Ok(())
    }

    /// Keys that came by `set`, which says that they are meant.
    fn assigned(&self) -> HashSet<&str> {
        let is_set = |entry: &&Entry| options::find(&entry.key).is_some_and(|row| row.name() == "set");
        let assignments = self.raw.entries.iter().filter(is_set).filter_map(|entry| entry.value.as_deref());
        assignments.filter_map(|value| value.split_once('=')).map(|(key, _)| key).collect()
    }
}

fn strict_error(entry: &Entry) -> Diagnostic {
    let message = format!(
        "{}; `strict` allows placeholders only by `set-placeholder = {}=...`",
        explain(entry),
        entry.key
    );
    Diagnostic::error(&entry.origin, &entry.key, message).about(Topic::Unknown)
}

/// What was probably meant.
fn explain(entry: &Entry) -> String {
    let key = entry.key.as_str();
    let value = entry.value.as_deref().unwrap_or_default();
    let (first, rest) = key.split_once([' ', '\t']).unwrap_or((key, ""));
    if let Some(row) = options::find(first).filter(|_| !rest.is_empty()) {
        let rest = rest.trim();
        let meant = match (row.argument, value) {
            (Argument::None, _) => format!("{first} = true"),
            (_, "") => format!("{first} = {rest}"),
            (_, value) => format!("{first} = {rest}={value}"),
        };
        return format!("there is no such option; `=` is missing behind `{first}`, write `{meant}`");
    }
    if let Some((name, colon_value)) =
        key.split_once(':').filter(|(name, _)| options::find(name.trim()).is_some())
    {
        return format!(
            "there is no such option; write `{} = {}`, with `=`",
            name.trim(),
            colon_value.trim()
        );
    }
    if key.starts_with('[') || key.starts_with("//") || key.starts_with("--") {
        let meant = options::find(key.trim_start_matches('-')).map(|row| row.name());
        return match meant {
            Some(name) => format!("options in files have no dashes; write `{name} = {value}`"),
            None => "this is neither an option nor a comment; comments begin with `;` or `#`".to_owned(),
        };
    }
    let subject = if matches!(entry.origin, Origin::Environment) {
        format!("UWSGI_{} names no option", key.to_uppercase().replace('-', "_"))
    } else {
        "there is no such option".to_owned()
    };
    match suggest::option_for(key) {
        Some(meant) => format!("{subject}; did you mean `{meant}`?"),
        None => format!(
            "{subject} and nothing refers to %({key}); if the application reads it from uwsgi.opt write `set-placeholder = {key}=...`, else remove it"
        ),
    }
}
