//! The three passes of expansion over the table, and what values refer to.

use super::{Halt, Loader};
use crate::diagnostic::{Diagnostic, Origin};
use crate::error::Problem;
use crate::expand::{self, Expansion};
use crate::raw::Entry;

impl Loader<'_> {
    /// Remembers which keys are referred to by `%(key)` anywhere, or asked for.
    fn note_references(&mut self) {
        let values = self.raw.entries.iter().filter_map(|entry| entry.value.as_deref());
        let templates = self.custom.iter().map(|option| option.template.as_str());
        for value in values.chain(templates).filter(|value| value.contains("%(")) {
            for expression in expand::expressions(value, b'%') {
                self.referenced.extend(expand::names(&expression).map(str::to_owned));
            }
        }
        let asked = self
            .raw
            .entries
            .iter()
            .filter(|entry| entry.key == "get")
            .filter_map(|entry| entry.value.clone());
        self.referenced.extend(asked);
    }

    /// `$()` over everything that has not taken effect, then `@()`, then `%()`.
    pub(super) fn expand_values(&mut self) -> Result<(), Halt> {
        self.note_references();
        self.expand_pass(b'$', |loader, name, _| Ok(expand::variable(name, |name| loader.variable(name))))?;
        self.expand_pass(b'@', |loader, name, origin| loader.content(name, origin).map(Some))?;
        // Variables and files may have brought expressions in.
        self.note_references();
        self.expand_pass(b'%', |loader, name, _| {
            Ok(expand::placeholder(name, |name| loader.raw.first(name).map(str::to_owned)))
        })
    }

    /// What `inherit` read comes too late for expansion; uWSGI leaves it as it is, and so do we, but say so.
    pub(super) fn warn_of_unexpanded(&mut self, from: usize) {
        for at in from..self.raw.entries.len() {
            let Entry { key, value, origin, .. } = self.raw.entries[at].clone();
            let value = value.unwrap_or_default();
            let is_known = |name: &String| self.raw.has(name);
            let has_variable =
                expand::expressions(&value, b'$').iter().any(|name| self.variable(name).is_some());
            if has_variable || expand::expressions(&value, b'%').iter().any(is_known) {
                let message =
                    format!("`{value}` is not expanded in a file read by `inherit`; use `include` for that");
                self.findings.push(Diagnostic::warning(&origin, &key, message));
            }
        }
    }

    fn expand_pass(
        &mut self,
        symbol: u8,
        resolve: impl Fn(&mut Self, &str, &Origin) -> Result<Option<String>, Problem>,
    ) -> Result<(), Halt> {
        for at in 0..self.raw.entries.len() {
            let entry = &self.raw.entries[at];
            let Some(value) = entry.value.clone().filter(|_| !entry.is_done) else { continue };
            let (key, origin) = (entry.key.clone(), entry.origin.clone());
            let expansion = match expand::expand(&value, symbol, |name| resolve(self, name, &origin)) {
                Ok(expansion) => expansion,
                Err(problem) => {
                    self.tolerate(Err(problem.into()), &key, &origin)?;
                    continue;
                }
            };
            match expansion {
                Expansion::Unchanged => {}
                Expansion::Changed(text) => {
                    self.expanded_bytes += text.len();
                    if self.expanded_bytes > expand::MAX_EXPANDED_BYTES {
                        let what = "the size of all expanded values in bytes".to_owned();
                        return Err(
                            Problem::TooLarge { origin, what, limit: expand::MAX_EXPANDED_BYTES }.into()
                        );
                    }
                    self.warn_of_leftover(symbol, &key, &value, &text, &origin);
                    self.raw.entries[at].value = Some(text);
                }
                Expansion::Endless => {
                    let message =
                        "the value grows without end, perhaps since it refers to itself; break the circle";
                    self.tolerate(Err(Diagnostic::error(&origin, &key, message).into()), &key, &origin)?;
                }
            }
        }
        Ok(())
    }

    /// A value that begins with an expression brought in by another is left as uWSGI leaves it.
    fn warn_of_leftover(&mut self, symbol: u8, key: &str, before: &str, after: &str, origin: &Origin) {
        let opening = format!("{}(", char::from(symbol));
        if !after.starts_with(&opening) || symbol == b'@' {
            return;
        }
        let Some(inner) = expand::expressions(after, symbol).into_iter().next() else { return };
        let is_known = if symbol == b'$' { self.variable(&inner).is_some() } else { self.raw.has(&inner) };
        if is_known {
            let message = format!(
                "`{before}` gives `{after}`, which is not expanded again at the beginning of a value; move `{inner}` up in the file"
            );
            self.findings.push(Diagnostic::warning(origin, key, message));
        }
    }

    /// What `@(name)` stands for: the text without one line end behind it.
    fn content(&mut self, name: &str, origin: &Origin) -> Result<String, Problem> {
        let mut text = self.reader.text(name, origin, self.world, &mut self.findings)?;
        if text.ends_with(['\n', '\r']) {
            text.pop();
        }
        Ok(text)
    }
}
