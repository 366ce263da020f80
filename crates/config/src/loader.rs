//! The loader: reads environment, command line and files in uWSGI's order, obeys directives, expands values, and hands the
//! settings on in the order in which they take effect.
//!
//! Two kinds of options, as in uWSGI: *immediate* directives act when they are read and see values as written; everything
//! else waits until all is read, is expanded, and takes effect in table order. `inherit` is of the second kind, so what it
//! reads is no longer expanded.

mod blocks;
mod budget;
mod custom;
mod directives;
mod expansion;
mod files;
mod slips;
mod unknown;
mod unread;

pub use custom::CustomOption;
pub use files::format_of;

use crate::command_line::{CommandLine, Item};
use crate::diagnostic::{Diagnostic, Origin};
use crate::envdir;
use crate::error::Problem;
use crate::magic::MagicTable;
use crate::options::{self, Directive, OptionRow};
use crate::raw::{Entry, RawConfig};
use crate::world::World;
use crate::{Command, source, start_form};
use blocks::Block;
use budget::Budget;

/// Keys of one configuration, loops counted out.
pub const MAX_KEYS: usize = 100_000;

/// Prefix of environment variables that are options.
const ENVIRONMENT_PREFIX: &str = "UWSGI_";

/// `UWSGI_*` variables by which processes of uWSGI talk to each other.
const ENVIRONMENT_EXCEPTIONS: [&str; 8] = [
    "UWSGI_RELOADS",
    "UWSGI_VASSALS_DIR",
    "UWSGI_EMPEROR_FD",
    "UWSGI_EMPEROR_FD_CONFIG",
    "UWSGI_BROODLORD_NUM",
    "UWSGI_EMPEROR_PROXY",
    "UWSGI_JAIL_PID",
    "UWSGI_ORIGINAL_PROC_NAME",
];

/// A setting as it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its row.
    pub row: &'static OptionRow,
    /// The name that was used.
    pub name: String,
    /// The value after expansion; `None` for an option without value on the command line.
    pub value: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// A line for standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The line.
    pub text: String,
    /// How many settings took effect before it.
    pub after: usize,
}

/// Why reading ends early.
#[derive(Debug)]
pub enum Halt {
    /// The operator wants something else than a start.
    Command(Command),
    /// Something is wrong.
    Problem(Problem),
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Diagnostic> for Halt {
    fn from(finding: Diagnostic) -> Self {
        Self::Problem(finding.into())
    }
}

/// Everything known while configuration is read.
pub struct Loader<'w> {
    world: &'w dyn World,
    environment: Vec<(String, String)>,
    environment_changes: Vec<envdir::Change>,
    fallback: Option<String>,
    magic: MagicTable,
    /// The table of keys.
    raw: RawConfig,
    custom: Vec<CustomOption>,
    /// Blocks that are open in the source being read, the innermost last.
    blocks: Vec<Block>,
    /// Blocks whose lines are being obeyed, in one another.
    running_blocks: usize,
    /// The last ini file loaded, which `:section` means.
    last_file: Option<String>,
    reader: source::Reader,
    depth: usize,
    loads: usize,
    expanded_bytes: usize,
    budget: Budget,
    /// Whether the source being read was named by `include` or `inherit`.
    in_template: bool,
    inject_before: Vec<String>,
    inject_after: Vec<String>,
    blacklist: Option<Vec<String>>,
    whitelist: Option<Vec<String>>,
    strict: bool,
    /// The `mode` of the XML elements that count.
    mode: Option<String>,
    wants_show: bool,
    asked: Vec<String>,
    /// Keys that some expression or condition refers to.
    referenced: std::collections::HashSet<String>,
    settings: Vec<Setting>,
    findings: Vec<Diagnostic>,
    missing_sections: Vec<Diagnostic>,
    output: Vec<Printed>,
    /// In a check, what would have ended a start; nothing outside checks.
    problems: Option<Vec<Diagnostic>>,
    /// In a check, the lines of blocks whose condition does not hold.
    unread: Vec<Entry>,
}

/// What reading gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// Settings in the order in which they take effect.
    pub settings: Vec<Setting>,
    /// What `ienv` and `early-envdir` change, in order.
    pub environment_changes: Vec<envdir::Change>,
    /// The file of `fallback-config`.
    pub fallback: Option<String>,
    /// Notices and warnings.
    pub findings: Vec<Diagnostic>,
    /// Warnings of sections that are not there; worse when nothing else gives the instance a purpose.
    pub missing_sections: Vec<Diagnostic>,
    /// Lines for standard output.
    pub output: Vec<Printed>,
    /// The text of `show-config`.
    pub shown: Option<String>,
    /// The table, for `uwsgi.opt`.
    pub raw: RawConfig,
    /// `uwsgi.magic_table`.
    pub magic: Vec<(char, String)>,
    /// Whether traps and unknown options are errors (`strict`).
    pub is_strict: bool,
}

impl<'w> Loader<'w> {
    /// A loader that has read nothing.
    pub fn new(world: &'w dyn World) -> Self {
        Self {
            world,
            environment: world.environment(),
            environment_changes: Vec::new(),
            fallback: None,
            magic: MagicTable::new(world),
            raw: RawConfig::default(),
            custom: Vec::new(),
            blocks: Vec::new(),
            running_blocks: 0,
            last_file: None,
            reader: source::Reader::default(),
            depth: 0,
            loads: 0,
            expanded_bytes: 0,
            budget: Budget::default(),
            in_template: false,
            inject_before: Vec::new(),
            inject_after: Vec::new(),
            blacklist: None,
            whitelist: None,
            strict: false,
            mode: None,
            wants_show: false,
            asked: Vec::new(),
            referenced: std::collections::HashSet::new(),
            settings: Vec::new(),
            findings: Vec::new(),
            missing_sections: Vec::new(),
            output: Vec::new(),
            problems: None,
            unread: Vec::new(),
        }
    }

    /// The same for `margrave check`: goes on after problems, and obeys no command.
    pub fn for_check(mut self) -> Self {
        self.problems = Some(Vec::new());
        self
    }

    /// Passes the end of reading on; in a check its reason is noted instead, and reading goes on.
    fn tolerate(&mut self, outcome: Result<(), Halt>, key: &str, origin: &Origin) -> Result<(), Halt> {
        let Some(problems) = &mut self.problems else { return outcome };
        match outcome {
            Ok(()) => {}
            // Bounds are there to end what would not end.
            Err(halt @ Halt::Problem(Problem::TooLarge { .. })) => return Err(halt),
            Err(Halt::Problem(problem)) => {
                problems.extend(problem.into_findings().into_iter().map(|mut finding| {
                    if finding.option.is_empty() && finding.origin == *origin {
                        key.clone_into(&mut finding.option);
                    }
                    finding
                }));
            }
            Err(Halt::Command(command)) => {
                let effect = match command {
                    Command::Exit(code) => format!("ends the program with exit code {code}"),
                    _ => "asks for something else than a start".to_owned(),
                };
                let message = format!("this {effect}, so nothing is served; remove it");
                self.findings.push(Diagnostic::warning(origin, key, message));
            }
        }
        Ok(())
    }

    /// Reads everything and obeys all directives.
    ///
    /// # Errors
    /// [`Halt::Command`] when something else than a start is wanted, [`Halt::Problem`] when it cannot be read.
    pub fn run(&mut self, args: &[String]) -> Result<(), Halt> {
        self.read_environment()?;
        self.read_command_line(args.get(1..).unwrap_or_default())?;
        self.expand_values()?;
        self.check_unknown(0)?;
        let inherited = self.raw.entries.len();
        self.take_effect()?;
        self.check_unknown(inherited)?;
        self.warn_of_unexpanded(inherited);
        self.check_unread();
        self.answer_get()
    }

    /// What was read, whether or not it was read to the end.
    pub fn into_reading(mut self) -> Reading {
        self.findings.extend(self.problems.take().unwrap_or_default());
        Reading {
            is_strict: self.strict,
            settings: self.settings,
            environment_changes: self.environment_changes,
            fallback: self.fallback,
            findings: self.findings,
            missing_sections: self.missing_sections,
            output: self.output,
            shown: self.wants_show.then(|| self.raw.show()),
            magic: self.magic.entries(),
            raw: self.raw,
        }
    }

    fn read_environment(&mut self) -> Result<(), Halt> {
        for (name, value) in self.environment.clone() {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if !ENVIRONMENT_EXCEPTIONS.contains(&name.as_str()) {
                let key = rest.to_lowercase().replace('_', "-");
                self.read(key, Some(value), Origin::Environment)?;
            }
        }
        self.close_blocks()
    }

    fn read_command_line(&mut self, arguments: &[String]) -> Result<(), Halt> {
        let mut line = CommandLine::new(arguments);
        while let Some(item) = line.next(&self.custom)? {
            match item {
                Item::Help(topic) => return Err(Halt::Command(Command::Help(topic))),
                Item::Option { name, value } => self.read(name, value, Origin::CommandLine)?,
            }
        }
        self.close_blocks()?;
        for positional in line.positionals {
            match start_form::classify(positional, self.world)? {
                start_form::StartForm::Ignored => {}
                start_form::StartForm::Config => {
                    let outcome = self.load_by_suffix(positional, &Origin::CommandLine, false);
                    self.tolerate(outcome, "", &Origin::CommandLine)?;
                }
                start_form::StartForm::Options(options) => {
                    for (key, value) in options {
                        self.read(key.to_owned(), Some(value), Origin::CommandLine)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one key in: into an open block, or at once.
    fn read(&mut self, key: String, value: Option<String>, origin: Origin) -> Result<(), Halt> {
        if let Some(slip) = slips::certain(&key, value.as_deref().unwrap_or_default()) {
            self.findings.push(slip.warning(&origin));
            return self.read(slip.name.to_owned(), Some(slip.value), origin);
        }
        match self.directive_of(&key) {
            Some(directive @ (Directive::If(..) | Directive::For(_))) => {
                self.open_block(Block::new(directive, key, value, origin))
            }
            Some(Directive::Else) => {
                let outcome = self.open_else(key.clone(), origin.clone());
                self.tolerate(outcome, &key, &origin)
            }
            Some(Directive::End) => self.close_block(key, value, origin),
            _ => match self.blocks.last_mut() {
                Some(block) => {
                    block.push(blocks::Statement::Key { key, value, origin });
                    Ok(())
                }
                None => self.store(key, value, origin),
            },
        }
    }

    fn directive_of(&self, key: &str) -> Option<Directive> {
        if self.custom.iter().any(|option| option.name == key) {
            return None;
        }
        options::find(key)?.directive
    }

    /// Puts a key into the table and obeys it if it is immediate.
    fn store(&mut self, key: String, value: Option<String>, origin: Origin) -> Result<(), Halt> {
        if let Err(forbidden) = self.check_lists(&key, &origin) {
            return self.tolerate(Err(forbidden), &key, &origin);
        }
        if self.raw.entries.len() >= MAX_KEYS {
            return Err(
                Problem::TooLarge { origin, what: "the number of options".into(), limit: MAX_KEYS }.into()
            );
        }
        self.budget.store(key.len() + value.as_ref().map_or(0, String::len), &origin)?;
        let place = self.raw.entries.len();
        self.raw.push(Entry {
            key: key.clone(),
            value: value.clone(),
            origin: origin.clone(),
            is_done: false,
            is_placeholder: false,
        });
        if let Some(option) = self.custom.iter().find(|option| option.name == key).cloned() {
            if option.is_immediate {
                self.raw.entries[place].is_done = true;
                let outcome = self.run_custom(&option, value.as_deref().unwrap_or_default(), &origin);
                return self.tolerate(outcome, &key, &origin);
            }
        } else if let Some(row) = options::find(&key).filter(|row| row.is_immediate()) {
            self.raw.entries[place].is_done = true;
            let outcome = self.obey(row, value, &origin);
            return self.tolerate(outcome, &key, &origin);
        }
        Ok(())
    }

    /// Lets everything take effect that has not yet, in table order; what `inherit` adds comes behind.
    fn take_effect(&mut self) -> Result<(), Halt> {
        // All is read: a block that began here would find no lines.
        self.running_blocks += 1;
        let mut at = 0;
        while at < self.raw.entries.len() {
            let entry = &mut self.raw.entries[at];
            at += 1;
            if std::mem::replace(&mut entry.is_done, true) || entry.is_placeholder {
                continue;
            }
            let Entry { key, value, origin, .. } = entry.clone();
            if let Some(option) = self.custom.iter().find(|option| option.name == key).cloned() {
                let outcome = self.run_custom(&option, value.as_deref().unwrap_or_default(), &origin);
                self.tolerate(outcome, &key, &origin)?;
            } else if let Some(row) = options::find(&key) {
                let known = self.raw.entries.len();
                let outcome = self.apply(row, &key, value, &origin);
                self.tolerate(outcome, &key, &origin)?;
                if self.strict {
                    self.check_unknown(known)?;
                }
            }
        }
        self.running_blocks -= 1;
        Ok(())
    }

    /// Obeys a directive, or hands a setting on.
    fn apply(
        &mut self,
        row: &'static OptionRow,
        name: &str,
        value: Option<String>,
        origin: &Origin,
    ) -> Result<(), Halt> {
        if row.directive.is_some() {
            return self.obey(row, value, origin);
        }
        self.settings.push(Setting { row, name: name.to_owned(), value, origin: origin.clone() });
        Ok(())
    }

    fn answer_get(&mut self) -> Result<(), Halt> {
        if self.asked.is_empty() || self.problems.is_some() {
            return Ok(());
        }
        let after = self.settings.len();
        let values = self.asked.iter().filter_map(|key| self.raw.first(key).map(str::to_owned));
        self.output.extend(values.map(|text| Printed { text, after }));
        Err(Halt::Command(Command::Exit(0)))
    }
}
