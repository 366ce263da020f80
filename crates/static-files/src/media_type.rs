//! `Content-Type` by file name: `mime-file` first, then the built-in table.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Media types by extension.
#[derive(Debug, Default)]
pub(crate) struct MediaTypes {
    own: HashMap<String, String>,
}

impl MediaTypes {
    /// Reads files in the form of `/etc/mime.types`: a type, then its extensions. Missing files are passed over.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let mut own = HashMap::new();
        for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
            for line in text.lines() {
                let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
                let Some(media_type) = words.next() else { continue };
                own.extend(words.map(|extension| (extension.to_ascii_lowercase(), media_type.to_owned())));
            }
        }
        Self { own }
    }

    /// The type of a file; text is announced as UTF-8.
    pub(crate) fn of(&self, name: &Path) -> String {
        let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if let Some(own) = self.own.get(&extension.to_ascii_lowercase()) {
            return own.clone();
        }
        let guess = mime_guess::from_ext(extension).first_or_octet_stream();
        match (guess.type_(), guess.get_param("charset")) {
            (kind, None) if kind == mime_guess::mime::TEXT => format!("{guess}; charset=utf-8"),
            _ => guess.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mime_file_comes_before_the_built_in_table() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# ours\ntext/x-own own OWN2\n").unwrap();
        let types = MediaTypes::new(&[file.path().to_owned(), "missing".into()]);
        for (name, expected) in [
            ("a.own", "text/x-own"),
            ("a.Own2", "text/x-own"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.png", "image/png"),
            ("a", "application/octet-stream"),
        ] {
            assert_eq!(types.of(Path::new(name)), expected, "{name}");
        }
    }
}
