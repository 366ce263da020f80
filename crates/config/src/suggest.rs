//! "Did you mean": the option that a misspelt name was probably meant to be.

use crate::options::{self, OptionRow, Status};
use std::sync::OnceLock;

/// Names that other programs have, or that seem natural, and uWSGI's name for the same.
const OTHER_WORDS: [(&str, &str); 34] = [
    ("logfile", "logto"),
    ("log-file", "logto"),
    ("log-to", "logto"),
    ("error-log", "logto"),
    ("access-log", "req-logger"),
    ("workdir", "chdir"),
    ("work-dir", "chdir"),
    ("working-directory", "chdir"),
    ("directory", "chdir"),
    ("cwd", "chdir"),
    ("user", "uid"),
    ("group", "gid"),
    ("bind", "socket"),
    ("http-port", "http"),
    ("application", "module"),
    ("app", "module"),
    ("wsgi-module", "module"),
    ("wsgi-app", "module"),
    ("script", "wsgi-file"),
    ("python-home", "home"),
    ("virtual-env", "virtualenv"),
    ("pid", "pidfile"),
    ("pid-file", "pidfile"),
    ("daemon", "daemonize"),
    ("process", "processes"),
    ("timeout", "harakiri"),
    ("request-timeout", "harakiri"),
    ("backlog", "listen"),
    ("listen-queue", "listen"),
    ("max-memory", "reload-on-rss"),
    ("socket-mode", "chmod-socket"),
    ("environment", "env"),
    ("preload", "lazy-apps"),
    ("reload-on-change", "py-autoreload"),
];

/// The most likely option for a name that is none.
pub fn option_for(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    if let Some(row) = options::find(&plain) {
        return row.names.iter().copied().find(|known| *known == plain);
    }
    let other_word = OTHER_WORDS.iter().find(|(word, _)| *word == plain).map(|(_, option)| *option);
    other_word.or_else(|| nearest(&plain)).or_else(|| longer_or_shorter(&plain))
}

/// The name as an option would be written: `Post_Buffering` and `post buffering` are `post-buffering`.
fn plain(name: &str) -> String {
    name.trim_start_matches('-').to_ascii_lowercase().replace(['_', ' '], "-")
}

/// Whether a name is so near an option's that nothing else can be meant.
pub fn is_near(name: &str, option: &str) -> bool {
    let plain = plain(name);
    plain == option || nearest(&plain) == Some(option) && !OTHER_WORDS.iter().any(|(word, _)| *word == plain)
}

/// The nearest name by edits; the same first letter wins a tie, then a working option.
fn nearest(name: &str) -> Option<&'static str> {
    let allowed = match name.chars().count() {
        0..=3 => return None,
        4..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let letters = Letters::of(name);
    known_names()
        .iter()
        .filter(|(_, known, _)| known.len().abs_diff(name.len()) <= allowed)
        .filter(|(.., known_letters)| letters.least_edits(known_letters) <= allowed)
        .map(|(row, known, _)| {
            let differs_at_once = known.chars().next() != name.chars().next();
            (strsim::damerau_levenshtein(name, known), differs_at_once, row.status != Status::Works, *known)
        })
        .filter(|(distance, ..)| *distance <= allowed)
        .min_by_key(|(distance, differs_at_once, is_idle, _)| (*distance, *differs_at_once, *is_idle))
        .map(|(.., known)| known)
}

/// Every name with its letters: files of thousands of unknown keys are checked, too.
fn known_names() -> &'static [(&'static OptionRow, &'static str, Letters)] {
    static NAMES: OnceLock<Vec<(&'static OptionRow, &'static str, Letters)>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let names = options::rows().flat_map(|row| row.names.iter().map(move |name| (row, *name)));
        names.map(|(row, name)| (row, name, Letters::of(name))).collect()
    })
}

/// How often each letter stands in a name, letters 32 apart as one: quick to compare, and never above the edits needed.
struct Letters([u8; 32]);

impl Letters {
    fn of(name: &str) -> Self {
        let mut counts = [0_u8; 32];
        for byte in name.bytes() {
            let count = &mut counts[usize::from(byte % 32)];
            *count = count.saturating_add(1);
        }
        Self(counts)
    }

    /// An edit changes at most two counts by one.
    fn least_edits(&self, other: &Self) -> usize {
        let differences = self.0.iter().zip(&other.0).map(|(one, two)| usize::from(one.abs_diff(*two)));
        differences.sum::<usize>().div_ceil(2)
    }
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
    fn other_words_stand_for_options_and_are_none_themselves() {
        for (word, option) in OTHER_WORDS {
            assert!(options::find(word).is_none(), "{word} is an option");
            assert!(options::find(option).is_some_and(|row| row.status == Status::Works), "{option}");
        }
    }

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
            ("thread", "threads"),
            ("logfile", "logto"),
            ("post buffering", "post-buffering"),
            ("WorkDir", "chdir"),
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
