//! Files answered without Python.

use super::values::Values;
use crate::diagnostic::Repair;
use crate::loader::Setting;
use crate::pattern;
use crate::settings::{
    CompressedSettings, ExpiresRule, ExpiresSubject, FileServeMode, PythonSettings, StaticSettings,
};
use std::path::PathBuf;

/// The options that make rules of expiry. Within a subject those that count from now come first, as in uWSGI.
const EXPIRES: [(&str, ExpiresSubject, bool); 8] = [
    ("static-expires", ExpiresSubject::File, false),
    ("static-expires-mtime", ExpiresSubject::File, true),
    ("static-expires-path-info", ExpiresSubject::PathInfo, false),
    ("static-expires-path-info-mtime", ExpiresSubject::PathInfo, true),
    ("static-expires-uri", ExpiresSubject::Uri, false),
    ("static-expires-uri-mtime", ExpiresSubject::Uri, true),
    ("static-expires-type", ExpiresSubject::Type, false),
    ("static-expires-type-mtime", ExpiresSubject::Type, true),
];

pub fn build(values: &mut Values<'_>, python: &PythonSettings) -> StaticSettings {
    let default = StaticSettings::default();
    StaticSettings {
        maps: maps(values),
        check: values.paths("check-static"),
        check_docroot: values.flag("check-static-docroot").unwrap_or_default(),
        mounts: mounts(python),
        index: values.texts("static-index"),
        skip_ext: values.texts("static-skip-ext"),
        safe: values.paths("static-safe"),
        mime_files: values.paths("mime-file"),
        expires: expires(values),
        compressed: compressed(values),
        ranges: values.flag("honour-range").unwrap_or(default.ranges),
        mode: mode(values),
        memory: bytes(values, "static-memory").unwrap_or(default.memory),
        memory_file: bytes(values, "static-memory-file").unwrap_or(default.memory_file),
    }
}

fn mounts(python: &PythonSettings) -> Vec<String> {
    let mounts = python.apps.iter().filter(|_| python.manage_script_name);
    mounts.map(|app| app.mountpoint.clone()).filter(|mount| !mount.is_empty()).collect()
}

fn bytes(values: &mut Values<'_>, name: &'static str) -> Option<usize> {
    values.number(name).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn maps(values: &mut Values<'_>) -> Vec<(String, PathBuf)> {
    let mut maps = Vec::new();
    for option in ["static-map", "static-map2"] {
        for setting in values.all(&[option]) {
            let Some((mountpoint, path)) = values.pair(setting, "/path=directory") else { continue };
            if !mountpoint.starts_with('/') {
                let message = format!(
                    "`{mountpoint}` is no path, so no request gets there; write /{mountpoint}={path}"
                );
                let old = setting.text().to_owned();
                let repair = Repair::Replace { new: format!("/{old}"), old };
                values.warn_mended(setting, message, Some(repair));
            } else if path.is_empty() {
                values.error(setting, "the directory is missing; write it as /path=directory");
            } else if option == "static-map2" {
                let path = format!("{}{mountpoint}", path.trim_end_matches('/'));
                maps.push((mountpoint.to_owned(), PathBuf::from(path)));
            } else {
                maps.push((mountpoint.to_owned(), PathBuf::from(path)));
            }
        }
    }
    maps
}

fn expires(values: &mut Values<'_>) -> Vec<ExpiresRule> {
    let mut rules = Vec::new();
    for (option, subject, from_mtime) in EXPIRES {
        for setting in values.all(&[option]) {
            let rule = rule(values, setting, subject);
            rules.extend(rule.map(|(pattern, seconds)| ExpiresRule {
                subject,
                pattern,
                seconds,
                from_mtime,
            }));
        }
    }
    rules
}

/// `pattern seconds`, or `type=seconds` for media types.
fn rule(values: &mut Values<'_>, setting: &Setting, subject: ExpiresSubject) -> Option<(String, u64)> {
    let is_type = subject == ExpiresSubject::Type;
    let text = setting.text().trim();
    let (pattern, seconds) = text.rsplit_once(if is_type { '=' } else { ' ' }).unwrap_or((text, ""));
    let Ok(seconds) = seconds.trim().parse() else {
        let form = if is_type { "text/css=86400" } else { ".*\\.css 86400" };
        values.error(setting, format!("`{text}` names no time; write it as {form}"));
        return None;
    };
    let pattern = pattern.trim().to_owned();
    (is_type || is_pattern(values, setting, &pattern)).then_some((pattern, seconds))
}

fn is_pattern(values: &mut Values<'_>, setting: &Setting, pattern: &str) -> bool {
    let checked = pattern::check(pattern);
    if let Err(reason) = &checked {
        values.error(setting, reason);
    }
    checked.is_ok()
}

fn compressed(values: &mut Values<'_>) -> CompressedSettings {
    let mut patterns = Vec::new();
    for setting in values.all(&["static-gzip"]) {
        if is_pattern(values, setting, setting.text()) {
            patterns.push(setting.text().to_owned());
        }
    }
    CompressedSettings {
        all: values.flag("static-gzip-all").unwrap_or_default(),
        patterns,
        prefixes: values.texts("static-gzip-dir"),
        suffixes: values.texts("static-gzip-ext"),
    }
}

fn mode(values: &mut Values<'_>) -> FileServeMode {
    let Some(setting) = values.last("file-serve-mode") else { return FileServeMode::Direct };
    match setting.text() {
        "nginx" | "x-accel-redirect" => FileServeMode::AccelRedirect,
        "x-sendfile" => FileServeMode::Sendfile,
        other => {
            values.error(
                setting,
                format!("`{other}` is no way to send files; write x-accel-redirect, nginx (the same) or x-sendfile"),
            );
            FileServeMode::Direct
        }
    }
}
