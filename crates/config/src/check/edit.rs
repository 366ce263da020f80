//! Repairs on the lines of a file, in each of the formats. Comments, order, indentation and line ends stay as they are.
//!
//! An edit is refused rather than guessed: when the line does not hold what the finding says, when a part of a value stands
//! there twice, when the format has no place for what the repair needs (JSON has no comments, and no key twice).

use crate::diagnostic::Repair;
use crate::options::Format;
use crate::values;

/// A repair and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The line from 1.
    pub line: u32,
    /// The option that the finding is about; empty when it is about none.
    pub key: String,
    /// What to do.
    pub repair: Repair,
}

/// What stands at both ends of a line in ini files.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// The text after the edits, at most one a line; nothing for those that do not fit, which `fits` is told.
pub fn apply(text: &str, format: Format, edits: &[Edit], mut fits: impl FnMut(&Edit, bool)) -> String {
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut mark = mark;
    for edit in edits {
        if edit.repair == Repair::DropMark {
            fits(edit, !mark.is_empty());
            mark = "";
            continue;
        }
        let line = usize::try_from(edit.line).ok().and_then(|line| lines.get_mut(line.checked_sub(1)?));
        let changed = line.as_ref().and_then(|line| edited(line, format, edit));
        fits(edit, changed.is_some());
        if let (Some(line), Some(changed)) = (line, changed) {
            *line = changed;
        }
    }
    format!("{mark}{}", lines.join("\n"))
}

fn edited(line: &str, format: Format, edit: &Edit) -> Option<String> {
    match format {
        Format::Ini | Format::Other => ini(line, edit),
        Format::Xml | Format::Yaml | Format::Json | Format::Toml => token(line, format, edit),
        // Not text, and no finding in one has a repair of a line.
        Format::Sqlite => None,
    }
}

/// A line of an ini file, taken apart as the reader does.
struct IniLine<'a> {
    indent: &'a str,
    key: &'a str,
    /// From behind the key up to the value.
    equals: &'a str,
    value: &'a str,
    /// Blanks and the carriage return.
    end: &'a str,
}

impl<'a> IniLine<'a> {
    fn parse(line: &'a str) -> Self {
        let text = line.trim_start_matches(BLANKS);
        let indent = &line[..line.len() - text.len()];
        let body = text.trim_end_matches(BLANKS);
        let end = &text[body.len()..];
        let (key, value) = body.split_once('=').unwrap_or((body, ""));
        let key = key.trim_end_matches(BLANKS);
        let value = value.trim_matches(BLANKS);
        Self { indent, key, equals: &body[key.len()..body.len() - value.len()], value, end }
    }

    /// The end of a line put before this one.
    fn line_end(&self) -> &'static str {
        if self.end.ends_with('\r') { "\r\n" } else { "\n" }
    }
}

fn ini(line: &str, edit: &Edit) -> Option<String> {
    let parts = IniLine::parse(line);
    let IniLine { indent, key, equals, value, end } = parts;
    let is_about_key =
        edit.key.is_empty() || key == edit.key || key.split([' ', '\t']).next() == Some(&edit.key);
    if !is_about_key {
        return None;
    }
    Some(match &edit.repair {
        Repair::Rename(name) => format!("{indent}{name}{equals}{value}{end}"),
        Repair::Replace { old, new } => {
            let value = replaced(value, old, new)?;
            format!("{indent}{key}{equals}{value}{end}")
        }
        Repair::LiftComment => {
            let (kept, comment) = values::without_comment(value);
            let comment = Some(comment.trim()).filter(|comment| !comment.is_empty())?;
            format!("{indent}{comment}{}{indent}{key}{equals}{kept}{end}", parts.line_end())
        }
        Repair::Rewrite { name, before } => format!("{indent}{name} = {before}{value}{end}"),
        Repair::CommentOut => format!("{indent}; {}", line.trim_start_matches(BLANKS)),
        Repair::Header(name) => {
            let text = line.trim_matches(BLANKS).strip_prefix('[')?;
            let behind = text.strip_prefix(name.as_str())?.trim_start_matches(']').trim_matches(BLANKS);
            let comment =
                if behind.is_empty() { String::new() } else { format!("{behind}{}", parts.line_end()) };
            format!("{comment}{indent}[{name}]{end}")
        }
        Repair::Begin(section) => format!("[{section}]{}{line}", parts.line_end()),
        Repair::DropMark => return None,
    })
}

/// The value with one part of it replaced; nothing when the part is not there, or twice.
fn replaced(value: &str, old: &str, new: &str) -> Option<String> {
    if value == old {
        return Some(new.to_owned());
    }
    (!old.is_empty() && value.matches(old).count() == 1).then(|| value.replacen(old, new, 1))
}

/// A line of a format whose grammar is another parser's: only what can be told from the line itself is touched.
fn token(line: &str, format: Format, edit: &Edit) -> Option<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    match &edit.repair {
        Repair::Rename(name) => renamed(line, format, &edit.key, name),
        Repair::Rewrite { name, before } if before.is_empty() => renamed(line, format, &edit.key, name),
        Repair::Replace { old, new } => {
            let from = key_end(line, format, &edit.key)?;
            let (old, new) = (literal(old, format)?, literal(new, format)?);
            let behind = replaced(&line[from..], &old, &new)?;
            Some(format!("{}{behind}", &line[..from]))
        }
        Repair::LiftComment => {
            let from = key_end(line, format, &edit.key)?;
            let at = [" ;", "\t;"].iter().filter_map(|mark| line[from..].find(mark)).min()? + from;
            let behind = &line[at..];
            let comment_end = at + behind.find(['"', '\'', '<']).unwrap_or(behind.trim_end().len());
            let comment = line[at..comment_end].trim().trim_start_matches(';').trim();
            let comment = match format {
                Format::Xml => format!("<!-- {} -->", comment.replace("--", "- -")),
                Format::Yaml | Format::Toml => format!("# {comment}"),
                _ => return None,
            };
            Some(format!("{indent}{comment}\n{}{}", line[..at].trim_end(), &line[comment_end..]))
        }
        Repair::CommentOut => match format {
            Format::Yaml | Format::Toml => Some(format!("{indent}# {}", line.trim_start())),
            Format::Xml if !line.contains("--") => Some(format!("{indent}<!-- {} -->", line.trim())),
            _ => None,
        },
        Repair::Rewrite { .. } | Repair::Header(_) | Repair::Begin(_) | Repair::DropMark => None,
    }
}

/// A text as it stands within a value of the format; nothing when that depends on more than the text.
fn literal(text: &str, format: Format) -> Option<String> {
    let is_plain = !text.contains(['\\', '&', '<', '\n']);
    match format {
        Format::Json => {
            let quoted = serde_json::to_string(text).ok()?;
            Some(quoted[1..quoted.len() - 1].to_owned())
        }
        _ => is_plain.then(|| text.to_owned()),
    }
}

/// Where the key of a line ends.
fn key_end(line: &str, format: Format, key: &str) -> Option<usize> {
    let (start, end) = key_place(line, format, key)?;
    Some(start.max(end))
}

fn key_place(line: &str, format: Format, key: &str) -> Option<(usize, usize)> {
    // An item of a list has its key on another line.
    let Some(at) = line.find(key).filter(|_| !key.is_empty()) else { return Some((0, 0)) };
    let end = at + key.len();
    let (before, behind) = (&line[..at], &line[end..]);
    let fits = match format {
        Format::Json => before.ends_with('"') && behind.starts_with('"'),
        Format::Xml => before.ends_with('<') && behind.starts_with(['>', '/', ' ']),
        Format::Yaml => {
            before.trim_end_matches(['"', '\'']).chars().all(|character| matches!(character, ' ' | '-' | '{'))
                && behind.trim_start_matches(['"', '\'']).trim_start().starts_with(':')
        }
        _ => {
            before.trim_end_matches(['"', '\'']).trim().is_empty()
                && behind.trim_start_matches(['"', '\'']).trim_start().starts_with('=')
        }
    };
    fits.then_some((at, end))
}

fn renamed(line: &str, format: Format, key: &str, name: &str) -> Option<String> {
    let (start, end) = key_place(line, format, key).filter(|(start, end)| start < end)?;
    let mut text = format!("{}{name}{}", &line[..start], &line[end..]);
    if format == Format::Xml && !text[start..].trim_start_matches(name).starts_with('/') {
        let closing = format!("</{key}>");
        if !text.contains(&closing) {
            return None;
        }
        text = text.replace(&closing, &format!("</{name}>"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, line: &str, key: &str, repair: Repair, wanted: Option<&str>) {
        let edit = Edit { line: 1, key: key.to_owned(), repair };
        assert_eq!(edited(line, format, &edit).as_deref(), wanted, "{line:?}");
    }

    fn replace(old: &str, new: &str) -> Repair {
        Repair::Replace { old: old.to_owned(), new: new.to_owned() }
    }

    fn rename(name: &str) -> Repair {
        Repair::Rename(name.to_owned())
    }

    #[test]
    fn ini_lines_keep_what_is_not_mended() {
        let ini = Format::Ini;
        check(ini, "\tvaccum=1 \r", "vaccum", rename("vacuum"), Some("\tvacuum=1 \r"));
        check(ini, "vaccum", "vaccum", rename("vacuum"), Some("vacuum"));
        check(ini, "listen = 1k", "listen", replace("1k", "1024"), Some("listen = 1024"));
        check(ini, "a = %d/\"x\"", "a", replace("\"x\"", "x"), Some("a = %d/x"));
        check(ini, "a = xx", "a", replace("x", "y"), None);
        check(
            ini,
            "processes = 2 ; two\r",
            "processes",
            Repair::LiftComment,
            Some("; two\r\nprocesses = 2\r"),
        );
        check(ini, "other = 2 ; two", "processes", Repair::LiftComment, None);
        let rewrite = Repair::Rewrite { name: "static-map".into(), before: "/a=".into() };
        check(ini, "static-map /a = %d/b", "static-map", rewrite, Some("static-map = /a=%d/b"));
        check(ini, "  // note", "// note", Repair::CommentOut, Some("  ; // note"));
        check(ini, "[uwsgi] ; main", "", Repair::Header("uwsgi".into()), Some("; main\n[uwsgi]"));
        check(ini, "[uwsgi", "", Repair::Header("uwsgi".into()), Some("[uwsgi]"));
        check(ini, "http = :80", "", Repair::Begin("uwsgi".into()), Some("[uwsgi]\nhttp = :80"));
    }

    #[test]
    fn other_formats_are_mended_where_the_line_says_enough() {
        let (yaml, json, toml, xml) = (Format::Yaml, Format::Json, Format::Toml, Format::Xml);
        check(yaml, "  vaccum: true # x", "vaccum", rename("vacuum"), Some("  vacuum: true # x"));
        check(
            yaml,
            "  processes: 2 ; two",
            "processes",
            Repair::LiftComment,
            Some("  # two\n  processes: 2"),
        );
        check(json, " \"vaccum\": true,", "vaccum", rename("vacuum"), Some(" \"vacuum\": true,"));
        check(json, " \"listen\": \"1k\"", "listen", replace("1k", "1024"), Some(" \"listen\": \"1024\""));
        check(
            json,
            "\"http\": \"\\\":80\\\"\"",
            "http",
            replace("\":80\"", ":80"),
            Some("\"http\": \":80\""),
        );
        check(json, "\"processes\": \"2 ; two\"", "processes", Repair::LiftComment, None);
        check(toml, "vaccum = true", "vaccum", rename("vacuum"), Some("vacuum = true"));
        check(
            toml,
            "processes = \"2 ; two\"",
            "processes",
            Repair::LiftComment,
            Some("# two\nprocesses = \"2\""),
        );
        check(xml, "<vaccum/>", "vaccum", rename("vacuum"), Some("<vacuum/>"));
        check(
            xml,
            "<proesses>4</proesses>",
            "proesses",
            rename("processes"),
            Some("<processes>4</processes>"),
        );
        check(xml, "<proesses>", "proesses", rename("processes"), None);
        check(
            xml,
            " <processes>2 ; two</processes>",
            "processes",
            Repair::LiftComment,
            Some(" <!-- two -->\n <processes>2</processes>"),
        );
    }

    #[test]
    fn byte_order_mark_goes_and_other_lines_stay() {
        let edits = [
            Edit { line: 1, key: String::new(), repair: Repair::DropMark },
            Edit { line: 3, key: "vaccum".into(), repair: rename("vacuum") },
            Edit { line: 9, key: "x".into(), repair: rename("y") },
        ];
        let mut fitting = Vec::new();
        let text = apply("\u{feff}[uwsgi]\r\n; note\r\nvaccum = 1\r\n", Format::Ini, &edits, |_, fits| {
            fitting.push(fits);
        });
        assert_eq!(text, "[uwsgi]\r\n; note\r\nvacuum = 1\r\n");
        assert_eq!(fitting, [true, true, false]);
    }
}
