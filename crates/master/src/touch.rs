//! Files whose change means something, looked at once a second: `touch-reload` and its relatives.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes when a file is touched, written or replaced.
type Stamp = (u64, i64, i64);

/// The watched files, what a change of each means, and how they were last seen.
#[derive(Debug)]
pub struct Touch<M> {
    files: Vec<(PathBuf, M, Option<Stamp>)>,
}

impl<M> Default for Touch<M> {
    fn default() -> Self {
        Self { files: Vec::new() }
    }
}

impl<M: Clone> Touch<M> {
    /// Watches files from now on. One that is absent counts as changed when it appears.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = (PathBuf, M)>) -> Self {
        let seen = |(path, meaning): (PathBuf, M)| {
            let stamp = stamp(&path);
            (path, meaning, stamp)
        };
        Self { files: files.into_iter().map(seen).collect() }
    }

    /// The files that have changed since the last look, with their meaning.
    pub fn changed(&mut self) -> Vec<(PathBuf, M)> {
        let mut changed = Vec::new();
        for (path, meaning, known) in &mut self.files {
            let now = stamp(path);
            // A file that vanishes is about to be replaced, or was a mistake; either way there is nothing to load.
            if now.is_some() && now != *known {
                changed.push((path.clone(), meaning.clone()));
            }
            *known = now.or(*known);
        }
        changed
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
        let mut touch = Touch::new([(path.clone(), 'a'), (late.clone(), 'b')]);
        assert!(touch.changed().is_empty());
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(touch.changed(), [(path.clone(), 'a')]);
        assert!(touch.changed().is_empty());
        fs::write(&late, "").unwrap();
        assert_eq!(touch.changed(), [(late.clone(), 'b')]);
        fs::remove_file(&late).unwrap();
        assert!(touch.changed().is_empty());
        fs::write(root.path().join("c"), "").unwrap();
        fs::rename(root.path().join("c"), &path).unwrap();
        assert_eq!(touch.changed(), [(path, 'a')]);
    }
}
