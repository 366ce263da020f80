//! The applications of a worker and which of them answers a request.
//!
//! As uWSGI: with `manage-script-name` the longest mount point that the path lies under wins and moves from
//! PATH_INFO to SCRIPT_NAME; without it only a SCRIPT_NAME from the front server chooses. A UWSGI_APPID, which only a
//! front server can send, names a mount point and chooses in either case. The default application takes the rest:
//! the one without a mount point, or the first one loaded.

use crate::uwsgi::apps::Tally;
use margrave_wire::{Known, Request};
use pyo3::prelude::*;

/// One application.
#[derive(Debug)]
pub struct App {
    /// `/api`, without a slash at the end; empty for the default one.
    pub mount: Vec<u8>,
    /// What is called.
    pub callable: Py<PyAny>,
    /// Its counters.
    pub tally: Option<Tally>,
}

/// All applications of a worker.
#[derive(Debug, Default)]
pub struct AppTable {
    apps: Vec<App>,
    default: usize,
    manage_script_name: bool,
}

impl AppTable {
    /// `apps` in the order they were loaded.
    #[must_use]
    pub fn new(mut apps: Vec<App>, manage_script_name: bool) -> Self {
        for app in &mut apps {
            while app.mount.last() == Some(&b'/') {
                app.mount.pop();
            }
        }
        let default = apps.iter().position(|app| app.mount.is_empty()).unwrap_or(0);
        Self { apps, default, manage_script_name }
    }

    /// The application that answers `request`, and its number; edits SCRIPT_NAME and PATH_INFO.
    #[inline]
    pub fn select(&self, request: &mut Request) -> Option<(usize, &App)> {
        let index = match &self.apps[..] {
            [] => return None,
            [only] if only.mount.is_empty() => 0,
            _ => self.choose(request),
        };
        self.apps.get(index).map(|app| (index, app))
    }

    fn choose(&self, request: &mut Request) -> usize {
        let by_path = if self.manage_script_name { self.move_mount(request) } else { None };
        let named = |known| request.var(known).filter(|name| !name.is_empty());
        let chosen = match named(Known::UwsgiAppid) {
            Some(name) => self.mounted_at(name),
            None if self.manage_script_name => by_path,
            None => named(Known::ScriptName).and_then(|name| self.mounted_at(name)),
        };
        chosen.unwrap_or(self.default)
    }

    fn mounted_at(&self, name: &[u8]) -> Option<usize> {
        self.apps.iter().position(|app| !app.mount.is_empty() && app.mount == name)
    }

    /// `manage-script-name`: moves the mount point that the path lies under to SCRIPT_NAME; which one that is.
    fn move_mount(&self, request: &mut Request) -> Option<usize> {
        let path = request.var(Known::PathInfo).unwrap_or_default();
        let Some(index) = longest_mount(self.apps.iter().map(|app| &app.mount[..]), path) else {
            request.set(Known::ScriptName, b"");
            return None;
        };
        let mount = &self.apps[index].mount;
        let rest = path[mount.len()..].to_vec();
        request.set(Known::ScriptName, mount);
        request.set(Known::PathInfo, &rest);
        Some(index)
    }
}

/// The longest non-empty mount point that is `path` or a directory above it.
fn longest_mount<'a>(mounts: impl Iterator<Item = &'a [u8]>, path: &[u8]) -> Option<usize> {
    mounts
        .enumerate()
        .filter(|(_, mount)| {
            !mount.is_empty()
                && path.strip_prefix(*mount).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        })
        .max_by_key(|(_, mount)| mount.len())
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_on_a_path_boundary_wins() {
        let mounts: [&[u8]; 4] = [b"", b"/app", b"/app/sub", b"/other"];
        let cases: [(&[u8], Option<usize>); 8] = [
            (b"/app", Some(1)),
            (b"/app/", Some(1)),
            (b"/app/inner/x", Some(1)),
            (b"/application", None),
            (b"/app/sub/deep", Some(2)),
            (b"/app/subway", Some(1)),
            (b"/", None),
            (b"", None),
        ];
        for (path, expected) in cases {
            let found = longest_mount(mounts.into_iter(), path);
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(path));
        }
    }
}
