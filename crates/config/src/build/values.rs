//! Access to settings by the usual name of their option, with the checks that its kind asks for.

use super::forms;
use crate::diagnostic::{Diagnostic, Repair};
use crate::loader::Setting;
use crate::options::{self, Kind, OptionRow, Status};
use crate::values;
use crate::world::World;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Longest time that an option can name, some 136 years: sums of times must not overflow.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// The settings in force, what was found wrong with them, and which were looked at.
pub struct Values<'a> {
    /// In the order in which they take effect.
    pub settings: &'a [Setting],
    /// For what needs a look at files.
    pub world: &'a dyn World,
    /// What is wrong or odd.
    pub findings: Vec<Diagnostic>,
    /// The options that were looked at, by their usual name.
    pub read: BTreeSet<&'static str>,
}

impl<'a> Values<'a> {
    pub fn new(settings: &'a [Setting], world: &'a dyn World) -> Self {
        Self { settings, world, findings: Vec::new(), read: BTreeSet::new() }
    }

    /// Every use of these options in order.
    pub fn all(&mut self, names: &[&'static str]) -> Vec<&'a Setting> {
        let rows: Vec<&OptionRow> = names.iter().filter_map(|name| options::find(name)).collect();
        debug_assert!(
            rows.iter().zip(names).all(|(row, name)| row.name() == *name),
            "not the usual name: {names:?}"
        );
        debug_assert_eq!(rows.len(), names.len(), "no such option: {names:?}");
        self.read.extend(names);
        self.settings.iter().filter(|setting| names.contains(&setting.row.name())).collect()
    }

    /// The last use of an option.
    pub fn last(&mut self, name: &'static str) -> Option<&'a Setting> {
        self.all(&[name]).pop()
    }

    pub fn error(&mut self, setting: &Setting, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(&setting.origin, &setting.name, message));
    }

    pub fn warn(&mut self, setting: &Setting, message: impl Into<String>) {
        self.findings.push(Diagnostic::warning(&setting.origin, &setting.name, message));
    }

    /// A warning, with the way to mend the text.
    pub fn warn_mended(&mut self, setting: &Setting, message: impl Into<String>, repair: Option<Repair>) {
        let finding = Diagnostic::warning(&setting.origin, &setting.name, message);
        self.findings.push(finding.mended_by(repair));
    }

    /// Whether a flag is on; `None` when it was not given.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.last(name).map(|setting| values::truth(setting.text()))
    }

    /// A whole number.
    pub fn number(&mut self, name: &'static str) -> Option<u64> {
        let setting = self.last(name)?;
        self.number_of(setting)
    }

    /// A whole number where 0 means none.
    pub fn positive(&mut self, name: &'static str) -> Option<u64> {
        self.number(name).filter(|number| *number > 0)
    }

    /// The number of one use.
    pub fn number_of(&mut self, setting: &'a Setting) -> Option<u64> {
        let parsed = values::whole_number(setting.text());
        self.keep(setting, parsed)
    }

    /// A whole number of seconds where 0 means none.
    pub fn seconds(&mut self, name: &'static str) -> Option<Duration> {
        self.positive(name).map(|seconds| Duration::from_secs(seconds.min(MAX_SECONDS)))
    }

    /// A whole number of milliseconds where 0 means none.
    pub fn milliseconds(&mut self, name: &'static str) -> Option<Duration> {
        self.positive(name).map(|milliseconds| Duration::from_millis(milliseconds.min(MAX_SECONDS * 1000)))
    }

    /// A number of mebibytes as bytes, where 0 means none.
    pub fn megabytes(&mut self, name: &'static str) -> Option<u64> {
        let setting = self.last(name)?;
        let parsed = values::megabytes(setting.text());
        self.keep(setting, parsed).filter(|bytes| *bytes > 0)
    }

    /// A time with a unit.
    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let setting = self.last(name)?;
        let parsed = values::duration(setting.text())
            .map(|duration| (duration.min(Duration::from_secs(MAX_SECONDS)), None));
        self.keep(setting, parsed)
    }

    /// Permission bits.
    pub fn mode(&mut self, name: &'static str) -> Option<u32> {
        let setting = self.last(name)?;
        let parsed = values::mode(setting.text());
        self.keep(setting, parsed)
    }

    /// A number within bounds.
    pub fn bounded(&mut self, name: &'static str, least: u16, most: u16) -> Option<u16> {
        let setting = self.last(name)?;
        let number = self.number_of(setting)?;
        match u16::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.error(
                    setting,
                    format!("{number} is out of range; write a number from {least} to {most}"),
                );
                None
            }
        }
    }

    /// Any text; an empty one counts as not given.
    pub fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let setting = self.last(name)?;
        self.filled(setting)
    }

    /// A path; an empty one counts as not given.
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// Every text of a list.
    pub fn texts(&mut self, name: &'static str) -> Vec<String> {
        let settings = self.all(&[name]);
        settings.into_iter().filter_map(|setting| self.filled(setting)).map(str::to_owned).collect()
    }

    /// Every path of a list.
    pub fn paths(&mut self, name: &'static str) -> Vec<PathBuf> {
        self.texts(name).into_iter().map(PathBuf::from).collect()
    }

    /// The two sides of `left=right`; an error without `=` or with nothing before it.
    pub fn pair(&mut self, setting: &'a Setting, form: &str) -> Option<(&'a str, &'a str)> {
        match setting.text().split_once('=') {
            Some((left, right)) if !left.trim().is_empty() => Some((left.trim(), right.trim())),
            _ => {
                self.error(setting, format!("`{}` has no `=`; write it as {form}", setting.text()));
                None
            }
        }
    }

    /// `NAME=value` of `env`; without `=` it removes the variable, as uWSGI does, and nothing is nothing, with a warning.
    pub fn assignment(&mut self, setting: &'a Setting) -> Option<(&'a str, &'a str)> {
        let text = setting.text();
        if text.trim().is_empty() {
            self.warn(setting, "nothing stands here, so no variable is set; write NAME=value");
            return None;
        }
        if text.contains('=') {
            return self.pair(setting, "NAME=value");
        }
        let message =
            format!("`{text}` has no `=`, so the variable is removed; write NAME=value, or `unenv = {text}`");
        let repair = Repair::Rewrite { name: "unenv".to_owned(), before: String::new() };
        self.warn_mended(setting, message, Some(repair));
        None
    }

    fn filled(&mut self, setting: &'a Setting) -> Option<&'a str> {
        let text = setting.text();
        if text.is_empty() {
            let finding = Diagnostic::warning(&setting.origin, &setting.name, values::EMPTY);
            self.findings.push(finding.mended_by(Repair::CommentOut));
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// Passes a value on; its warning or error is noted.
    pub fn keep<T>(&mut self, setting: &Setting, parsed: Result<(T, Option<String>), String>) -> Option<T> {
        match parsed {
            Ok((value, note)) => {
                if let Some(note) = note {
                    let (repair, misleads) = forms::repair(setting);
                    let finding = Diagnostic::warning(&setting.origin, &setting.name, note).mended_by(repair);
                    self.findings.push(if misleads { finding.misleading() } else { finding });
                }
                Some(value)
            }
            Err(message) => {
                let (repair, _) = forms::repair(setting);
                let finding = Diagnostic::error(&setting.origin, &setting.name, message);
                self.findings.push(finding.mended_by(repair));
                None
            }
        }
    }
}

impl Setting {
    /// The value, empty when there was none.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// Whether the option works and its value is of this kind.
    pub fn is_working(&self, kinds: &[Kind]) -> bool {
        self.row.status == Status::Works && kinds.contains(&self.row.kind)
    }

    /// Whether the option works and a comment behind its value would be a part of it.
    pub fn is_working_text(&self) -> bool {
        let ends_by_itself =
            self.row.kind.is_number() || matches!(self.row.kind, Kind::Flag | Kind::Address | Kind::Mode);
        self.row.status == Status::Works && !ends_by_itself
    }
}
