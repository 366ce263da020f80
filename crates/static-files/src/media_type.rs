//! `Content-Type` by file name: `mime-file` or /etc/mime.types first, then the built-in table.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Unix systems keep their media types.
const SYSTEM: &str = "/etc/mime.types";

/// Media types by extension.
#[derive(Debug, Default)]
pub(crate) struct MediaTypes {
    own: HashMap<String, String>,
}

impl MediaTypes {
    /// Reads the configured files, or without any the system's. Missing files are passed over.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        if files.is_empty() { Self::read(&[SYSTEM.into()]) } else { Self::read(files) }
    }

    /// Reads files in the form of /etc/mime.types: a type, then its extensions. The first mention of one counts.
    fn read(files: &[PathBuf]) -> Self {
        let mut own = HashMap::new();
        for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
            for line in text.lines() {
                let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
                let Some(media_type) = words.next() else { continue };
                for extension in words {
                    own.entry(extension.to_ascii_lowercase()).or_insert_with(|| media_type.to_owned());
                }
            }
        }
        Self { own }
    }

    /// The type of a file.
    pub(crate) fn of(&self, name: &Path) -> String {
        let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match self.own.get(&extension.to_ascii_lowercase()) {
            Some(own) => own.clone(),
            None => mime_guess::from_ext(extension).first_or_octet_stream().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mime_file_comes_before_the_built_in_table() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# ours\ntext/x-own own OWN2 # more\ntext/x-late own\nnothing\n").unwrap();
        let types = MediaTypes::new(&[file.path().to_owned(), "missing".into()]);
        for (name, expected) in [
            ("a.own", "text/x-own"),
            ("a.Own2", "text/x-own"),
            ("a.css", "text/css"),
            ("a.PNG", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("a.more", "application/octet-stream"),
            ("a", "application/octet-stream"),
            (".css", "application/octet-stream"),
        ] {
            assert_eq!(types.of(Path::new(name)), expected, "{name}");
        }
    }
}
