//! From a request's path to an open file.

use crate::media_type::MediaTypes;
use margrave_config::settings::StaticSettings;
use margrave_sys::beneath::Root;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The configured places of static files.
#[derive(Debug)]
pub struct StaticFiles {
    settings: StaticSettings,
    types: MediaTypes,
}

/// An open file that answers a request.
#[derive(Debug)]
pub struct Found {
    /// Positioned anywhere; read by offset.
    pub file: File,
    /// Bytes in the file.
    pub length: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// `Content-Type`
    pub media_type: String,
    /// `Expires` in so many seconds.
    pub expires: Option<u64>,
}

impl StaticFiles {
    /// `None` when the configuration names no static files.
    #[must_use]
    pub fn new(settings: &StaticSettings) -> Option<Self> {
        if settings.maps.is_empty() && settings.check.is_empty() {
            return None;
        }
        Some(Self { settings: settings.clone(), types: MediaTypes::new(&settings.mime_files) })
    }

    /// The file that `path` (PATH_INFO, percent-decoded) means, if any: first `check-static`, then each `static-map`.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<Found> {
        if path.contains(&0) || self.is_skipped(path) {
            return None;
        }
        let checked = self.settings.check.iter().find_map(|root| self.open(root, relative(path)));
        checked.or_else(|| {
            self.settings.maps.iter().find_map(|(mountpoint, target)| {
                let rest = below(mountpoint.as_bytes(), path)?;
                self.open(target, relative(rest))
            })
        })
    }

    fn is_skipped(&self, path: &[u8]) -> bool {
        self.settings.skip_ext.iter().any(|extension| path.ends_with(extension.as_bytes()))
    }

    fn open(&self, root: &Path, relative: &Path) -> Option<Found> {
        let file = if relative.as_os_str().is_empty() && root.is_file() {
            File::open(root).ok()?
        } else {
            self.open_below(root, relative)?
        };
        let metadata = file.metadata().ok()?;
        if metadata.is_dir() {
            let (index, file) = self.settings.index.iter().find_map(|index| {
                let path = relative.join(index);
                let file = self.open_below(root, &path)?;
                file.metadata().ok()?.is_file().then_some((path, file))
            })?;
            return self.found(file, &index);
        }
        let name = if relative.as_os_str().is_empty() { root } else { relative };
        metadata.is_file().then(|| self.found(file, name)).flatten()
    }

    fn open_below(&self, root: &Path, relative: &Path) -> Option<File> {
        let opened = Root::open(root).ok()?;
        opened.open_file(relative).ok().or_else(|| self.open_through_link(root, relative))
    }

    /// A link with an absolute target is refused by the kernel even where it stays inside; and `static-safe` names
    /// further directories that links may lead to. The real path is opened below the root it belongs to.
    fn open_through_link(&self, root: &Path, relative: &Path) -> Option<File> {
        let real = fs::canonicalize(root.join(relative)).ok()?;
        let roots = std::iter::once(root).chain(self.settings.safe.iter().map(PathBuf::as_path));
        // Where `..` leads out of the root textually, it was no link that did.
        if leaves(relative) {
            return None;
        }
        roots.filter_map(|root| fs::canonicalize(root).ok()).find_map(|root| {
            let relative = real.strip_prefix(&root).ok()?;
            Root::open(&root).ok()?.open_file(relative).ok()
        })
    }

    fn found(&self, file: File, name: &Path) -> Option<Found> {
        let metadata = file.metadata().ok()?;
        Some(Found {
            length: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            media_type: self.types.of(name),
            expires: self.settings.expires,
            file,
        })
    }
}

/// What of `path` lies below a mount point; whole segments only, so that `/static` is no part of `/static-private`.
fn below<'a>(mountpoint: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let mountpoint = mountpoint.strip_suffix(b"/").unwrap_or(mountpoint);
    let rest = path.strip_prefix(mountpoint)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

fn relative(path: &[u8]) -> &Path {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    Path::new(OsStr::from_bytes(&path[start..]))
}

fn leaves(relative: &Path) -> bool {
    let mut depth = 0i32;
    relative.components().any(|component| {
        depth += match component {
            std::path::Component::ParentDir => -1,
            std::path::Component::Normal(_) => 1,
            _ => 0,
        };
        depth < 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn site() -> (tempfile::TempDir, StaticFiles) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for directory in ["static/css", "static-private", "public/docs", "shared"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in [
            "static/css/a.css",
            "static-private/x",
            "public/docs/index.html",
            "public/robots.txt",
            "shared/s.js",
        ] {
            fs::write(root.join(file), file).unwrap();
        }
        symlink(root.join("shared/s.js"), root.join("static/s.js")).unwrap();
        symlink(root.join("static-private/x"), root.join("static/secret")).unwrap();
        symlink(root.join("static/css/a.css"), root.join("static/absolute.css")).unwrap();
        let settings = StaticSettings {
            maps: vec![
                ("/static".into(), root.join("static")),
                ("/favicon.ico".into(), root.join("public/robots.txt")),
            ],
            check: vec![root.join("public")],
            index: vec!["index.html".into()],
            skip_ext: vec![".py".into()],
            safe: vec![root.join("shared")],
            ..StaticSettings::default()
        };
        (folder, StaticFiles::new(&settings).unwrap())
    }

    fn check(path: &str, expected: Option<&str>) {
        let (_folder, files) = site();
        let content = files.find(path.as_bytes()).map(|mut found| {
            let mut text = String::new();
            found.file.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(content.as_deref(), expected, "{path}");
    }

    #[test]
    fn paths_lead_to_the_files_they_mean() {
        check("/static/css/a.css", Some("static/css/a.css"));
        check("/static//css/a.css", Some("static/css/a.css"));
        check("/static/css/../css/a.css", Some("static/css/a.css"));
        check("/favicon.ico", Some("public/robots.txt"));
        check("/robots.txt", Some("public/robots.txt"));
        check("/docs", Some("public/docs/index.html"));
        check("/docs/", Some("public/docs/index.html"));
    }

    #[test]
    fn nothing_outside_is_ever_found() {
        for path in [
            "/static/../static-private/x",
            "/static-private/x",
            "/static/../../etc/passwd",
            "/static/secret",
            "/static/css",
            "/staticcss/a.css",
            "/favicon.icon",
            "/favicon.ico/more",
            "/missing",
            "/static/css/a.css\0",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn links_may_lead_inside_and_to_safe_directories() {
        check("/static/absolute.css", Some("static/css/a.css"));
        check("/static/s.js", Some("shared/s.js"));
    }
}
