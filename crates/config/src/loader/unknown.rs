//! Keys that are no options: placeholders when something refers to them, otherwise probably slips.

use super::{Halt, Loader, slips};
use crate::diagnostic::{Diagnostic, Repair, Topic};
use crate::error::Problem;
use crate::options;
use crate::raw::Entry;
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
        let is_meant =
            |entry: &&Entry| self.referenced.contains(&entry.key) || assigned.contains(entry.key.as_str());
        if self.strict {
            let errors: Vec<Diagnostic> =
                entries.iter().filter(unknown).map(|entry| strict_error(entry, is_meant(&entry))).collect();
            let Some(first) = errors.first() else { return Ok(()) };
            let (key, origin) = (first.option.clone(), first.origin.clone());
            return self.tolerate(Err(Problem::Invalid(errors).into()), &key, &origin);
        }
        let warnings: Vec<Diagnostic> = entries
            .iter()
            .filter(unknown)
            .filter(|entry| !is_meant(entry))
            .map(|entry| {
                let (message, repair) = slips::explain(entry);
                Diagnostic::warning(&entry.origin, &entry.key, message)
                    .about(Topic::Unknown)
                    .mended_by(repair)
            })
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

fn strict_error(entry: &Entry, is_meant: bool) -> Diagnostic {
    let (explanation, repair) = slips::explain(entry);
    let placeholder =
        Repair::Rewrite { name: "set-placeholder".to_owned(), before: format!("{}=", entry.key) };
    let repair = if is_meant { Some(placeholder) } else { repair };
    let message =
        format!("{explanation}; `strict` allows placeholders only by `set-placeholder = {}=...`", entry.key);
    Diagnostic::error(&entry.origin, &entry.key, message).about(Topic::Unknown).mended_by(repair)
}
