//! `margrave check`: what a configuration file would do here, line by line, without doing it.
//!
//! Every file is loaded as `margrave FILE` would load it, environment and included files too, and nothing is started, so
//! neither Python nor privileges are needed. What a file reads by `exec://` is run, since values come from there.

mod edit;
mod fix;
mod overlay;
mod place;
mod render;

pub use fix::{Corrected, FixReport, correct};
pub(crate) use place::look;

use crate::diagnostic::{Diagnostic, Origin, Severity, Topic};
use crate::envdir;
use crate::loader::format_of;
use crate::options::Format;
use crate::source::split_section;
use crate::world::{EntryKind, World};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// What `margrave check` is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// The files, each perhaps with a section, and directories of files.
    pub files: Vec<String>,
    /// Whether the report is JSON.
    pub json: bool,
    /// How the files are judged.
    pub judgement: Judgement,
    /// Whether corrected copies are wanted.
    pub fix: bool,
    /// Where the corrected copy goes (`-` for standard output) instead of beside the file.
    pub output: Option<String>,
}

/// How files are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Where the configuration runs.
    pub place: Place,
}

/// Where a configuration runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// On this machine: what it names must be there.
    #[default]
    Here,
    /// On another machine (`--elsewhere`): nobody looks for directories and files.
    Elsewhere,
}

/// How `margrave check` is called.
pub const USAGE: &str = "usage: margrave check FILE... [--json] [--strict] [--elsewhere] [--fix [-o OUTPUT]]";

impl CheckRequest {
    /// Reads the arguments behind `margrave check`.
    ///
    /// # Errors
    /// One sentence on what is wrong with them.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut request = Self::default();
        let mut is_option = true;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--" if is_option => is_option = false,
                "--json" if is_option => request.json = true,
                "--strict" if is_option => request.judgement.strict = true,
                "--elsewhere" if is_option => request.judgement.place = Place::Elsewhere,
                "--fix" if is_option => request.fix = true,
                "-o" | "--output" if is_option => {
                    let output =
                        arguments.next().ok_or_else(|| format!("{argument} needs a file; {USAGE}"))?;
                    request.output = Some(output.clone());
                }
                "-" => request.files.push(argument.clone()),
                option if is_option && option.starts_with('-') => {
                    return Err(format!("check has no option {option}; {USAGE}"));
                }
                file => request.files.push(file.to_owned()),
            }
        }
        if request.files.is_empty() {
            return Err(format!("check needs a file; {USAGE}; an application is named as `--module check`"));
        }
        if request.output.is_some() && !request.fix {
            return Err(format!("-o names the corrected copy, so it needs --fix; {USAGE}"));
        }
        Ok(request)
    }
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs as it is.
    Runs,
    /// It runs, and something about that should be read.
    Differs,
    /// It does not run.
    Fails,
}

impl Verdict {
    /// The exit code of `margrave check`.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Runs => 0,
            Self::Differs => 1,
            Self::Fails => 2,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Runs => "runs as it is",
            Self::Differs => "runs, with differences worth reading",
            Self::Fails => "does not run",
        }
    }
}

/// One finding, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, or `command line`, `environment`.
    pub file: String,
    /// The line from 1; `None` for what has no line.
    pub line: Option<u32>,
    /// The option; empty when it is not about one.
    pub option: String,
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// What kind of finding it is.
    pub kind: &'static str,
    /// What is so, or wrong.
    pub reason: String,
    /// What to do; empty when nothing needs doing.
    pub fix: String,
    /// Whether `--fix` does it.
    pub fixable: bool,
}

/// What was found about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// As it was named.
    pub file: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
}

/// What was found about all files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// One report a file.
    pub files: Vec<FileReport>,
    /// Findings of each severity.
    pub errors: usize,
    /// The same.
    pub warnings: usize,
    /// The same.
    pub notes: usize,
    /// What the worst file comes to: 0, 1 or 2.
    pub exit_code: i32,
}

/// Checks files.
pub fn check(request: &CheckRequest, world: &dyn World) -> CheckReport {
    let named: Vec<String> = request.files.iter().flat_map(|file| files_of(file, world)).collect();
    check_named(&named, request.judgement, world)
}

fn check_named(named: &[String], judgement: Judgement, world: &dyn World) -> CheckReport {
    let files: Vec<FileReport> = named.iter().map(|file| check_file(file, judgement, world)).collect();
    let count = |severity: &str| {
        files.iter().flat_map(|file| &file.findings).filter(|finding| finding.severity == severity).count()
    };
    let worst = files.iter().map(|file| file.verdict).max().unwrap_or(Verdict::Runs);
    let (errors, warnings, notes) = (count("error"), count("warning"), count("note"));
    CheckReport { files, errors, warnings, notes, exit_code: worst.exit_code() }
}

/// A directory stands for the configuration files right in it, by their suffixes.
fn files_of(name: &str, world: &dyn World) -> Vec<String> {
    let is_directory = world.target(Path::new(name)).is_ok_and(|entry| entry.kind == EntryKind::Directory);
    if !is_directory {
        return vec![name.to_owned()];
    }
    let pattern = format!("{}/*", envdir::literal(name.trim_end_matches('/')));
    let found: Vec<String> =
        world.glob(&pattern).into_iter().filter(|path| format_of(path).is_some()).collect();
    // Nothing in it: loading the directory itself says so.
    if found.is_empty() { vec![name.to_owned()] } else { found }
}

fn check_file(file: &str, judgement: Judgement, world: &dyn World) -> FileReport {
    let found = examine_file(file, judgement, world);
    let worst = found.iter().map(|finding| finding.severity).max();
    let verdict = match worst {
        Some(Severity::Error) => Verdict::Fails,
        Some(Severity::Warning) => Verdict::Differs,
        _ if found.iter().any(|finding| finding.topic == Topic::Differs) => Verdict::Differs,
        _ => Verdict::Runs,
    };
    let findings = found.iter().map(Finding::new).collect();
    FileReport { file: file.to_owned(), verdict, findings }
}

/// Everything there is to say about one file, in the order of its lines.
fn examine_file(file: &str, judgement: Judgement, world: &dyn World) -> Vec<Diagnostic> {
    let mut found = crate::examine(&arguments(file), world, judgement.place);
    for finding in &mut found {
        if judgement.strict && finding.severity == Severity::Warning {
            finding.severity = Severity::Error;
        }
        // What is about no line at all is about the file that was asked for.
        if matches!(finding.origin, Origin::Default | Origin::CommandLine) {
            finding.origin = Origin::File { file: Arc::from(split_section(file).0), line: 0 };
        }
    }
    found
}

/// The command line that starts with a file, whatever its name; a corrected copy has the format of its original.
fn arguments(file: &str) -> Vec<String> {
    let (path, _) = split_section(file);
    let original = path.strip_suffix(fix::SUFFIX).unwrap_or(path);
    let option = match format_of(original).or_else(|| format_of(file)) {
        Some(_) if path == original => return vec!["margrave".to_owned(), file.to_owned()],
        Some(Format::Xml) => "--xml",
        Some(Format::Yaml) => "--yaml",
        Some(Format::Json) => "--json",
        Some(Format::Toml) => "--toml",
        Some(Format::Sqlite) => "--sqlite",
        Some(Format::Ini | Format::Other) | None => "--ini",
    };
    vec!["margrave".to_owned(), option.to_owned(), file.to_owned()]
}

impl Finding {
    fn new(diagnostic: &Diagnostic) -> Self {
        let (reason, fix) = reason_and_fix(diagnostic);
        let severity = match diagnostic.severity {
            Severity::Notice => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let file = match &diagnostic.origin {
            crate::Origin::File { file, .. } => file.to_string(),
            other => other.to_string(),
        };
        Self {
            file,
            line: diagnostic.origin.line(),
            option: diagnostic.option.clone(),
            severity,
            kind: diagnostic.topic.name(),
            reason: reason.to_owned(),
            fix: fix.to_owned(),
            fixable: diagnostic.repair.is_some(),
        }
    }
}

/// What is so and what to do; where a message has no second half, what may be done about its kind.
fn reason_and_fix(diagnostic: &Diagnostic) -> (&str, &str) {
    let (reason, fix) = halves(&diagnostic.message);
    if !fix.is_empty() {
        return (reason, fix);
    }
    match (diagnostic.topic, diagnostic.severity) {
        // The registry writes `why: what to do` or only what to do.
        (Topic::Refused, _) => reason.split_once(": ").unwrap_or(("this option is refused", reason)),
        (Topic::NotBuilt, _) => (reason, "remove it, or keep uWSGI until a later release has it"),
        (Topic::NoEffect, Severity::Notice) => (reason, "none is needed, it may be removed"),
        (Topic::NoEffect, _) => (reason, "remove it, or keep uWSGI for that part"),
        (Topic::Differs, _) => (reason, "none is needed if this is meant"),
        _ => (reason, ""),
    }
}

/// What is wrong and what to do: the two sides of the last semicolon outside quoted code.
fn halves(message: &str) -> (&str, &str) {
    let mut is_code = false;
    let mut split = None;
    for (place, character) in message.char_indices() {
        match character {
            '`' => is_code = !is_code,
            ';' if !is_code && message[place + 1..].starts_with(' ') => split = Some(place),
            _ => {}
        }
    }
    split.map_or((message, ""), |place| (&message[..place], message[place + 1..].trim_start()))
}

impl CheckReport {
    /// The report for people, with the lines in question.
    pub fn render(&self, world: &dyn World, color: bool) -> String {
        let mut renderer = render::Renderer::new(world, color);
        for report in &self.files {
            for finding in &report.findings {
                renderer.finding(finding);
            }
            renderer.verdict(report);
        }
        let mut text = renderer.finish();
        if self.files.len() > 1 {
            let count = |verdict: Verdict| self.files.iter().filter(|file| file.verdict == verdict).count();
            let _ = writeln!(
                text,
                "{} files: {} as they are, {} with differences, {} not at all; {}",
                self.files.len(),
                count(Verdict::Runs),
                count(Verdict::Differs),
                count(Verdict::Fails),
                render::counts(self.errors, self.warnings, self.notes)
            );
        }
        text
    }

    /// The report for programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_taken_apart_at_its_last_semicolon_outside_code() {
        for (message, reason, fix) in [
            ("a; b", "a", "b"),
            (
                "only 2 is read, `; two` behind it is not; put it",
                "only 2 is read, `; two` behind it is not",
                "put it",
            ),
            ("accepted: why", "accepted: why", ""),
            ("x; y; write `a; b`", "x; y", "write `a; b`"),
        ] {
            assert_eq!(halves(message), (reason, fix), "{message}");
        }
    }

    #[test]
    fn arguments_are_files_and_two_flags() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let request = CheckRequest::parse(&words("--json a.ini - --strict b.yaml:x")).unwrap();
        assert_eq!(request.files, ["a.ini", "-", "b.yaml:x"]);
        assert!(request.json && request.judgement.strict);
        assert_eq!(CheckRequest::parse(&words("-- --json")).unwrap().files, ["--json"]);
        assert!(CheckRequest::parse(&words("--nope a")).unwrap_err().contains("no option --nope; usage:"));
        assert!(CheckRequest::parse(&[]).unwrap_err().contains("needs a file"));
    }
}
