//! `--help` and the reference page, both written from the registry.

use crate::options::{self, Argument, Kind, OptionRow, SUBJECTS, Status, Subject};
use std::fmt::Write as _;

/// The text of `--help`: an overview (`None`), or one option or subject.
///
/// # Errors
/// One sentence when there is no such option or subject.
pub fn help(topic: Option<&str>) -> Result<String, String> {
    let Some(topic) = topic.map(|topic| topic.trim_start_matches('-')) else { return Ok(overview()) };
    if topic == "all" {
        return Ok(everything());
    }
    // A word such as `http` may be both.
    let option = options::find(topic).map(option_help);
    let subject = SUBJECTS.iter().find(|subject| subject.name == topic).map(subject_help);
    let found: Vec<String> = option.into_iter().chain(subject).collect();
    if !found.is_empty() {
        return Ok(found.join("\n"));
    }
    Err(match crate::suggest::option_for(topic) {
        Some(meant) => format!("there is no option or subject {topic}; did you mean {meant}?"),
        None => format!("there is no option or subject {topic}; see margrave --help"),
    })
}

fn everything() -> String {
    SUBJECTS.iter().map(subject_help).collect::<Vec<_>>().join("\n")
}

/// The text of `margrave options WORDS`: one option explained, or a line for each that has all the words.
pub fn search(words: &[String]) -> String {
    if words.is_empty() {
        return everything();
    }
    if let [name] = words
        && let Some(row) = options::find(name.trim_start_matches('-'))
    {
        return option_help(row);
    }
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mut text = String::new();
    for subject in SUBJECTS {
        let has_all = |row: &&OptionRow| {
            let all = format!("{} {} {}", row.names.join(" "), row.help, subject.title).to_lowercase();
            words.iter().all(|word| all.contains(word))
        };
        let found: Vec<String> = subject.rows.iter().filter(has_all).map(line).collect();
        if !found.is_empty() {
            let _ = write!(text, "{}:\n{}\n", subject.title, found.concat());
        }
    }
    if text.is_empty() {
        return format!("No option has the words {}; try fewer or others.\n", words.join(" "));
    }
    text
}

const INTRODUCTION: &str = "\
Usage: margrave [OPTIONS] [FILE.ini | app.py | package.module:callable]...

Serves Python web applications; reads the configuration that uWSGI reads.

  margrave uwsgi.ini                       from a file
  margrave mysite.wsgi:application         an application, on http://127.0.0.1:8000
  margrave --http :8000 --wsgi-file app.py --callable app
  margrave check uwsgi.ini                 what a file would do here, line by line
  margrave options WORD...                 options by name, or by words of their help
  margrave request --uwsgi ADDRESS PATH    one request over HTTP, uwsgi, FastCGI or SCGI
  margrave ctl reload                      orders to a running instance, over its control socket
  margrave --stop PIDFILE, --reload PIDFILE

Every option may stand on the command line (--processes 4), in a file (processes = 4)
or in the environment (UWSGI_PROCESSES=4).
";

fn overview() -> String {
    let mut text = INTRODUCTION.to_owned();
    for subject in SUBJECTS {
        let working: Vec<&OptionRow> =
            subject.rows.iter().filter(|row| row.status == Status::Works).collect();
        if working.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{}:\n", subject.title);
        for row in working {
            text.push_str(&line(row));
        }
    }
    text.push_str("\nMore: margrave --help SUBJECT, --help OPTION, --help all. Subjects: ");
    text.push_str(&SUBJECTS.iter().map(|subject| subject.name).collect::<Vec<_>>().join(", "));
    text.push_str(".\n");
    text
}

fn subject_help(subject: &Subject) -> String {
    let mut text = format!("{}:\n", subject.title);
    for row in subject.rows {
        text.push_str(&line(row));
    }
    text
}

/// One option: its name in a column, its help wrapped in another.
fn line(row: &OptionRow) -> String {
    const COLUMN: usize = 32;
    const WIDTH: usize = 100 - COLUMN;
    let short = row.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let name = format!("  {short}--{}{}", row.name(), placeholder(row));
    let note = match row.status {
        Status::Works => "",
        Status::Accepted(_) => " (accepted, no effect)",
        Status::Refused(_) => " (refused)",
        Status::NotYet => " (not built yet)",
        Status::Foreign(_) => " (not in Margrave)",
    };
    let mut text =
        if name.len() < COLUMN { format!("{name:COLUMN$}") } else { format!("{name}\n{:COLUMN$}", "") };
    let mut used = 0;
    for word in row.help.split(' ').chain(note.split_whitespace()) {
        if used > 0 && used + 1 + word.len() > WIDTH {
            let _ = write!(text, "\n{:COLUMN$}", "");
            used = 0;
        }
        if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += word.len();
    }
    text.push('\n');
    text
}

fn placeholder(row: &OptionRow) -> String {
    let kind = kind_word(row.kind).to_uppercase();
    match row.argument {
        Argument::None => String::new(),
        Argument::Required => format!(" {kind}"),
        Argument::Optional => format!("[={kind}]"),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "flag",
        Kind::Integer | Kind::Signed => "number",
        Kind::Bytes => "bytes",
        Kind::Megabytes => "mebibytes",
        Kind::Seconds => "seconds",
        Kind::Duration => "time",
        Kind::Milliseconds => "milliseconds",
        Kind::Address => "address",
        Kind::Mode => "mode",
        Kind::Path => "path",
        Kind::KeyValue => "name=value",
        Kind::Choice(_) => "word",
        Kind::Regex => "regex",
        Kind::Module => "module",
        Kind::Name => "name",
        Kind::User => "user",
        Kind::Owner => "owner",
        Kind::Text => "text",
    }
}

/// What a kind of value is, for people.
fn kind_text(kind: Kind) -> String {
    let text = match kind {
        Kind::Choice(words) => return format!("one of {}", words.join(", ")),
        Kind::Flag => "on for nothing or true, off for false, off, no and 0",
        Kind::Integer => "a whole number from 0",
        Kind::Signed => "a whole number, also a negative one",
        Kind::Bytes => "a whole number of bytes",
        Kind::Megabytes => "a number of mebibytes",
        Kind::Seconds => "a whole number of seconds",
        Kind::Duration => "a time; a bare number counts seconds",
        Kind::Milliseconds => "a whole number of milliseconds",
        Kind::Address => "host:port, :port, [v6]:port, a path, or @abstract",
        Kind::Mode => "permission bits, three octal digits",
        Kind::Path => "a path",
        Kind::KeyValue => "name=value",
        Kind::Regex => "a regular expression",
        Kind::Module => "package.module, package.module:object or package.module:factory()",
        Kind::Name => "one word",
        Kind::User => "a name or a number",
        Kind::Owner => "user or user:group",
        Kind::Text => "a text",
    };
    text.to_owned()
}

fn option_help(row: &OptionRow) -> String {
    let mut text = format!("--{}{}\n  {}\n", row.name(), placeholder(row), row.help);
    if row.names.len() > 1 {
        let _ = writeln!(text, "  Also: {}.", row.names[1..].join(", "));
    }
    if let Some(letter) = row.short {
        let _ = writeln!(text, "  Short: -{letter}.");
    }
    let several = if row.repeats { "; may be given several times" } else { "" };
    let _ = writeln!(text, "  Value: {}{several}.", kind_text(row.kind));
    let defaults = row.defaults();
    match (row.directive, defaults.here) {
        (Some(_), _) => {}
        (None, Some(here)) if here == defaults.uwsgi => {
            let _ = writeln!(text, "  Default: {here}, as in uWSGI.");
        }
        (None, here) => {
            let here = here.map_or(String::new(), |here| format!("{here}; "));
            let _ = writeln!(text, "  Default: {here}in uWSGI {}.", defaults.uwsgi);
        }
    }
    let _ = writeln!(text, "  Example: {}", row.example());
    let _ = writeln!(text, "  {}", status(row));
    text
}

fn status(row: &OptionRow) -> String {
    match row.status {
        Status::Works => "Works.".to_owned(),
        Status::Accepted(reason) => format!("Accepted, no effect: {reason}."),
        Status::Refused(instead) => format!("Refused: {instead}."),
        Status::NotYet => "Not built yet.".to_owned(),
        Status::Foreign(service) => format!("Not in Margrave ({service})."),
    }
}

/// The default here, and uWSGI's where that is another.
fn default_cell(row: &OptionRow) -> String {
    let defaults = row.defaults();
    match (row.directive, defaults.here) {
        (Some(_), _) => String::new(),
        (None, Some("not set")) if defaults.uwsgi == "not set" => String::new(),
        (None, Some(here)) if here == defaults.uwsgi => here.to_owned(),
        (None, Some(here)) => format!("{here} (uWSGI: {})", defaults.uwsgi),
        (None, None) if matches!(defaults.uwsgi, "not set" | "off") => String::new(),
        (None, None) => format!("(uWSGI: {})", defaults.uwsgi),
    }
}

/// The names of all options, one a line, as `--dump-options` prints them.
pub fn names() -> String {
    options::names().collect::<Vec<_>>().join("\n")
}

/// The reference page in Markdown.
pub fn reference() -> String {
    let count = |wanted: fn(Status) -> bool| -> usize {
        options::rows().filter(|row| wanted(row.status)).map(|row| row.names.len()).sum()
    };
    let mut text = String::from(
        "# Options\n\nWritten from the registry in `crates/config/src/options`; do not edit.\n\n",
    );
    let _ = writeln!(
        text,
        "{} names: {} work, {} are accepted without effect, {} are refused with advice, {} are not built yet, {} belong to other languages and services.",
        options::names().count(),
        count(|status| status == Status::Works),
        count(|status| matches!(status, Status::Accepted(_))),
        count(|status| matches!(status, Status::Refused(_))),
        count(|status| status == Status::NotYet),
        count(|status| matches!(status, Status::Foreign(_))),
    );
    for subject in SUBJECTS {
        let _ = write!(
            text,
            "\n## {}\n\n| option | value | default | what it does | state |\n|---|---|---|---|---|\n",
            subject.title
        );
        for row in subject.rows {
            let short = row.short.map(|letter| format!(" (`-{letter}`)")).unwrap_or_default();
            let names = row.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let several = if row.repeats { ", several" } else { "" };
            let cells = [
                format!("{names}{short}"),
                format!("{}{several}", kind_word(row.kind)),
                default_cell(row),
                row.help.to_owned(),
                status(row).trim_end_matches('.').to_owned(),
            ];
            let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
    }
    text
}
