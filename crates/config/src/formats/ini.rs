//! The ini format: lines to key and value pairs of one section.
//!
//! uWSGI's own rules: `;` and `#` begin a comment only as the first character of a line, the first `=` splits, quotes and
//! backslashes mean nothing, a key alone has an empty value, sections of the same name add up. Two slips that empty a whole
//! file in uWSGI are mended with a warning: a byte order mark, and a comment behind a section name.

use super::{Pair, Parsed, without_line};
use crate::diagnostic::{Diagnostic, Origin, Repair, Topic};
use crate::magic::Line;
use std::collections::HashSet;

/// Reads the pairs of one section.
pub fn parse(lines: &[Line], wanted: &str, findings: &mut Vec<Diagnostic>) -> Parsed {
    let mut pairs = Vec::new();
    let mut sections = Sections::default();
    let mut stray = None;
    let mut current: Option<String> = None;
    for line in lines {
        let text = line.text.trim_matches(BLANKS);
        if text.is_empty() || text.starts_with([';', '#']) {
            continue;
        }
        if let Some(header) = text.strip_prefix('[') {
            let name = section_name(header, &line.origin, findings);
            sections.add(&name);
            current = Some(name);
            continue;
        }
        match &current {
            None => stray = stray.or(Some(&line.origin)),
            Some(name) if name == wanted => pairs.push(pair(text, &line.origin)),
            Some(_) => {}
        }
    }
    if let Some(origin) = stray {
        let message = "lines before the first [section] are ignored; put them below [uwsgi]";
        // With no section at all in the file only one thing can be meant.
        let repair = sections.known.is_empty().then(|| Repair::Begin(wanted.to_owned()));
        findings.push(Diagnostic::warning(origin, "", message).misleading().mended_by(repair));
    }
    let missing = (!sections.known.contains(wanted)).then(|| {
        let origin = lines.first().map(|line| without_line(&line.origin)).unwrap_or_default();
        Diagnostic::warning(&origin, "", missing_section(wanted, &sections.shown))
    });
    Parsed { pairs, missing }
}

/// Sections that are named when the wanted one is not there.
const MAX_SHOWN_SECTIONS: usize = 20;

/// Warnings beside which another one about a header helps nobody.
const MAX_FINDINGS: usize = 10_000;

/// The sections of a file: all of them to look up, the first ones to show.
#[derive(Default)]
struct Sections {
    known: HashSet<String>,
    shown: Vec<String>,
}

impl Sections {
    fn add(&mut self, name: &str) {
        if !self.known.contains(name) {
            self.known.insert(name.to_owned());
            if self.shown.len() < MAX_SHOWN_SECTIONS {
                self.shown.push(format!("[{name}]"));
            }
        }
    }
}

/// What uWSGI strips at both ends of lines, keys and values.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// The rest of the line without its last character, whatever that is; behind it a comment is recognized.
fn section_name(header: &str, origin: &Origin, findings: &mut Vec<Diagnostic>) -> String {
    if let Some((name, behind)) = header.split_once(']')
        && behind.trim_matches(BLANKS).starts_with([';', '#'])
    {
        let message = format!(
            "text behind a section name makes uWSGI ignore the section, and is read as [{name}] here; put the comment on a line of its own"
        );
        let finding = Diagnostic::warning(origin, "", message).about(Topic::Differs);
        findings.push(finding.misleading().mended_by(Repair::Header(name.to_owned())));
        return name.to_owned();
    }
    let mut name = header.to_owned();
    if name.pop() != Some(']') && findings.len() < MAX_FINDINGS {
        let message = format!("a section header ends in `]`; as written it names the section `{name}`");
        let finding = Diagnostic::warning(origin, "", message).misleading();
        let is_name = !header.contains([' ', '\t', ']', '[']);
        findings.push(finding.mended_by(is_name.then(|| Repair::Header(header.to_owned()))));
    }
    name
}

fn pair(text: &str, origin: &Origin) -> Pair {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Pair {
        key: key.trim_end_matches(BLANKS).to_owned(),
        value: value.trim_matches(BLANKS).to_owned(),
        origin: origin.clone(),
    }
}

fn missing_section(wanted: &str, names: &[String]) -> String {
    match names {
        [] => format!("there is no section [{wanted}], so nothing is read; begin the file with [{wanted}]"),
        names => {
            format!(
                "there is no section [{wanted}], so nothing is read; name one of those in the file: {}",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::DEFAULT_SECTION;
    use std::sync::Arc;

    fn check(text: &str, expected: &[(&str, &str)], warnings: &[&str]) {
        let file: Arc<str> = Arc::from("f.ini");
        let lines: Vec<Line> = (1..)
            .zip(text.split('\n'))
            .map(|(line, text)| Line {
                origin: Origin::File { file: file.clone(), line },
                text: text.to_owned(),
            })
            .collect();
        let mut findings = Vec::new();
        let Parsed { pairs, missing } = parse(&lines, DEFAULT_SECTION, &mut findings);
        findings.extend(missing);
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect();
        assert_eq!(pairs, expected, "{text:?}");
        assert_eq!(findings.len(), warnings.len(), "{findings:?}");
        for (finding, warning) in findings.iter().zip(warnings) {
            assert!(finding.to_string().contains(warning), "{finding} lacks {warning}");
        }
    }

    #[test]
    fn quirks_of_the_format_are_kept() {
        check("[uwsgi]\na = b ; c\n", &[("a", "b ; c")], &[]);
        check("[uwsgi]\r\n  a=b=c  \r\n\tkey\t\r\n", &[("a", "b=c"), ("key", "")], &[]);
        check("[uwsgi]\n; x\n # y\nq = \"z\"\nback = a\\\n", &[("q", "\"z\""), ("back", "a\\")], &[]);
        check("[uwsgi]\na=1\n[other]\na=2\n[uwsgi]\na=3", &[("a", "1"), ("a", "3")], &[]);
    }

    #[test]
    fn comment_behind_a_section_name_is_understood_with_a_warning() {
        check("[uwsgi] ; main\na=1", &[("a", "1")], &["f.ini:1: text behind a section name"]);
    }

    #[test]
    fn unclosed_section_name_loses_its_last_character() {
        check("[uwsgi\na=1", &[], &["names the section `uwsg`", "there is no section [uwsgi]"]);
    }

    #[test]
    fn lines_before_any_section_are_ignored_with_a_warning() {
        check("a=1\n[uwsgi]\nb=2", &[("b", "2")], &["f.ini:1: lines before the first"]);
    }

    #[test]
    fn missing_section_names_those_that_exist() {
        check(
            "[a]\n[b]\n[a]",
            &[],
            &[
                "f.ini: there is no section [uwsgi], so nothing is read; name one of those in the file: [a], [b]",
            ],
        );
        check("", &[], &["begin the file with [uwsgi]"]);
    }
}
