//! The formats of configuration files: text to key and value pairs of one section, each with the line it stands on.
//!
//! Magic variables are replaced before, on the text, in every format as in uWSGI. The parsers for XML, YAML, JSON and TOML
//! are outside crates; what their values mean as options is decided here, as uWSGI's builds with libxml2, libyaml and
//! jansson do. Depth is bounded: options are texts and lists of texts, whatever nests deeper is refused or named.

mod ini;
mod json;
mod toml;
mod xml;
mod yaml;

use crate::diagnostic::{Diagnostic, Origin};
use crate::magic::Line;
use crate::options::Format;

/// The section that is read when none is named.
pub const DEFAULT_SECTION: &str = "uwsgi";

/// A key and its value, where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value; empty when there was none.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

/// Which part of a text is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// The section; [`DEFAULT_SECTION`] when none is named.
    pub section: Option<&'a str>,
    /// The `mode` whose XML elements count beside those without.
    pub mode: Option<&'a str>,
}

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The pairs of the section.
    pub pairs: Vec<Pair>,
    /// The warning that the section is not there.
    pub missing: Option<Diagnostic>,
}

/// Reads the pairs of one section.
///
/// # Errors
/// When the text does not follow the grammar of its format; ini has none to speak of.
pub fn parse(
    format: Format,
    lines: &[Line],
    selection: Selection<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Result<Parsed, Diagnostic> {
    let wanted = selection.section.unwrap_or(DEFAULT_SECTION);
    match format {
        Format::Ini | Format::Sqlite | Format::Other => Ok(ini::parse(lines, wanted, findings)),
        Format::Xml => xml::parse(&Document::new(lines), selection, findings),
        Format::Yaml => yaml::parse(&Document::new(lines), wanted),
        Format::Json => json::parse(&Document::new(lines), wanted, findings),
        Format::Toml => toml::parse(&Document::new(lines), wanted),
    }
}

/// A text for parsers that want it whole, and the way back from a place in it to a line of a file.
struct Document<'a> {
    text: String,
    lines: &'a [Line],
    /// Where each line begins in `text`.
    starts: Vec<usize>,
}

impl<'a> Document<'a> {
    fn new(lines: &'a [Line]) -> Self {
        let mut text = String::new();
        let mut starts = Vec::with_capacity(lines.len());
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                text.push('\n');
            }
            starts.push(text.len());
            text.push_str(&line.text);
        }
        Self { text, lines, starts }
    }

    /// The origin of a byte of the text.
    fn origin_at(&self, byte: usize) -> Origin {
        self.origin_of_line(self.starts.partition_point(|start| *start <= byte))
    }

    /// The origin of a part of the text, which a parser handed out.
    fn origin_of(&self, part: &str) -> Origin {
        self.origin_at((part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize))
    }

    /// The origin of a line of the text, counted from 1.
    fn origin_of_line(&self, line: usize) -> Origin {
        let line = self.lines.get(line.saturating_sub(1)).or(self.lines.last());
        line.map(|line| line.origin.clone()).unwrap_or_default()
    }

    /// The file as a whole.
    fn origin(&self) -> Origin {
        without_line(&self.origin_of_line(1))
    }

    fn missing(&self, wanted: &str, found: &[String], form: &str) -> Diagnostic {
        let advice = match found {
            [] => format!("begin the file with {form}"),
            names => format!("name one of those in the file: {}", names.join(", ")),
        };
        let message = format!("there is no section {wanted}, so nothing is read; {advice}");
        Diagnostic::warning(&self.origin(), "", message)
    }
}

fn without_line(origin: &Origin) -> Origin {
    match origin {
        Origin::File { file, .. } => Origin::File { file: file.clone(), line: 0 },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
