//! What configuration says to the operator: where, which option, what is wrong, what to do.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, named as the operator named it. Lines count from 1; 0 stands for the file as a whole.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// Line from 1, or 0.
        line: u32,
    },
    /// The command line.
    CommandLine,
    /// A `UWSGI_*` environment variable.
    Environment,
    /// Margrave itself.
    #[default]
    Default,
}

impl Origin {
    /// The file, when there is one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File { file, .. } => Some(file),
            _ => None,
        }
    }

    /// The line from 1, when there is one.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::File { line, .. } if *line > 0 => Some(*line),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0 } => write!(f, "{}", Printable(file, MESSAGE_LENGTH)),
            Self::File { file, line } => write!(f, "{}:{line}", Printable(file, MESSAGE_LENGTH)),
            Self::CommandLine => write!(f, "command line"),
            Self::Environment => write!(f, "environment"),
            Self::Default => write!(f, "margrave"),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Notice,
    /// Margrave runs, but probably not as meant.
    Warning,
    /// Margrave cannot run with this.
    Error,
}

/// What kind of thing was found; `margrave check` sorts by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A name that is no option.
    Unknown,
    /// Read, and without effect here.
    NoEffect,
    /// Known, not built yet.
    NotBuilt,
    /// Refused on purpose.
    Refused,
    /// Margrave does something else than uWSGI.
    Differs,
    /// Written in a way that does not mean what it looks like.
    Trap,
    /// A value or source that cannot be used.
    Invalid,
}

impl Topic {
    /// The word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NoEffect => "no-effect",
            Self::NotBuilt => "not-built-yet",
            Self::Refused => "refused",
            Self::Differs => "differs",
            Self::Trap => "trap",
            Self::Invalid => "invalid",
        }
    }
}

/// How `margrave check --fix` mends the text that a finding is about.
///
/// What is written comes from the text itself, never from values after expansion, so that `%d` and `$(PORT)` stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The key gets this name.
    Rename(String),
    /// A part of the value becomes another text.
    Replace {
        /// What stands there.
        old: String,
        /// What belongs there.
        new: String,
    },
    /// The comment behind the value moves to a line of its own.
    LiftComment,
    /// The line becomes another option, whose value is `before` and what stands behind `=` now.
    Rewrite {
        /// The option.
        name: String,
        /// The beginning of its value.
        before: String,
    },
    /// The line becomes a comment.
    CommentOut,
    /// The section header ends behind this name; a comment behind it moves to a line of its own.
    Header(String),
    /// A header of this section goes before the line.
    Begin(String),
    /// The byte order mark at the beginning of the file goes.
    DropMark,
}

/// One finding. Displays as `file:line: option: what is wrong, what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub origin: Origin,
    /// Which option; empty when it is not about one.
    pub option: String,
    /// How bad.
    pub severity: Severity,
    /// What kind of finding it is.
    pub topic: Topic,
    /// What is wrong and what to do, one sentence without a full stop.
    pub message: String,
    /// How the text is mended, where that is certain.
    pub repair: Option<Box<Repair>>,
    /// Whether what was written is not what takes effect, which `strict` refuses.
    pub misleads: bool,
}

impl Diagnostic {
    /// A warning about one option.
    pub fn warning(origin: &Origin, option: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, origin, option, message.into())
    }

    /// A notice about one option.
    pub fn notice(origin: &Origin, option: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, origin, option, message.into())
    }

    /// An error about one option.
    pub fn error(origin: &Origin, option: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, origin, option, message.into())
    }

    fn new(severity: Severity, origin: &Origin, option: &str, message: String) -> Self {
        let topic = match severity {
            Severity::Notice => Topic::NoEffect,
            Severity::Warning => Topic::Trap,
            Severity::Error => Topic::Invalid,
        };
        Self {
            origin: origin.clone(),
            option: option.to_owned(),
            severity,
            topic,
            message,
            repair: None,
            misleads: false,
        }
    }

    /// The same finding, of this kind.
    pub fn about(mut self, topic: Topic) -> Self {
        self.topic = topic;
        self
    }

    /// The same finding, with the way to mend the text.
    pub fn mended_by(mut self, repair: impl Into<Option<Repair>>) -> Self {
        self.repair = repair.into().map(Box::new);
        self
    }

    /// The same finding, as one about a text whose effect is not what it looks like; `strict` makes it an error.
    pub fn misleading(mut self) -> Self {
        self.misleads = true;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = Printable(&self.message, MESSAGE_LENGTH);
        if self.option.is_empty() {
            write!(f, "{}: {message}", self.origin)
        } else {
            write!(f, "{}: {}: {message}", self.origin, Printable(&self.option, OPTION_LENGTH))
        }
    }
}

/// Characters of an option's name and of a message that are shown: files may be no configuration at all.
const OPTION_LENGTH: usize = 80;
const MESSAGE_LENGTH: usize = 800;

/// Text out of a file, fit for a terminal: control characters are escaped, what is too long is cut.
pub(crate) struct Printable<'a>(pub(crate) &'a str, pub(crate) usize);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (place, character) in self.0.chars().enumerate() {
            if place >= self.1 {
                return f.write_str("...");
            }
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Puts findings in the order of their lines, file by file; files stay in the order in which they first appear.
pub(crate) fn sort(findings: &mut [Diagnostic]) {
    let mut files: Vec<String> = Vec::new();
    for finding in findings.iter() {
        let file = finding.origin.file().unwrap_or_default().to_owned();
        if !files.contains(&file) {
            files.push(file);
        }
    }
    findings.sort_by_cached_key(|finding| {
        let file = finding.origin.file().unwrap_or_default();
        (files.iter().position(|known| known == file), finding.origin.line())
    });
}
