//! `touch-reload`: files whose change asks for a reload, looked at once a second.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes when a file is touched, written or replaced.
type Stamp = (u64, i64, i64);

/// The watched files and how they were last seen.
#[derive(Debug)]
pub struct Touch {
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Touch {
    /// Watches `files` from now on. One that is absent counts as changed when it appears.
    #[must_use]
    pub fn new(files: &[PathBuf]) -> Self {
        Self { files: files.iter().map(|path| (path.clone(), stamp(path))).collect() }
    }

    /// The first file that has changed since the last look, if any; all are brought up to date.
    pub fn changed(&mut self) -> Option<PathBuf> {
        let mut first = None;
        for (path, known) in &mut self.files {
            let now = stamp(path);
            // A file that vanishes is about to be replaced, or was a mistake; either way there is nothing to load.
            if now.is_some() && now != *known && first.is_none() {
                first = Some(path.clone());
            }
            *known = now.or(*known);
        }
        first
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_touch_a_new_file_and_a_replacement_are_seen_once() {
        let root = tempfile::tempdir().unwrap();
        let (path, late) = (root.path().join("a"), root.path().join("b"));
        fs::write(&path, "").unwrap();
        let mut touch = Touch::new(&[path.clone(), late.clone()]);
        assert_eq!(touch.changed(), None);
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(touch.changed(), Some(path.clone()));
        assert_eq!(touch.changed(), None);
        fs::write(&late, "").unwrap();
        assert_eq!(touch.changed(), Some(late.clone()));
        fs::remove_file(&late).unwrap();
        assert_eq!(touch.changed(), None);
        fs::write(root.path().join("c"), "").unwrap();
        fs::rename(root.path().join("c"), &path).unwrap();
        assert_eq!(touch.changed(), Some(path));
    }
}
