//! A log file: rotated past a size or on request, opened anew on request.

use super::dispatch::count_lines;
use margrave_config::settings::LogSettings;
use margrave_sys::{clock, process};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Most rotations in one second that keep their own backup.
const MAX_PER_SECOND: u32 = 1000;

/// A log file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: Option<u64>,
    backup: Option<String>,
    mode: Option<u32>,
    /// The last write stopped within a line.
    torn: bool,
}

impl LogFile {
    /// Opens it for appending.
    ///
    /// # Errors
    /// When it cannot be created or written.
    pub fn open(path: PathBuf, settings: &LogSettings) -> io::Result<Self> {
        let file = process::open_log(&path, settings.file_mode)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            max_size: settings.max_size,
            backup: settings.backup_name.clone(),
            mode: settings.file_mode,
            torn: false,
        })
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether it is rotated past some size.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.max_size.is_some()
    }

    /// Appends whole lines to a file without a largest size; gives the number of those that were lost.
    pub fn write_lines(&mut self, lines: &[u8]) -> u64 {
        let before = self.size;
        match self.write(lines) {
            Ok(_) => 0,
            Err(_) => {
                let written = usize::try_from(self.size - before).unwrap_or(lines.len());
                count_lines(&lines[written..])
            }
        }
    }

    /// Appends bytes. `true` when the file has been rotated.
    ///
    /// # Errors
    /// A full disk, among others; a part may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.torn {
            // What a full disk cut off ends here, so that the next line is whole.
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    self.size += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = rest.len() < bytes.len();
                    return Err(error);
                }
            }
        }
        if self.max_size.is_some_and(|most| self.size > most) {
            return self.rotate().map(|()| true);
        }
        Ok(false)
    }

    /// Renames the file and goes on with a new one. When that fails, the old one goes on.
    ///
    /// # Errors
    /// When the file cannot be renamed, or a new one not be made.
    pub fn rotate(&mut self) -> io::Result<()> {
        let backup = match &self.backup {
            Some(name) => PathBuf::from(clock::format_local(name, clock::wall().as_secs())),
            None => free_name(&self.path),
        };
        // Not again with every line, should it fail.
        self.size = 0;
        fs::rename(&self.path, backup)?;
        self.reopen()
    }

    /// Opens the file of that name anew.
    ///
    /// # Errors
    /// When it cannot be created or written; then the old one goes on.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file = process::open_log(&self.path, self.mode)?;
        self.size = self.file.metadata()?.len();
        self.torn = false;
        Ok(())
    }
}

/// The path with the time behind it; several rotations in one second get names of their own.
fn free_name(path: &Path) -> PathBuf {
    let dated = |extra: String| {
        let mut name = path.to_path_buf().into_os_string();
        name.push(format!(".{}{extra}", clock::wall().as_secs()));
        PathBuf::from(name)
    };
    let numbered = (1..MAX_PER_SECOND).map(|number| dated(format!(".{number}")));
    let mut names = std::iter::once(dated(String::new())).chain(numbered);
    names.find(|path| !path.exists()).unwrap_or_else(|| dated(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, settings: &LogSettings) -> LogFile {
        LogFile::open(path.into(), settings).unwrap()
    }

    #[test]
    fn a_file_past_its_size_is_kept_under_its_backup_name() {
        let root = tempfile::tempdir().unwrap();
        let (path, backup) = (root.path().join("log"), root.path().join("old"));
        let settings = LogSettings {
            max_size: Some(8),
            backup_name: Some(backup.display().to_string()),
            ..LogSettings::default()
        };
        let mut file = open(&path, &settings);
        assert!(file.write(b"12345678\n").unwrap());
        assert!(!file.write(b"new\n").unwrap());
        assert_eq!(fs::read_to_string(&backup).unwrap(), "12345678\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn rotations_within_a_second_overwrite_nothing() {
        let root = tempfile::tempdir().unwrap();
        let settings = LogSettings { max_size: Some(8), ..LogSettings::default() };
        let mut file = open(&root.path().join("log"), &settings);
        (0..10).for_each(|_| drop(file.write(b"12345678\n")));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 11);
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew_on_request() {
        let root = tempfile::tempdir().unwrap();
        let (path, moved) = (root.path().join("log"), root.path().join("moved"));
        let mut file = open(&path, &LogSettings::default());
        file.write(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write(b"two\n").unwrap();
        file.reopen().unwrap();
        file.write(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }
}
