//! The applications of a worker and which of them answers a request.
//!
//! As uWSGI: with `manage-script-name` the longest mount point that the path lies under wins and moves from
//! PATH_INFO to SCRIPT_NAME; without it only a SCRIPT_NAME from the front server chooses. A UWSGI_APPID, which only a
//! front server can send, names a mount point and chooses in either case. The default application takes the rest:
//! the one without a mount point, or the first one loaded. With `no-default-app` nothing takes the rest, and only requests
//! that name no mount point go to the application without one.

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
    /// The application without a mount point.
    unmounted: Option<usize>,
    rules: MountRules,
}

/// How a mount point is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountRules {
    /// `manage-script-name`.
    pub manage_script_name: bool,
    /// `no-default-app`.
    pub no_default_app: bool,
    /// `ignore-script-name`.
    pub ignore_script_name: bool,
}

/// Why no application answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is none.
    NothingLoaded,
    /// It is under no mount point, and there is no default application.
    NotMounted,
}

impl AppTable {
    /// `apps` in the order they were loaded.
    #[must_use]
    pub fn new(mut apps: Vec<App>, rules: MountRules) -> Self {
        for app in &mut apps {
            while app.mount.last() == Some(&b'/') {
                app.mount.pop();
            }
        }
        let unmounted = apps.iter().position(|app| app.mount.is_empty());
        Self { apps, unmounted, rules }
    }

    /// The application that answers `request`, and its number; edits SCRIPT_NAME and PATH_INFO.
    ///
    /// # Errors
    /// When none does.
    #[inline]
    pub fn select(&self, request: &mut Request) -> Result<(usize, &App), Unanswered> {
        let index = match &self.apps[..] {
            [] => return Err(Unanswered::NothingLoaded),
            [only] if only.mount.is_empty() && !self.rules.no_default_app => 0,
            _ => self.choose(request).ok_or(Unanswered::NotMounted)?,
        };
        self.apps.get(index).map(|app| (index, app)).ok_or(Unanswered::NothingLoaded)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// One of them is known by this name; the default one has none.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.apps.iter().any(|app| app.mount == name)
    }

    fn choose(&self, request: &mut Request) -> Option<usize> {
        let by_path = if self.rules.manage_script_name { self.move_mount(request) } else { None };
        let named = |known| request.var(known).filter(|name| !name.is_empty());
        let (chosen, names_a_mount) = match (named(Known::UwsgiAppid), named(Known::ScriptName)) {
            (Some(name), _) => (self.mounted_at(name), true),
            (None, _) if self.rules.manage_script_name => (by_path, by_path.is_some()),
            (None, Some(name)) if !self.rules.ignore_script_name => (self.mounted_at(name), true),
            (None, _) => (None, false),
        };
        match self.rules.no_default_app {
            false => chosen.or(self.unmounted).or(Some(0)),
            true if names_a_mount => chosen,
            true => self.unmounted,
        }
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
