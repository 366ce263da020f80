//! Where vassal files are looked for: directories and glob patterns.

use crate::EmperorError;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Endings that make a file in a directory a vassal.
const EXTENSIONS: [&str; 6] = ["ini", "xml", "yaml", "yml", "json", "js"];
/// Longest file name of a vassal, as in uWSGI.
const LONGEST_NAME: usize = 255;

/// All sources of one emperor.
#[derive(Debug)]
pub(crate) struct Sources {
    list: Vec<Source>,
}

#[derive(Debug)]
enum Source {
    /// Vassals are named by their file name and started in the directory.
    Directory(PathBuf),
    /// Vassals are named by their path and started where the emperor is.
    Pattern(String),
}

impl Sources {
    /// Takes directories and patterns as written.
    pub(crate) fn new(written: &[String]) -> Result<Self, EmperorError> {
        let list = written.iter().map(|source| {
            let path = PathBuf::from(source.strip_prefix("dir://").unwrap_or(source));
            if let Some(pattern) = source.strip_prefix("glob://") {
                return Ok(Source::Pattern(pattern.to_owned()));
            }
            if !path.is_dir() && source.contains(['*', '?', '[']) {
                return Ok(Source::Pattern(source.clone()));
            }
            match fs::read_dir(&path).and_then(|_| fs::canonicalize(&path)) {
                Ok(path) => Ok(Source::Directory(path)),
                Err(error) => Err(EmperorError::Source { path, error }),
            }
        });
        Ok(Self { list: list.collect::<Result<_, _>>()? })
    }

    /// The vassal files that exist now, each with a number that changes when the file does.
    pub(crate) fn scan(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for source in &self.list {
            match source {
                Source::Directory(directory) => scan_directory(directory, &mut found),
                Source::Pattern(pattern) => {
                    for path in glob::glob(pattern).into_iter().flatten().flatten() {
                        add(&path, path.to_str(), &mut found);
                    }
                }
            }
        }
        found
    }

    /// Where the emperor's own hooks run: in the first directory; `None` = where the emperor is.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.list.iter().find_map(|source| match source {
            Source::Directory(directory) => Some(directory.clone()),
            Source::Pattern(_) => None,
        })
    }

    /// Where a vassal starts.
    pub(crate) fn directory_of(&self, name: &str) -> Option<PathBuf> {
        self.list.iter().find_map(|source| match source {
            Source::Directory(directory) if !name.contains('/') && directory.join(name).exists() => {
                Some(directory.clone())
            }
            _ => None,
        })
    }
}

fn scan_directory(directory: &Path, found: &mut BTreeMap<String, u64>) {
    // A directory that is away for a moment (a deployment moves it) must not stop its vassals for good: they start
    // again when it is back.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ends =
            path.extension().and_then(|ending| ending.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
        if ends {
            add(&path, path.file_name().and_then(|name| name.to_str()), found);
        }
    }
}

fn add(path: &Path, name: Option<&str>, found: &mut BTreeMap<String, u64>) {
    let Some(name) = name.filter(|name| name.len() < LONGEST_NAME) else { return };
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.is_file() {
        let nanos = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
        found.insert(name.to_owned(), nanos.cast_unsigned() ^ metadata.ino().rotate_left(32));
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, source) in self.list.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            match source {
                Source::Directory(directory) => write!(out, "{separator}{}", directory.display())?,
                Source::Pattern(pattern) => write!(out, "{separator}{pattern}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_files_are_vassals_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.ini", "b.yaml", "notes.txt", "c.ini.bak"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("d.ini")).unwrap();
        let directory = Sources::new(&[folder.path().display().to_string()]).unwrap();
        assert_eq!(directory.scan().into_keys().collect::<Vec<_>>(), ["a.ini", "b.yaml"]);
        let root = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(directory.directory_of("a.ini"), Some(root.clone()));
        let pattern = Sources::new(&[format!("{}/*.ini", root.display())]).unwrap();
        assert_eq!(
            pattern.scan().into_keys().collect::<Vec<_>>(),
            [root.join("a.ini").display().to_string()]
        );
    }

    #[test]
    fn a_file_that_is_written_again_gets_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ini");
        fs::write(&path, "1").unwrap();
        let sources = Sources::new(&[folder.path().display().to_string()]).unwrap();
        let before = sources.scan();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_ne!(before, sources.scan());
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let error = Sources::new(&["/no/such/vassals".into()]).unwrap_err().to_string();
        assert!(error.contains("/no/such/vassals"), "{error}");
    }
}
