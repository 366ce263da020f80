//! `if-*`, `else`, `for*` and what ends them.
//!
//! A block is collected until its end and then run line by line. A `for` repeats each line for all items, not the block for
//! each item, as uWSGI does. Beyond uWSGI: blocks may stand within blocks, `else` works, and a block without end is an error
//! instead of swallowing what follows.

use super::budget::{self, MAX_OPEN_BLOCKS};
use super::{Halt, Loader};
use crate::diagnostic::{Diagnostic, Origin, Topic};
use crate::error::Problem;
use crate::options::{Condition, Directive, Loop, Wanted};
use crate::values;
use crate::world::EntryKind;
use std::path::Path;

/// Repetitions of one `for`.
pub const MAX_REPETITIONS: usize = 10_000;

/// Bytes of a line that `for-readline` takes.
const MAX_LINE_BYTES: usize = 1023;

/// What stands for the item in values.
const ITEM: &str = "%(_)";

/// A line or block inside a block.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// A key.
    Key { key: String, value: Option<String>, origin: Origin },
    /// A block and the key that closed it.
    Block(Block, Box<Statement>),
}

/// A block while it is read and when it is run.
#[derive(Clone, Debug)]
pub(super) struct Block {
    directive: Directive,
    key: String,
    value: Option<String>,
    origin: Origin,
    body: Vec<Statement>,
    otherwise: Option<Vec<Statement>>,
}

impl Block {
    pub(super) fn new(directive: Directive, key: String, value: Option<String>, origin: Origin) -> Self {
        Self { directive, key, value, origin, body: Vec::new(), otherwise: None }
    }

    /// The lines before `else` and those behind it.
    pub(super) fn branches(&self) -> (&[Statement], &[Statement]) {
        (&self.body, self.otherwise.as_deref().unwrap_or_default())
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.otherwise.as_mut().unwrap_or(&mut self.body).push(statement);
    }
}

impl Loader<'_> {
    /// Opens a block.
    ///
    /// # Errors
    /// When too many are open.
    pub(super) fn open_block(&mut self, block: Block) -> Result<(), Halt> {
        let open = self.blocks.len() + 1;
        budget::within(open, MAX_OPEN_BLOCKS, "the number of blocks within one another", &block.origin)?;
        if !self.blocks.is_empty() {
            let message = "uWSGI refuses blocks within blocks, or ends the outer one at the first end";
            self.note_difference(&block.origin, &block.key, message);
        }
        if matches!(block.directive, Directive::If(Condition::HostnameMatch, _)) {
            let message = "uWSGI with PCRE2 takes every host for one that does not match";
            self.note_difference(&block.origin, &block.key, message);
        }
        self.blocks.push(block);
        Ok(())
    }

    /// Notes what Margrave does otherwise than uWSGI, on purpose.
    pub(super) fn note_difference(&mut self, origin: &Origin, key: &str, message: &str) {
        self.findings.push(Diagnostic::notice(origin, key, message).about(Topic::Differs));
    }

    pub(super) fn open_else(&mut self, key: String, origin: Origin) -> Result<(), Halt> {
        match self.blocks.last_mut() {
            Some(block) if matches!(block.directive, Directive::If(..)) && block.otherwise.is_none() => {
                block.otherwise = Some(Vec::new());
                self.note_difference(
                    &origin,
                    &key,
                    "uWSGI 2.0 has no `else` and reads on as if it were not there",
                );
                Ok(())
            }
            _ => {
                Err(Diagnostic::error(&origin, &key, "there is no `if` that this belongs to; remove it")
                    .into())
            }
        }
    }

    pub(super) fn close_block(
        &mut self,
        key: String,
        value: Option<String>,
        origin: Origin,
    ) -> Result<(), Halt> {
        let Some(block) = self.blocks.pop() else {
            let message = "there is no block to end here; look for a misspelt `if-...` or `for...` above";
            self.findings.push(Diagnostic::warning(&origin, &key, message));
            return self.store(key, value, origin);
        };
        let statement = Statement::Block(block, Box::new(Statement::Key { key, value, origin }));
        match self.blocks.last_mut() {
            Some(outer) => {
                outer.push(statement);
                Ok(())
            }
            None => self.run_statement(&statement, None),
        }
    }

    /// Refuses blocks that are open at the end of their source.
    pub(super) fn close_blocks(&mut self) -> Result<(), Halt> {
        let open = if self.problems.is_some() { self.blocks.last() } else { self.blocks.first() };
        match open {
            None => Ok(()),
            Some(block) => {
                let end = if matches!(block.directive, Directive::For(_)) { "endfor" } else { "endif" };
                let message =
                    format!("this block has no end and would swallow all that follows; add `{end} =`");
                let (key, origin) = (block.key.clone(), block.origin.clone());
                self.tolerate(Err(Diagnostic::error(&origin, &key, message).into()), &key, &origin)?;
                // In a check only: the lines within are looked at too.
                self.close_block(end.to_owned(), None, origin)?;
                self.close_blocks()
            }
        }
    }

    fn run_statement(&mut self, statement: &Statement, item: Option<&str>) -> Result<(), Halt> {
        match statement {
            Statement::Key { key, value, origin } => {
                self.store(key.clone(), with_item(value, item, origin)?, origin.clone())
            }
            Statement::Block(block, end) => {
                let value = with_item(&block.value, item, &block.origin)?;
                self.store(block.key.clone(), value.clone(), block.origin.clone())?;
                let value = value.unwrap_or_default();
                match block.directive {
                    Directive::If(condition, wanted) => {
                        self.run_if(block, condition, wanted, &value, item)?
                    }
                    Directive::For(kind) => self.run_for(block, kind, &value)?,
                    _ => {}
                }
                self.run_statement(end, None)
            }
        }
    }

    /// Lines that are passed over: uWSGI looks at `blacklist` and `whitelist` before it looks at the block.
    fn pass_over(&self, statements: &[Statement]) -> Result<(), Halt> {
        statements.iter().try_for_each(|statement| match statement {
            Statement::Key { key, origin, .. } => self.check_lists(key, origin),
            Statement::Block(block, _) => {
                self.check_lists(&block.key, &block.origin)?;
                self.pass_over(&block.body)?;
                self.pass_over(block.otherwise.as_deref().unwrap_or_default())
            }
        })
    }

    fn run_if(
        &mut self,
        block: &Block,
        condition: Condition,
        wanted: Wanted,
        value: &str,
        outer: Option<&str>,
    ) -> Result<(), Halt> {
        let (holds, tested) = self.test(condition, value);
        let item = tested.or_else(|| outer.map(str::to_owned));
        let otherwise = block.otherwise.as_deref().unwrap_or_default();
        if holds == (wanted == Wanted::Yes) {
            self.run_statements(&block.body, item.as_deref())?;
            self.note_unread(otherwise);
            self.pass_over(otherwise)
        } else {
            self.note_unread(&block.body);
            self.pass_over(&block.body)?;
            self.run_statements(otherwise, item.as_deref())
        }
    }

    fn run_statements(&mut self, statements: &[Statement], item: Option<&str>) -> Result<(), Halt> {
        self.running_blocks += 1;
        statements.iter().try_for_each(|statement| self.run_statement(statement, item))?;
        self.running_blocks -= 1;
        Ok(())
    }

    fn run_for(&mut self, block: &Block, kind: Loop, value: &str) -> Result<(), Halt> {
        let items = self.items(block, kind, value)?;
        if items.len() > MAX_REPETITIONS {
            let (origin, limit) = (block.origin.clone(), MAX_REPETITIONS);
            return Err(Problem::TooLarge { origin, what: "the number of repetitions".into(), limit }.into());
        }
        self.running_blocks += 1;
        for statement in &block.body {
            for item in &items {
                self.run_statement(statement, Some(item))?;
            }
        }
        self.running_blocks -= 1;
        Ok(())
    }

    /// Whether a condition holds, and what `%(_)` is in its block.
    fn test(&mut self, condition: Condition, value: &str) -> (bool, Option<String>) {
        let (name, compared) = match value.split_once('=') {
            Some((name, compared)) => (name, Some(compared)),
            None => (value, None),
        };
        let compare = |found: Option<String>| {
            let holds = found.as_deref().is_some_and(|found| compared.is_none_or(|wanted| wanted == found));
            (holds, found)
        };
        let kind_is = |wanted: EntryKind| {
            let found = self.world.target(Path::new(value)).ok();
            (found.is_some_and(|entry| entry.kind == wanted), Some(value.to_owned()))
        };
        match condition {
            Condition::Environment => compare(self.variable(name)),
            Condition::Option => {
                self.referenced.insert(name.to_owned());
                // A flag on the command line has no value, and uWSGI takes it for an option that is not there.
                compare(self.raw.first(name).map(str::to_owned))
            }
            Condition::Reload => (self.variable("UWSGI_RELOADS").is_some(), None),
            Condition::Hostname => (self.world.hostname() == value, Some(value.to_owned())),
            Condition::HostnameMatch => {
                (crate::pattern::is_match(value, &self.world.hostname()), Some(value.to_owned()))
            }
            Condition::Exists => (self.world.is_readable(Path::new(value)), Some(value.to_owned())),
            Condition::File => kind_is(EntryKind::File),
            Condition::Directory => kind_is(EntryKind::Directory),
            Condition::Plugin => (super::directives::has_plugin(value), Some(value.to_owned())),
        }
    }

    fn items(&mut self, block: &Block, kind: Loop, value: &str) -> Result<Vec<String>, Halt> {
        Ok(match kind {
            Loop::Words => value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            Loop::Glob => {
                let found = self.world.glob(value);
                if found.is_empty() { vec![value.to_owned()] } else { found }
            }
            Loop::Times => {
                let (times, rest) = values::leading_number(value);
                let times = usize::try_from(times.unwrap_or(0)).unwrap_or(0);
                if !rest.is_empty() || value.trim().is_empty() {
                    let message = format!("`{value}` is read as {times}; write a whole number");
                    self.findings.push(Diagnostic::warning(&block.origin, &block.key, message));
                }
                (1..=times.min(MAX_REPETITIONS + 1)).map(|time| time.to_string()).collect()
            }
            Loop::Lines => self.lines_of(block, value)?,
        })
    }

    /// The lines of a file; a line longer than uWSGI's buffer comes in pieces. A file that cannot be read has none.
    fn lines_of(&mut self, block: &Block, name: &str) -> Result<Vec<String>, Halt> {
        let origin = &block.origin;
        let text = match self.reader.text(name, origin, self.world, &mut self.findings) {
            Ok(text) => text,
            Err(Problem::Unreadable { reason, .. }) => {
                let message = format!("nothing is repeated, since `{name}` cannot be read: {reason}");
                self.findings.push(Diagnostic::warning(origin, &block.key, message));
                return Ok(Vec::new());
            }
            Err(other) => return Err(other.into()),
        };
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let mut rest = line;
            while !rest.is_empty() {
                let piece = cut(rest, MAX_LINE_BYTES);
                rest = &rest[piece.len()..];
                lines.push(piece.trim_end_matches(['\n', '\r']).to_owned());
            }
        }
        Ok(lines)
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

fn with_item(value: &Option<String>, item: Option<&str>, origin: &Origin) -> Result<Option<String>, Problem> {
    match (value, item) {
        (Some(value), Some(item)) => budget::fill_in(value, ITEM, item, origin).map(Some),
        (value, _) => Ok(value.clone()),
    }
}

/// The beginning of a text, at most so many bytes, whole characters.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
