//! Magic variables: `%x` in the text of a file, replaced before the text is split into lines.
//!
//! Follows uWSGI: at `%` both it and the next character are replaced by that character's entry, and an unknown one has an
//! empty entry, so two characters vanish; before the end of a line that joins two lines. The same happens here, with a
//! warning. Differences: the second character is a whole character instead of a byte, and positional files fill the
//! uppercase variables too.

use crate::diagnostic::{Diagnostic, Origin};
use crate::error::Problem;
use crate::world::{EntryKind, World};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Letters that have a meaning, whether or not they have a value now.
const KNOWN: &str = "%([opsdencxijbvhtTVkuUgGOPSDENCXIJ0123456789";

/// Options whose values are often strftime patterns.
const STRFTIME_OPTIONS: [&str; 4] = ["log-date", "logdate", "log-prefix", "log-backupname"];

/// Each lowercase variable of a file and its uppercase copy.
const COPIES: [(char, char); 10] = [
    ('o', 'O'),
    ('p', 'P'),
    ('s', 'S'),
    ('d', 'D'),
    ('e', 'E'),
    ('n', 'N'),
    ('c', 'C'),
    ('x', 'X'),
    ('i', 'I'),
    ('j', 'J'),
];

/// The values of the magic variables at one moment of reading.
#[derive(Clone, Debug)]
pub struct MagicTable {
    values: BTreeMap<char, String>,
    uppercase_is_fixed: bool,
}

impl MagicTable {
    /// The variables that do not depend on a file.
    pub fn new(world: &dyn World) -> Self {
        let micros = world.start_micros();
        let user = world.user_name(world.uid()).unwrap_or_else(|| world.uid().to_string());
        let group = world.group_name(world.gid()).unwrap_or_else(|| world.gid().to_string());
        let values = BTreeMap::from([
            ('%', "%".to_owned()),
            ('(', "%(".to_owned()),
            ('[', "\u{1b}".to_owned()),
            ('v', world.cwd()),
            ('h', world.hostname()),
            ('t', (micros / 1_000_000).to_string()),
            ('T', micros.to_string()),
            ('V', crate::UWSGI_VERSION.to_owned()),
            ('k', world.cpu_count().to_string()),
            ('u', world.uid().to_string()),
            ('U', user),
            ('g', world.gid().to_string()),
            ('G', group),
        ]);
        Self { values, uppercase_is_fixed: false }
    }

    /// Sets the variables of a source that is no file, such as standard input: only its name is known.
    pub fn fill_nameless(&mut self, given: &str) {
        self.set('o', given);
    }

    /// Sets the variables of a file; `given` is its name as written, without the section.
    ///
    /// `top_level` is false within `include` and `inherit`, which never fix the uppercase variables.
    ///
    /// # Errors
    /// When the file cannot be found.
    pub fn fill(
        &mut self,
        given: &str,
        section: Option<&str>,
        top_level: bool,
        world: &dyn World,
    ) -> std::io::Result<()> {
        let entry = world.entry(Path::new(given))?;
        let path = if entry.kind != EntryKind::Link {
            world.real_path(Path::new(given))?
        } else if given.starts_with('/') {
            given.to_owned()
        } else {
            // uWSGI does not normalize here, and users see `./` and `..` in %p.
            format!("{}/{given}", world.cwd())
        };
        self.set('o', given);
        self.set('x', section.unwrap_or_default());
        self.set('b', &world.executable());
        self.set('i', &(entry.inode as i32).to_string());
        self.set('j', &hash(&path));
        self.set_path(&path);
        if top_level && !self.uppercase_is_fixed {
            for (lower, upper) in COPIES {
                let value = self.values.get(&lower).cloned().unwrap_or_default();
                self.set(upper, &value);
            }
            self.uppercase_is_fixed = true;
        }
        Ok(())
    }

    /// Sets the variables of `:section`, which is read from the last file again: that file's variables stay.
    pub fn fill_section(&mut self, section: &str) {
        self.set('o', "");
        self.set('x', section);
    }

    /// Whether a file has given the uppercase variables their values.
    pub const fn is_uppercase_fixed(&self) -> bool {
        self.uppercase_is_fixed
    }

    /// Shows the section behind the name of a file again, as uWSGI does once it has read the file; `is_first` when this
    /// file gave the uppercase variables their values.
    pub fn restore_section(&mut self, file: &str, whole: &str, is_first: bool) {
        if self.values.get(&'o').is_some_and(|name| name == file) {
            self.set('o', whole);
        }
        if is_first {
            self.set('O', whole);
        }
    }

    /// The non-empty entries, as Python sees them in `uwsgi.magic_table`.
    pub fn entries(&self) -> Vec<(char, String)> {
        self.values
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (*key, value.clone()))
            .collect()
    }

    fn set(&mut self, letter: char, value: &str) {
        self.values.insert(letter, value.to_owned());
    }

    fn set_path(&mut self, path: &str) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let components: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        self.set('p', path);
        self.set('s', name);
        self.set('d', &format!("{directory}/"));
        self.set('e', extension);
        self.set('n', stem);
        self.set('c', components.last().copied().unwrap_or_default());
        for (digit, component) in ('0'..='9').zip(components.into_iter().chain(std::iter::repeat(""))) {
            self.set(digit, component);
        }
    }
}

/// A line of a configuration text after substitution, with the line of the text on which it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it began.
    pub origin: Origin,
    /// The text without its end of line.
    pub text: String,
}

/// Length of a text after substitution.
pub const MAX_SUBSTITUTED_BYTES: usize = 16 << 20;

/// Characters in which the name of an option is looked for.
const LONGEST_NAME: usize = 80;

/// Warnings about one text; a file of percent signs is no configuration.
const MAX_WARNINGS: usize = 1_000;

/// Replaces the magic variables of a text and splits it into lines.
///
/// # Errors
/// When it grows too large.
pub fn substitute(
    text: &str,
    file: &Arc<str>,
    table: &MagicTable,
    findings: &mut Vec<Diagnostic>,
) -> Result<Vec<Line>, Problem> {
    let mut substitution = Substitution {
        table,
        file,
        findings,
        lines: Vec::new(),
        text: String::new(),
        start: 1,
        now: 1,
        size: 0,
        warnings: 0,
    };
    substitution.run(text)?;
    Ok(substitution.lines)
}

struct Substitution<'a> {
    table: &'a MagicTable,
    file: &'a Arc<str>,
    findings: &'a mut Vec<Diagnostic>,
    lines: Vec<Line>,
    text: String,
    start: u32,
    now: u32,
    /// Bytes that were put in.
    size: usize,
    warnings: usize,
}

impl Substitution<'_> {
    fn run(&mut self, text: &str) -> Result<(), Problem> {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                self.push(character);
                if character == '\n' {
                    self.now += 1;
                    self.start = self.now;
                }
                continue;
            }
            let Some(letter) = characters.next() else {
                self.push('%');
                break;
            };
            self.replace(letter)?;
            if letter == '\n' {
                self.now += 1;
            }
        }
        self.end_line();
        Ok(())
    }

    fn replace(&mut self, letter: char) -> Result<(), Problem> {
        self.warn(letter);
        let table = self.table;
        let Some(value) = table.values.get(&letter) else { return Ok(()) };
        self.size += value.len();
        if self.size > MAX_SUBSTITUTED_BYTES {
            let what = "the text that magic variables bring in, in bytes,".to_owned();
            return Err(Problem::TooLarge { origin: self.origin(), what, limit: MAX_SUBSTITUTED_BYTES });
        }
        value.chars().for_each(|character| self.push(character));
        Ok(())
    }

    fn push(&mut self, character: char) {
        if character == '\n' {
            self.end_line();
        } else {
            self.text.push(character);
        }
    }

    fn end_line(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.lines.push(Line { origin: self.origin(), text });
    }

    fn origin(&self) -> Origin {
        Origin::File { file: Arc::clone(self.file), line: self.start }
    }

    fn warn(&mut self, letter: char) {
        let is_comment = self.text.trim_start().starts_with([';', '#']);
        // Names are short: a long line is not searched for each percent sign in it.
        let start =
            self.text.char_indices().nth(LONGEST_NAME).map_or(&*self.text, |(end, _)| &self.text[..end]);
        let key = start.split_once('=').map_or("", |(key, _)| key.trim()).to_owned();
        let is_strftime = STRFTIME_OPTIONS.contains(&key.as_str()) && letter.is_alphabetic();
        let message = if letter == '\n' || letter == '\r' {
            "`%` at the end of this line joins it with the next one; write `%%`".to_owned()
        } else if is_comment {
            return;
        } else if is_strftime && KNOWN.contains(letter) {
            format!(
                "`%{letter}` is replaced by a fact about this file before the pattern is read; write `%%{letter}`"
            )
        } else if !KNOWN.contains(letter) {
            format!(
                "`%{letter}` is no magic variable, so both characters vanish; write `%%{letter}` for a percent sign"
            )
        } else {
            return;
        };
        let key = if is_comment { String::new() } else { key };
        self.warnings += 1;
        if self.warnings > MAX_WARNINGS {
            return;
        }
        let origin = Origin::File { file: Arc::clone(self.file), line: self.now };
        self.findings.push(Diagnostic::warning(&origin, &key, message));
    }
}

/// The hash that `%j` shows: DJB's with exclusive or, over signed bytes as on x86, as four bytes in little endian order.
fn hash(path: &str) -> String {
    let hash = path
        .bytes()
        .fold(5381_u32, |hash, byte| (hash << 5).wrapping_add(hash) ^ i32::from(byte as i8) as u32);
    hash.to_le_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryWorld;

    fn lines(text: &str) -> (Vec<(u32, String)>, Vec<String>) {
        let world = MemoryWorld::with_files(&[("app/site.prod.ini", "")]);
        let mut table = MagicTable::new(&world);
        table.fill("app/site.prod.ini", None, true, &world).unwrap();
        let mut findings = Vec::new();
        let lines = substitute(text, &Arc::from("site.ini"), &table, &mut findings).unwrap();
        let lines = lines.into_iter().map(|line| (line.origin.line().unwrap(), line.text)).collect();
        (lines, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hash_matches_recorded_runs() {
        assert_eq!(hash("/h1root.ini"), "75226CF2");
    }

    #[test]
    fn variables_of_a_file_are_filled() {
        let (lines, findings) = lines("a=%d|%n|%e|%c|%0|%1|%2|%N|%%|%(x)");
        assert_eq!(lines, [(1, "a=/srv/app/|site.prod|ini|app|srv|app||site.prod|%|%(x)".to_owned())]);
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn unknown_variable_vanishes_with_a_warning() {
        let (lines, findings) = lines("\nlog-format = 5%q5");
        assert_eq!(lines[1], (2, "log-format = 55".to_owned()));
        assert!(findings[0].starts_with("site.ini:2: log-format: `%q` is no magic variable"), "{findings:?}");
    }

    #[test]
    fn percent_before_the_end_of_a_line_joins_lines_with_a_warning() {
        let (lines, findings) = lines("# 100%\nmaster = true\nvacuum = true");
        assert_eq!(lines, [(1, "# 100master = true".to_owned()), (3, "vacuum = true".to_owned())]);
        assert!(findings[0].starts_with("site.ini:1: `%` at the end"), "{findings:?}");
    }

    #[test]
    fn strftime_letter_in_log_date_warns_even_when_it_is_a_variable() {
        let (_, findings) = lines("log-date = %d");
        assert!(findings[0].contains("write `%%d`"), "{findings:?}");
    }

    #[test]
    fn percent_as_the_last_character_stays() {
        assert_eq!(lines("a=5%").0, [(1, "a=5%".to_owned())]);
    }
}
