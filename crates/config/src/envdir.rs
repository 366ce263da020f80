//! `envdir`, `early-envdir` and `ienv`: environment variables from the files of a directory, or before everything else.
//!
//! As uWSGI: the file's name is the variable, its content up to the first NUL and without white space at its end is the
//! value, which may have several lines; an empty file removes the variable; names that begin with a dot are passed over.

use crate::error::Problem;
use crate::world::{EntryKind, World};
use crate::{Diagnostic, Origin};
use std::path::Path;

/// Longest value: what the kernel takes in one string of the environment.
const MAX_VALUE_BYTES: usize = 128 << 10;

/// Most variables of one directory.
const MAX_VARIABLES: usize = 10_000;

/// A variable and its new value, or `None` when it is removed.
pub type Change = (String, Option<String>);

/// What a directory changes, in the order of names.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn read(
    directory: &str,
    option: &str,
    origin: &Origin,
    world: &dyn World,
) -> Result<Vec<Change>, Problem> {
    let fail = |message: String| Problem::from(Diagnostic::error(origin, option, message));
    let is_directory =
        world.target(Path::new(directory)).is_ok_and(|entry| entry.kind == EntryKind::Directory);
    if !is_directory {
        return Err(fail(format!("there is no directory `{directory}`; create it, or correct the path")));
    }
    let directory = directory.trim_end_matches('/');
    let files = world.glob(&format!("{}/*", literal(directory)));
    if files.len() > MAX_VARIABLES {
        let (origin, what) = (origin.clone(), format!("the number of files in {directory}"));
        return Err(Problem::TooLarge { origin, what, limit: MAX_VARIABLES });
    }
    let mut changes = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with('/')) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.starts_with('.') || name.contains('=') {
            continue;
        }
        let content = world.read_file(Path::new(path), MAX_VALUE_BYTES).map_err(|error| {
            fail(format!("cannot read {path}: {error}; remove it, or let this user read it"))
        })?;
        let content = content.split(|byte| *byte == 0).next().unwrap_or_default();
        let value = String::from_utf8_lossy(content).trim_end().to_owned();
        changes.push((name.to_owned(), Some(value).filter(|value| !value.is_empty())));
    }
    Ok(changes)
}

/// A path as a pattern that matches only itself.
pub fn literal(path: &str) -> String {
    path.chars()
        .map(|character| match character {
            '*' | '?' | '[' => format!("[{character}]"),
            plain => plain.to_string(),
        })
        .collect()
}

/// Puts a change into the two lists that are applied to the environment of the application.
pub fn apply(change: Change, env: &mut Vec<(String, String)>, unenv: &mut Vec<String>) {
    let (name, value) = change;
    env.retain(|(known, _)| *known != name);
    unenv.retain(|known| *known != name);
    match value {
        Some(value) => env.push((name, value)),
        None => unenv.push(name),
    }
}
