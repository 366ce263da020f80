//! Where configuration text comes from: files, standard input, commands, descriptors; and what a name of one means.

use crate::diagnostic::{Diagnostic, Origin, Repair, Topic};
use crate::error::Problem;
use crate::world::{Embedded, World};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Size of one configuration file or `@()` source.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// Size of all sources of one configuration, each time it is read counted.
pub const MAX_READ_BYTES: usize = 64 << 20;

/// Sources read for one configuration.
pub const MAX_READS: usize = 10_000;

/// Schemes of uWSGI that stay with uWSGI, each with what to do instead.
const UNAVAILABLE: [(&str, &str); 5] = [
    (
        "sym",
        "symbols are linked into a build of uWSGI; append the text to the executable and write data://0, or name a file",
    ),
    (
        "call",
        "it calls a C function of a uWSGI plugin; let a command print the text and write exec://command",
    ),
    (
        "callint",
        "it calls a C function of a uWSGI plugin; let a command print the number and write exec://command",
    ),
    (
        "emperor",
        "only uWSGI's emperor sends its vassals their configuration; use `margrave --emperor`, or name a file",
    ),
    ("zerg", "it is a socket of uWSGI's zerg pool; name a file"),
];

/// A name of a source, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// `-`.
    StandardInput,
    /// `exec://command`.
    Command(&'a str),
    /// `fd://N`.
    Descriptor(i32),
    /// `http://host/path`, `https://host/path`.
    Address(&'a str),
    /// `data://N`.
    Appended(usize),
    /// `section://name`.
    Section(&'a str),
    /// A scheme whose rest is no number.
    NoNumber,
    /// An address without a path.
    NoPath,
    /// A scheme that cannot be read, and what to do.
    Unavailable(&'static str),
    /// A path.
    File(&'a str),
}

impl<'a> Source<'a> {
    /// What a name means.
    pub fn parse(name: &'a str) -> Self {
        if name == "-" {
            return Self::StandardInput;
        }
        let Some((scheme, rest)) = name.split_once("://") else { return Self::File(name) };
        match scheme {
            "exec" => Self::Command(rest),
            "fd" => rest.parse().map_or(Self::NoNumber, Self::Descriptor),
            "data" => rest.parse().map_or(Self::NoNumber, Self::Appended),
            "section" => Self::Section(rest),
            "http" | "https" if rest.contains('/') => Self::Address(name),
            "http" | "https" => Self::NoPath,
            _ => UNAVAILABLE
                .iter()
                .find(|(known, _)| *known == scheme)
                .map_or(Self::File(name), |(_, advice)| Self::Unavailable(advice)),
        }
    }
}

/// Splits `file:section` at the last colon; in `scheme://...` only a colon behind the last `/` counts.
pub fn split_section(name: &str) -> (&str, Option<&str>) {
    let from = if name.contains("://") { name.rfind('/').unwrap_or(0) } else { 0 };
    match name[from..].rfind(':') {
        Some(colon) => {
            let section = &name[from + colon + 1..];
            (&name[..from + colon], Some(section).filter(|section| !section.is_empty()))
        }
        None => (name, None),
    }
}

/// Reads sources for one configuration, and counts.
#[derive(Debug, Default)]
pub struct Reader {
    /// Descriptors that have been read to their end.
    spent: HashSet<i32>,
    reads: usize,
    bytes: usize,
}

impl Reader {
    /// Reads a source as text. Invalid UTF-8 and a byte order mark are mended with a warning.
    ///
    /// # Errors
    /// When it cannot be read, or all sources together are too many or too large; `asked` says who wanted it.
    pub fn text(
        &mut self,
        name: &str,
        asked: &Origin,
        world: &dyn World,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<String, Problem> {
        let bytes =
            self.bytes(name, asked, world, findings).map_err(|error| unreadable(name, asked, &error))?;
        self.count(bytes.len(), asked)?;
        Ok(decode(name, bytes, findings))
    }

    /// Counts what was read from any source.
    ///
    /// # Errors
    /// When it is too much.
    pub fn count(&mut self, bytes: usize, asked: &Origin) -> Result<(), Problem> {
        self.reads += 1;
        self.bytes += bytes;
        let (what, limit) = if self.bytes > MAX_READ_BYTES {
            ("the size of all files read, in bytes,", MAX_READ_BYTES)
        } else if self.reads > MAX_READS {
            ("the number of files read", MAX_READS)
        } else {
            return Ok(());
        };
        Err(Problem::TooLarge { origin: asked.clone(), what: what.to_owned(), limit })
    }

    fn bytes(
        &mut self,
        name: &str,
        asked: &Origin,
        world: &dyn World,
        findings: &mut Vec<Diagnostic>,
    ) -> io::Result<Vec<u8>> {
        const LIMIT: usize = MAX_SOURCE_BYTES;
        let mut warn = |message: String| findings.push(Diagnostic::warning(asked, "", message));
        match Source::parse(name) {
            Source::StandardInput | Source::Descriptor(0) if !self.spent.insert(0) => {
                warn(
                    "standard input has been read to its end already and is empty here; name a file"
                        .to_owned(),
                );
                Ok(Vec::new())
            }
            Source::Descriptor(descriptor) if !self.spent.insert(descriptor) && descriptor != 0 => {
                warn(format!("`{name}` has been read to its end already and is empty here; name a file"));
                Ok(Vec::new())
            }
            Source::StandardInput => world.read_stdin(LIMIT),
            Source::Descriptor(descriptor) => world.read_descriptor(descriptor, LIMIT),
            Source::Command(command) => {
                let ran = world.run_command(command, LIMIT)?;
                if let Some(failure) = ran.failure {
                    warn(format!(
                        "`{command}` failed ({failure}), and what it printed is read nevertheless; mend the command"
                    ));
                }
                Ok(ran.output)
            }
            Source::Address(url) => world.sources().fetch(url, LIMIT),
            Source::Appended(place) => world.read_embedded(Embedded::Appended(place), LIMIT),
            Source::Section(section) => world.read_embedded(Embedded::Section(section), LIMIT),
            Source::File(path) => world.read_file(Path::new(path), LIMIT),
            Source::NoNumber | Source::NoPath | Source::Unavailable(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }
}

/// Lines that are not UTF-8 and are named one by one; a file of another encoding has no more to say.
const MOST_BROKEN_LINES: usize = 100;

fn decode(name: &str, bytes: Vec<u8>, findings: &mut Vec<Diagnostic>) -> String {
    let file: Arc<str> = Arc::from(name);
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let message = "this line is not UTF-8, the bytes in question are replaced; save the file as UTF-8";
        let lines = (1..).zip(error.as_bytes().split(|byte| *byte == b'\n'));
        let broken = lines.filter(|(_, line)| std::str::from_utf8(line).is_err());
        for (line, _) in broken.take(MOST_BROKEN_LINES) {
            findings.push(Diagnostic::warning(&Origin::File { file: Arc::clone(&file), line }, "", message));
        }
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            let origin = Origin::File { file, line: 1 };
            let message =
                "the byte order mark is skipped (uWSGI would not find the first section); save without it";
            let finding = Diagnostic::warning(&origin, "", message).about(Topic::Differs);
            findings.push(finding.mended_by(Repair::DropMark));
            rest.to_owned()
        }
        None => text,
    }
}

/// The problem of a source that cannot be read.
pub fn unreadable(name: &str, asked: &Origin, error: &io::Error) -> Problem {
    let reason = match (Source::parse(name), error.kind()) {
        (Source::Unavailable(advice), _) => (*advice).to_owned(),
        (Source::NoNumber, _) => "a number is wanted behind `://`, as in fd://3 and data://0".to_owned(),
        (Source::NoPath, _) => "an address needs a path, as in http://host/app.ini".to_owned(),
        (_, io::ErrorKind::FileTooLarge) => format!("it is larger than {MAX_SOURCE_BYTES} bytes"),
        (Source::Address(_), _) => format!("{error}; ask for it with curl on this machine"),
        (Source::Descriptor(_), _) => format!("{error}; let the parent process leave it open"),
        (Source::Command(_) | Source::Appended(_) | Source::Section(_), _) => error.to_string(),
        (_, io::ErrorKind::NotFound) => {
            "there is no such file; relative paths count from the working directory".to_owned()
        }
        (_, io::ErrorKind::PermissionDenied) => "permission denied; let this user read it".to_owned(),
        (_, io::ErrorKind::IsADirectory) => "it is a directory; name a file in it".to_owned(),
        _ => error.to_string(),
    };
    Problem::Unreadable { origin: asked.clone(), source_name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryWorld;

    #[test]
    fn sections_are_split_at_the_last_colon() {
        for (name, expected) in [
            ("a.ini", ("a.ini", None)),
            ("a.ini:x", ("a.ini", Some("x"))),
            ("a.ini:", ("a.ini", None)),
            (":x", ("", Some("x"))),
            ("a:b/m.ini", ("a", Some("b/m.ini"))),
            ("exec://cat ./m.ini:oth", ("exec://cat ./m.ini", Some("oth"))),
            ("fd://3", ("fd://3", None)),
        ] {
            assert_eq!(split_section(name), expected, "{name}");
        }
    }

    #[test]
    fn invalid_bytes_are_named_by_line_and_a_byte_order_mark_is_skipped() {
        let mut world = MemoryWorld::default();
        world.write("a", b"\xef\xbb\xbfok\nbad \xff\nfine\nbad too \xe9\n");
        let mut findings = Vec::new();
        let text = Reader::default().text("a", &Origin::CommandLine, &world, &mut findings).unwrap();
        assert_eq!(text, "ok\nbad \u{fffd}\nfine\nbad too \u{fffd}\n");
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings[0].starts_with("a:2: this line is not UTF-8"), "{findings:?}");
        assert!(findings[1].starts_with("a:4: this line is not UTF-8"), "{findings:?}");
        assert!(findings[2].starts_with("a:1: the byte order mark"), "{findings:?}");
    }
}
