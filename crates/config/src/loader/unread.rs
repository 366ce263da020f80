//! Lines of blocks whose condition does not hold: nothing of them takes effect, and `margrave check` reads them all the same.
//!
//! A configuration is checked on one machine and runs on another, where the condition may hold. What would be an error
//! there is a warning here.

use super::blocks::Statement;
use super::{Loader, slips};
use crate::diagnostic::{Diagnostic, Origin, Topic};
use crate::options::{self, Status};
use crate::raw::Entry;
use crate::{expand, values};

impl Loader<'_> {
    /// Remembers the lines of a branch that is not read; in a check only.
    pub(super) fn note_unread(&mut self, statements: &[Statement]) {
        if self.problems.is_none() {
            return;
        }
        for statement in statements {
            match statement {
                Statement::Key { key, value, origin } => self.unread.push(Entry {
                    key: key.clone(),
                    value: value.clone(),
                    origin: origin.clone(),
                    is_done: true,
                    is_placeholder: false,
                }),
                Statement::Block(block, _) => {
                    let (body, otherwise) = block.branches();
                    self.note_unread(body);
                    self.note_unread(otherwise);
                }
            }
        }
    }

    /// Says what is wrong with those lines.
    pub(super) fn check_unread(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        for entry in &unread {
            let value = entry.value.as_deref().unwrap_or_default();
            for expression in expand::expressions(value, b'%') {
                self.referenced.extend(expand::names(&expression).map(str::to_owned));
            }
        }
        for entry in &unread {
            let finding = self.judge(entry).map(|mut finding| {
                finding.message = format!("in a block that is not read here: {}", finding.message);
                finding
            });
            self.findings.extend(finding);
        }
    }

    fn judge(&self, entry: &Entry) -> Option<Diagnostic> {
        let Entry { key, value, origin, .. } = entry;
        let value = value.as_deref().unwrap_or_default();
        let warn = |message: String| Diagnostic::warning(origin, key, message);
        let Some(row) = options::find(key) else {
            let is_known =
                self.custom.iter().any(|option| option.name == *key) || self.referenced.contains(key);
            if is_known || !matches!(origin, Origin::File { .. }) {
                return None;
            }
            if let Some(slip) = slips::certain(key, value) {
                return Some(slip.warning(origin));
            }
            let (message, repair) = slips::explain(entry);
            return Some(warn(message).about(Topic::Unknown).mended_by(repair));
        };
        let is_written = !["$(", "%(", "@("].iter().any(|opening| value.contains(opening));
        match row.status {
            Status::Refused(instead) => Some(warn(instead.to_owned()).about(Topic::Refused)),
            Status::Works if is_written && row.directive.is_none() => {
                let is_word = row.kind.is_number() && values::is_truth_word(value);
                values::check_kind(row.kind, value).err().filter(|_| !is_word).map(warn)
            }
            _ => None,
        }
    }
}
