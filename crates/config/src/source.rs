//! Where configuration text comes from: files, standard input, commands, descriptors; and what a name of one means.

use crate::diagnostic::{Diagnostic, Origin, Repair, Topic};
use crate::error::Problem;
use crate::world::World;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Size of one configuration file or `@()` source.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// Schemes of uWSGI that stay with uWSGI, or are not built yet.
const OTHER_SCHEMES: [&str; 9] =
    ["http", "https", "data", "sym", "section", "call", "callint", "emperor", "zerg"];

/// A name of a source, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// `-`.
    StandardInput,
    /// `exec://command`.
    Command(&'a str),
    /// `fd://N`.
    Descriptor(i32),
    /// A scheme that cannot be read.
    Other(&'a str),
    /// A path.
    File(&'a str),
}

impl<'a> Source<'a> {
    /// What a name means.
    pub fn parse(name: &'a str) -> Self {
        if name == "-" {
            return Self::StandardInput;
        }
        match name.split_once("://") {
            Some(("exec", command)) => Self::Command(command),
            Some(("fd", number)) => number.parse().map_or(Self::Other("fd"), Self::Descriptor),
            Some((scheme, _)) if OTHER_SCHEMES.contains(&scheme) => Self::Other(scheme),
            _ => Self::File(name),
        }
    }

    fn read(self, world: &dyn World) -> io::Result<Vec<u8>> {
        match self {
            Self::StandardInput => world.read_stdin(MAX_SOURCE_BYTES),
            Self::Command(command) => world.run_command(command, MAX_SOURCE_BYTES),
            Self::Descriptor(descriptor) => world.read_descriptor(descriptor, MAX_SOURCE_BYTES),
            Self::File(path) => world.read_file(Path::new(path), MAX_SOURCE_BYTES),
            Self::Other(_) => Err(io::ErrorKind::Unsupported.into()),
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

/// Reads a source as text. Invalid UTF-8 and a byte order mark are mended with a warning.
///
/// # Errors
/// When it cannot be read; `asked` says who wanted it.
pub fn read_text(
    name: &str,
    asked: &Origin,
    world: &dyn World,
    findings: &mut Vec<Diagnostic>,
) -> Result<String, Problem> {
    let bytes = Source::parse(name).read(world).map_err(|error| unreadable(name, asked, &error))?;
    let file: Arc<str> = Arc::from(name);
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let origin = Origin::File { file: Arc::clone(&file), line: u32::try_from(line).unwrap_or(u32::MAX) };
        let message = "this line is not UTF-8, the bytes in question are replaced; save the file as UTF-8";
        findings.push(Diagnostic::warning(&origin, "", message));
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            let origin = Origin::File { file, line: 1 };
            let message =
                "the byte order mark is skipped (uWSGI would not find the first section); save without it";
            let finding = Diagnostic::warning(&origin, "", message).about(Topic::Differs);
            findings.push(finding.mended_by(Repair::DropMark));
            Ok(rest.to_owned())
        }
        None => Ok(text),
    }
}

/// The problem of a source that cannot be read.
pub fn unreadable(name: &str, asked: &Origin, error: &io::Error) -> Problem {
    let reason = match (Source::parse(name), error.kind()) {
        (Source::Other("http" | "https"), _) => {
            "configuration over HTTP is not built yet; fetch it first and name the file".to_owned()
        }
        (Source::Other(scheme), _) => format!("Margrave has no sources of the kind {scheme}://; name a file"),
        (_, io::ErrorKind::NotFound) => {
            "there is no such file; relative paths count from the working directory".to_owned()
        }
        (_, io::ErrorKind::PermissionDenied) => "permission denied; let this user read it".to_owned(),
        (_, io::ErrorKind::IsADirectory) => "it is a directory; name a file in it".to_owned(),
        (_, io::ErrorKind::FileTooLarge) => format!("it is larger than {MAX_SOURCE_BYTES} bytes"),
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
        world.write("a", b"\xef\xbb\xbfok\nbad \xff\n");
        let mut findings = Vec::new();
        let text = read_text("a", &Origin::CommandLine, &world, &mut findings).unwrap();
        assert_eq!(text, "ok\nbad \u{fffd}\n");
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings[0].starts_with("a:2: this line is not UTF-8"), "{findings:?}");
        assert!(findings[1].starts_with("a:1: the byte order mark"), "{findings:?}");
    }
}
