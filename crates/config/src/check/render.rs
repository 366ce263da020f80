//! Findings as a compiler shows them: a title, the place, the line with the part in question underlined, the fix.

use super::{FileReport, Finding};
use crate::diagnostic::Printable;
use crate::source::{MAX_SOURCE_BYTES, Source};
use crate::world::World;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// Characters of a source line that are shown.
const LINE_LENGTH: usize = 160;

/// Spaces that stand for a tab.
const TAB: &str = "    ";

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const GREEN: &str = "\u{1b}[1;32m";
const CYAN: &str = "\u{1b}[1;36m";
const BLUE: &str = "\u{1b}[1;34m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Writes findings; keeps the lines of the files that they are about.
pub struct Renderer<'w> {
    world: &'w dyn World,
    color: bool,
    sources: HashMap<String, Vec<String>>,
    text: String,
}

impl<'w> Renderer<'w> {
    pub fn new(world: &'w dyn World, color: bool) -> Self {
        Self { world, color, sources: HashMap::new(), text: String::new() }
    }

    pub fn finish(self) -> String {
        self.text
    }

    pub fn finding(&mut self, finding: &Finding) {
        let color = match finding.severity {
            "error" => RED,
            "warning" => YELLOW,
            _ => CYAN,
        };
        let title = self.paint(color, &format!("{}[{}]", finding.severity, finding.kind));
        let name = if finding.option.is_empty() { String::new() } else { format!("{}: ", finding.option) };
        let reason = Printable(&format!("{name}{}", finding.reason), 800).to_string();
        let reason = self.paint(BOLD, &reason);
        let _ = writeln!(self.text, "{title}: {reason}");
        let number = finding.line.map(|line| line.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len());
        let place = match finding.line {
            Some(line) => format!("{}:{line}", Printable(&finding.file, 400)),
            None => Printable(&finding.file, 400).to_string(),
        };
        let arrow = self.paint(BLUE, "-->");
        let _ = writeln!(self.text, "{margin} {arrow} {place}");
        let bar = self.paint(BLUE, "|");
        if let Some(source) = finding.line.and_then(|line| self.line(&finding.file, line)) {
            let marked = mark(&source, finding);
            let shown = Shown::new(&source, marked);
            let number = self.paint(BLUE, &number);
            let carets = self.paint(color, &"^".repeat(shown.marks));
            let _ = writeln!(self.text, "{margin} {bar}\n{number} {bar} {}", shown.text);
            let _ = writeln!(self.text, "{margin} {bar} {}{carets}", " ".repeat(shown.before));
        }
        if !finding.fix.is_empty() {
            let help = self.paint(BOLD, "fix");
            let equals = self.paint(BLUE, "=");
            let fix = Printable(&finding.fix, 800);
            let _ = writeln!(self.text, "{margin} {equals} {help}: {fix}");
        }
        self.text.push('\n');
    }

    pub fn verdict(&mut self, report: &FileReport) {
        let color = match report.verdict {
            super::Verdict::Runs => GREEN,
            super::Verdict::Differs => YELLOW,
            super::Verdict::Fails => RED,
        };
        let verdict = self.paint(color, report.verdict.text());
        let count =
            |severity: &str| report.findings.iter().filter(|finding| finding.severity == severity).count();
        let counts = counts(count("error"), count("warning"), count("note"));
        let _ = writeln!(self.text, "{}: {verdict} ({counts})", Printable(&report.file, 400));
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("{color}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// A line of a file; nothing for what is no file, or cannot be read again.
    fn line(&mut self, file: &str, line: u32) -> Option<String> {
        if !self.sources.contains_key(file) {
            let bytes = match Source::parse(file) {
                Source::File(path) => {
                    self.world.read_file(Path::new(path), MAX_SOURCE_BYTES).unwrap_or_default()
                }
                _ => Vec::new(),
            };
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.trim_start_matches('\u{feff}').split('\n').map(str::to_owned).collect();
            self.sources.insert(file.to_owned(), lines);
        }
        let lines = self.sources.get(file)?;
        let place = usize::try_from(line).ok()?.checked_sub(1)?;
        lines.get(place).map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty())
    }
}

/// `1 error, 2 warnings, 3 notes`.
pub fn counts(errors: usize, warnings: usize, notes: usize) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    [count(errors, "error"), count(warnings, "warning"), count(notes, "note")].join(", ")
}

/// The part of a line that a finding is about, in bytes: what the reason quotes, else the option, else all of it.
fn mark(line: &str, finding: &Finding) -> Range<usize> {
    let all = line.len() - line.trim_start().len()..line.len();
    let option = finding.option.as_str();
    let named = if option.is_empty() { None } else { line.find(option).map(|at| at..at + option.len()) };
    // A quotation in the name itself says less than the name.
    let from = named.as_ref().map_or(all.start, |named| named.end);
    let quoted = finding.reason.split('`').skip(1).step_by(2).filter(|quoted| !quoted.is_empty());
    let quoted = quoted.filter_map(|quoted| {
        let at = from + line.get(from..)?.find(quoted)?;
        Some(at..at + quoted.len())
    });
    quoted.max_by_key(Range::len).or(named).unwrap_or(all)
}

/// A line fit for a terminal, and where its marks go, in characters.
struct Shown {
    text: String,
    before: usize,
    marks: usize,
}

impl Shown {
    fn new(line: &str, marked: Range<usize>) -> Self {
        let mut shown = Self { text: String::new(), before: 0, marks: 0 };
        let mut width = 0;
        for (place, character) in line.char_indices() {
            let piece = match character {
                '\t' => TAB.to_owned(),
                control if control.is_control() => control.escape_default().to_string(),
                plain => plain.to_string(),
            };
            let length = piece.chars().count();
            if width + length > LINE_LENGTH {
                shown.text.push_str("...");
                break;
            }
            if place < marked.start {
                shown.before += length;
            } else if place < marked.end {
                shown.marks += length;
            }
            width += length;
            shown.text.push_str(&piece);
        }
        shown.marks = shown.marks.max(1);
        shown
    }
}
