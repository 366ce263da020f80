//! Files answered without Python.

use super::values::Values;
use crate::settings::StaticSettings;
use std::path::PathBuf;

/// Patterns of `static-expires` that match every file.
const EVERY_FILE: [&str; 6] = ["/*", "*", ".*", "/.*", "^/.*", "^.*$"];

pub fn build(values: &mut Values<'_>) -> StaticSettings {
    StaticSettings {
        maps: maps(values),
        check: values.paths("check-static"),
        index: values.texts("static-index"),
        skip_ext: values.texts("static-skip-ext"),
        safe: values.paths("static-safe"),
        mime_files: values.paths("mime-file"),
        expires: expires(values),
    }
}

fn maps(values: &mut Values<'_>) -> Vec<(String, PathBuf)> {
    let mut maps = Vec::new();
    for setting in values.all(&["static-map", "static-map2"]) {
        let Some((mountpoint, path)) = values.pair(setting, "/path=directory") else { continue };
        if !mountpoint.starts_with('/') {
            values.error(setting, format!("`{mountpoint}` is no path; write /{mountpoint}={path}"));
        } else if path.is_empty() {
            values.error(setting, "the directory is missing; write it as /path=directory");
        } else if setting.row.name() == "static-map2" {
            maps.push((
                mountpoint.to_owned(),
                PathBuf::from(format!("{}{mountpoint}", path.trim_end_matches('/'))),
            ));
        } else {
            maps.push((mountpoint.to_owned(), PathBuf::from(path)));
        }
    }
    maps
}

fn expires(values: &mut Values<'_>) -> Option<u64> {
    let mut expires = None;
    for setting in values.all(&["static-expires"]) {
        let (pattern, seconds) = setting.text().split_once([' ', '=']).unwrap_or((setting.text(), ""));
        match seconds.trim().parse() {
            Err(_) => {
                values.error(setting, format!("`{}` names no time; write it as /* 86400", setting.text()))
            }
            Ok(seconds) if EVERY_FILE.contains(&pattern) => expires = Some(seconds),
            Ok(_) => values.warn(
                setting,
                format!("the pattern `{pattern}` is not built yet, so this has no effect; `/*` works"),
            ),
        }
    }
    expires
}
