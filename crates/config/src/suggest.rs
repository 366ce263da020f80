//! "Did you mean": the option that a misspelt name was probably meant to be.

use crate::options::{self, Status};

/// The most likely option for a name that is none.
pub fn option_for(name: &str) -> Option<&'static str> {
    let plain = name.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    if let Some(row) = options::find(&plain) {
        return row.names.iter().copied().find(|known| *known == plain);
    }
    nearest(&plain).or_else(|| longer_or_shorter(&plain))
}

/// The nearest name by edits; the same first letter wins a tie, then a working option.
fn nearest(name: &str) -> Option<&'static str> {
    let allowed = match name.chars().count() {
        0..=3 => return None,
        4..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    options::rows()
        .flat_map(|row| row.names.iter().map(move |known| (row, *known)))
        .filter(|(_, known)| known.len().abs_diff(name.len()) <= allowed)
        .map(|(row, known)| {
            let differs_at_once = known.chars().next() != name.chars().next();
            (strsim::damerau_levenshtein(name, known), differs_at_once, row.status != Status::Works, known)
        })
        .filter(|(distance, ..)| *distance <= allowed)
        .min_by_key(|(distance, differs_at_once, is_idle, _)| (*distance, *differs_at_once, *is_idle))
        .map(|(.., known)| known)
}

/// A working option of which the name is the first words, or which is the first words of the name.
fn longer_or_shorter(name: &str) -> Option<&'static str> {
    let is_start =
        |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('-'));
    options::rows()
        .filter(|row| row.status == Status::Works)
        .flat_map(|row| row.names.iter().copied())
        .filter(|known| is_start(name, known) || is_start(known, name))
        .min_by_key(|known| known.len().abs_diff(name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_misspelt_in_real_files_are_recognized() {
        for (name, meant) in [
            ("vaccum", "vacuum"),
            ("proesses", "processes"),
            ("py-callos-afterfork", "py-call-osafterfork"),
            ("chown", "chown-socket"),
            ("chmod_socket", "chmod-socket"),
            ("Master", "master"),
            ("zuid", "uid"),
            ("guid", "gid"),
            ("strict-mode", "strict"),
            ("modul", "module"),
        ] {
            assert_eq!(option_for(name), Some(meant), "{name}");
        }
    }

    #[test]
    fn nothing_is_suggested_for_names_that_resemble_nothing() {
        for name in ["RuntimeDirectory", "project", "x", "my-own-key", ""] {
            assert_eq!(option_for(name), None, "{name}");
        }
    }
}
