//! Why configuration could not be loaded.

use crate::diagnostic::{Diagnostic, Origin, Printable};

/// One reason why configuration cannot be used; always the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file or other source could not be read.
    #[error("{origin}: cannot read {}: {reason}", Printable(.source_name, 400))]
    Unreadable {
        /// Where it was asked for.
        origin: Origin,
        /// The file or other source.
        source_name: String,
        /// What the system said, and what to do.
        reason: String,
    },
    /// The command line does not follow its grammar.
    #[error("{message}")]
    CommandLine {
        /// What is wrong and what to do.
        message: String,
    },
    /// A bound that keeps a configuration finite was reached.
    #[error("{origin}: {what} exceeds the bound of {limit}; split or shorten the configuration")]
    TooLarge {
        /// Where.
        origin: Origin,
        /// What is too large, deep or often.
        what: String,
        /// The bound.
        limit: usize,
    },
    /// No application, no files, nothing.
    #[error(
        "there is nothing to serve; name an application, for example `margrave mysite.wsgi:application`, or `module = mysite.wsgi` in a file"
    )]
    NothingToServe,
    /// Options or values are wrong; at least one finding, each on its own line.
    #[error("{}", lines(.0))]
    Invalid(Vec<Diagnostic>),
}

impl Problem {
    /// The process exit code for this problem: uWSGI's code for every configuration error.
    pub fn exit_code(&self) -> i32 {
        1
    }
}

impl Problem {
    /// The problem as findings, each where it was found.
    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        match self {
            Self::Invalid(findings) => findings,
            Self::Unreadable { origin, source_name, reason } => {
                vec![Diagnostic::error(&origin, "", format!("cannot read {source_name}: {reason}"))]
            }
            Self::TooLarge { origin, what, limit } => {
                let message =
                    format!("{what} exceeds the bound of {limit}; split or shorten the configuration");
                vec![Diagnostic::error(&origin, "", message)]
            }
            other @ (Self::CommandLine { .. } | Self::NothingToServe) => {
                vec![Diagnostic::error(&Origin::Default, "", other.to_string())]
            }
        }
    }
}

impl From<Diagnostic> for Problem {
    fn from(finding: Diagnostic) -> Self {
        Self::Invalid(vec![finding])
    }
}

fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A failed load: the problem, and what the configuration said before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ConfigError {
    /// Why.
    pub problem: Box<Problem>,
    /// Warnings found before the problem.
    pub diagnostics: Vec<Diagnostic>,
    /// What is in order and still worth knowing.
    pub notices: Vec<Diagnostic>,
    /// Lines of `print` and `iprint` reached before the problem, for standard output.
    pub output: Vec<String>,
    /// The text of `show-config`, when it was asked for.
    pub shown: Option<String>,
    /// The file to start with instead (`fallback-config`), when it was read before the problem.
    pub fallback: Option<Box<str>>,
}

impl ConfigError {
    /// The process exit code for this error.
    pub fn exit_code(&self) -> i32 {
        self.problem.exit_code()
    }
}
