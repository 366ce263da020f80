//! Loading files: which format, which section, with which magic variables.

use super::{Halt, Loader, budget};
use crate::diagnostic::{Diagnostic, Origin};
use crate::error::Problem;
use crate::formats::{self, Pair};
use crate::magic::{self, Line};
use crate::options::Format;
use crate::source::{self, Source, split_section};
use crate::world::EntryKind;
use std::path::Path;
use std::sync::Arc;

/// Files that load one another.
pub const MAX_INCLUDE_DEPTH: usize = 32;

/// Files loaded in all, each time counted.
pub const MAX_LOADS: usize = 1_000;

/// What is read from a database when no query is named.
const DEFAULT_QUERY: &str = "SELECT * FROM uwsgi";

/// Suffixes and the format that each stands for.
const SUFFIXES: [(&str, Format); 7] = [
    (".ini", Format::Ini),
    (".xml", Format::Xml),
    (".yaml", Format::Yaml),
    (".yml", Format::Yaml),
    (".json", Format::Json),
    (".js", Format::Json),
    (".toml", Format::Toml),
];

/// The format that a name's suffix stands for.
pub fn format_of(name: &str) -> Option<Format> {
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, format)| *format)
}

impl Loader<'_> {
    /// Loads a file whose suffix says its format: `include`, `inherit`, positional arguments.
    pub(crate) fn load_by_suffix(
        &mut self,
        name: &str,
        asked: &Origin,
        is_template: bool,
    ) -> Result<(), Halt> {
        let format = format_of(name).or_else(|| format_of(split_section(name).0)).ok_or_else(|| {
            let reason =
                "its suffix is none of .ini, .xml, .yaml, .yml, .json, .toml; rename it, or load it by `ini = FILE`";
            Problem::Unreadable {
                origin: asked.clone(),
                source_name: name.to_owned(),
                reason: reason.to_owned(),
            }
        })?;
        let is_in_file = matches!(asked, Origin::File { .. });
        if is_in_file && format_of(name).is_none() && format_of(split_section(name).0).is_some() {
            self.note_difference(asked, "", "uWSGI takes no section in `include` and `inherit` and fails");
        }
        let outer = self.in_template;
        self.in_template |= is_template;
        let result = self.load(name, format, asked);
        self.in_template = outer;
        result
    }

    /// Loads a file, or a section of it, in a given format.
    pub(super) fn load(&mut self, name: &str, format: Format, asked: &Origin) -> Result<(), Halt> {
        if format == Format::Other {
            return self.load_by_suffix(name, asked, false);
        }
        if self.depth >= MAX_INCLUDE_DEPTH {
            let origin = asked.clone();
            let what = "the depth of files that load one another".to_owned();
            return Err(Problem::TooLarge { origin, what, limit: MAX_INCLUDE_DEPTH }.into());
        }
        self.loads += 1;
        if self.loads > MAX_LOADS {
            let (origin, what) = (asked.clone(), "the number of files loaded".to_owned());
            return Err(Problem::TooLarge { origin, what, limit: MAX_LOADS }.into());
        }
        if format == Format::Sqlite {
            return self.load_database(name, asked);
        }
        let (file, section) = self.split(name);
        if format == Format::Xml && name.ends_with(':') && file.len() < name.len() {
            let message = format!(
                "`{name}` names no id; write the id of the element behind the colon, or remove the colon"
            );
            return Err(Diagnostic::error(asked, "", message).into());
        }
        let was_fixed = self.magic.is_uppercase_fixed();
        let file = if file.is_empty() {
            self.magic.fill_section(section.unwrap_or_default());
            self.last_file.clone().ok_or_else(|| {
                let message =
                    format!("`{name}` means a section of the file loaded last, and none was; name the file");
                Diagnostic::error(asked, "", message)
            })?
        } else {
            self.fill_magic(file, section, asked)?;
            file.to_owned()
        };
        self.last_file = Some(file.clone());
        let lines = self.lines(&file, asked)?;
        let selection = formats::Selection { section, mode: self.mode.as_deref() };
        let parsed = formats::parse(format, &lines, selection, &mut self.findings)?;
        self.missing_sections.extend(parsed.missing);
        let is_first = self.magic.is_uppercase_fixed() && !was_fixed;
        self.read_pairs(parsed.pairs)?;
        if matches!(format, Format::Ini | Format::Yaml) && section.is_some() {
            let given = if name.starts_with(':') { "" } else { &file };
            self.magic.restore_section(given, name, is_first);
        }
        Ok(())
    }

    /// Reads what a source gave; blocks end in the source in which they begin.
    fn read_pairs(&mut self, pairs: Vec<Pair>) -> Result<(), Halt> {
        let outer_blocks = std::mem::take(&mut self.blocks);
        let outer_running = std::mem::take(&mut self.running_blocks);
        self.depth += 1;
        for pair in pairs {
            self.read(pair.key, Some(pair.value), pair.origin)?;
        }
        self.close_blocks()?;
        self.depth -= 1;
        self.blocks = outer_blocks;
        self.running_blocks = outer_running;
        Ok(())
    }

    /// Splits at the last colon, unless only the whole name is a file (uWSGI fails there).
    fn split<'n>(&self, name: &'n str) -> (&'n str, Option<&'n str>) {
        let (file, section) = split_section(name);
        let exists = |path: &str| matches!(Source::parse(path), Source::File(path) if self.world.target(Path::new(path)).is_ok_and(|entry| entry.kind != EntryKind::Directory));
        if file.len() < name.len() && !file.is_empty() && !exists(file) && exists(name) {
            (name, None)
        } else {
            (file, section)
        }
    }

    /// Reads the rows of a database, each a name and a value; lines count rows.
    fn load_database(&mut self, name: &str, asked: &Origin) -> Result<(), Halt> {
        let (path, query) = self.split_query(name);
        self.fill_magic(path, None, asked)?;
        let query = query.unwrap_or(DEFAULT_QUERY);
        let rows = self
            .world
            .sources()
            .query_database(Path::new(path), query, source::MAX_SOURCE_BYTES)
            .map_err(|error| source::unreadable(path, asked, &error))?;
        let size = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.reader.count(size, asked)?;
        let file: Arc<str> = Arc::from(path);
        let (mut pairs, mut size) = (Vec::new(), 0);
        for (row, (key, value)) in (1..).zip(rows) {
            let lines = magic::substitute(&value, &file, &self.magic, &mut self.findings)?;
            let value = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
            size += value.len();
            budget::within(size, magic::MAX_SUBSTITUTED_BYTES, "the size of all values in bytes", asked)?;
            pairs.push(Pair { key, value, origin: Origin::File { file: Arc::clone(&file), line: row } });
        }
        self.read_pairs(pairs)
    }

    /// Takes `file:query` apart, at the first colon behind which the path of a file ends. uWSGI takes the last colon, which
    /// cuts queries that hold one.
    fn split_query<'n>(&self, name: &'n str) -> (&'n str, Option<&'n str>) {
        let mut splits = name.match_indices(':').map(|(colon, _)| (&name[..colon], &name[colon + 1..]));
        let is_file =
            |path: &str| self.world.target(Path::new(path)).is_ok_and(|entry| entry.kind == EntryKind::File);
        match splits.find(|(path, _)| is_file(path)) {
            Some((path, query)) => (path, Some(query)),
            None if is_file(name) => (name, None),
            None => name.rsplit_once(':').map_or((name, None), |(path, query)| (path, Some(query))),
        }
    }

    fn fill_magic(&mut self, file: &str, section: Option<&str>, asked: &Origin) -> Result<(), Halt> {
        if matches!(Source::parse(file), Source::File(_)) {
            let top_level = !self.in_template;
            self.magic
                .fill(file, section, top_level, self.world)
                .map_err(|error| source::unreadable(file, asked, &error))?;
        } else {
            self.magic.fill_nameless(file);
        }
        Ok(())
    }

    /// The lines of a file between those of `inject-before` and `inject-after`, with magic variables replaced.
    fn lines(&mut self, file: &str, asked: &Origin) -> Result<Vec<Line>, Halt> {
        let mut sources = self.inject_before.clone();
        sources.push(file.to_owned());
        sources.extend(self.inject_after.iter().cloned());
        let mut lines = Vec::new();
        for source in &sources {
            let text = self.reader.text(source, asked, self.world, &mut self.findings)?;
            let file = Arc::from(source.as_str());
            lines.extend(magic::substitute(&text, &file, &self.magic, &mut self.findings)?);
        }
        Ok(lines)
    }
}
