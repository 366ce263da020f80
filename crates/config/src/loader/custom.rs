//! Options that the operator declares: `declare-option = name=option=value;option2=value2 $1`.
//!
//! Using one runs its targets at once, past the table: `%()` and `show-config` do not see them. `$1` to `$9` are the words
//! of the value; one that is missing stays as `$n`.

use super::budget::{self, MAX_CUSTOM};
use super::{Halt, Loader};
use crate::diagnostic::{Diagnostic, Origin};
use crate::error::Problem;
use crate::options;

/// Declared options that may use one another.
const MAX_CUSTOM_DEPTH: usize = 16;

/// A declared option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomOption {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub template: String,
    /// Whether it runs as soon as it is read (`declare-option`, not `declare-option2`).
    pub is_immediate: bool,
}

impl CustomOption {
    /// Whether the command line must give a value: when the template has one of the first three words.
    pub fn needs_argument(&self) -> bool {
        ["$1", "$2", "$3"].iter().any(|word| self.template.contains(word))
    }
}

impl Loader<'_> {
    pub(super) fn declare(&mut self, value: &str, is_immediate: bool, origin: &Origin) -> Result<(), Halt> {
        let option = if is_immediate { "declare-option" } else { "declare-option2" };
        let Some((name, template)) = value.split_once('=') else {
            let message = "this declares nothing; write `name=option=value;option2=value2`";
            return Err(Diagnostic::error(origin, option, message).into());
        };
        if options::find(name).is_none() && !self.custom.iter().any(|known| known.name == name) {
            budget::within(self.custom.len() + 1, MAX_CUSTOM, "the number of declared options", origin)?;
            let (name, template) = (name.to_owned(), template.to_owned());
            self.custom.push(CustomOption { name, template, is_immediate });
        } else {
            let message = format!("`{name}` is an option already and stays as it is; choose another name");
            self.findings.push(Diagnostic::warning(origin, option, message));
        }
        Ok(())
    }

    /// Runs the targets of a declared option.
    pub(super) fn run_custom(
        &mut self,
        option: &CustomOption,
        value: &str,
        origin: &Origin,
    ) -> Result<(), Halt> {
        if self.depth >= MAX_CUSTOM_DEPTH {
            let message = "declared options use one another without end; break the circle";
            return Err(Diagnostic::error(origin, &option.name, message).into());
        }
        self.depth += 1;
        let outcome = self.run_targets(option, value, origin);
        self.depth -= 1;
        outcome
    }

    fn run_targets(&mut self, option: &CustomOption, value: &str, origin: &Origin) -> Result<(), Halt> {
        for target in option.template.split(';').filter(|target| !target.is_empty()) {
            // As uWSGI, which reads a declaration up to the first target without `=`.
            let Some((key, pattern)) = target.split_once('=') else {
                let message = format!(
                    "its declaration is read up to `{target}`, which lacks `=`; write `{target}=true`"
                );
                self.findings.push(Diagnostic::warning(origin, &option.name, message));
                break;
            };
            let value = fill(pattern, value, origin)?;
            self.budget.run_custom(origin)?;
            self.budget.store(value.len(), origin)?;
            if let Some(inner) = self.custom.iter().find(|known| known.name == key).cloned() {
                self.run_custom(&inner, &value, origin)?;
            } else if self.belongs_to_block(key) {
                self.read_indirectly(&option.name, key.to_owned(), value, origin)?;
            } else if let Some(row) = options::find(key) {
                self.apply(row, key, Some(value), origin)?;
            } else {
                let message = format!(
                    "`{key}` in its declaration is no option, so nothing happens; correct the declaration"
                );
                if self.strict {
                    return Err(Diagnostic::error(origin, &option.name, message).into());
                }
                self.findings.push(Diagnostic::warning(origin, &option.name, message));
            }
        }
        Ok(())
    }
}

fn fill(pattern: &str, value: &str, origin: &Origin) -> Result<String, Problem> {
    let mut words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    if value.is_empty() {
        // An empty value is one empty word.
        words.push("");
    }
    ('1'..='9').zip(words).try_fold(pattern.to_owned(), |text, (digit, word)| {
        budget::fill_in(&text, &format!("${digit}"), word, origin)
    })
}
