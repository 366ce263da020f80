//! The generated reference page, the help, and the registry itself.

use margrave_config::options::{self, Status};
use margrave_config::{help, reference, search};
use std::collections::BTreeSet;

/// Every name of uWSGI 2.0.31 and of its development branch.
const UWSGI_NAMES: &str = include_str!("../../testdata/uwsgi-option-names.txt");

/// The options that real files use most, most frequent first, under their usual names.
const FREQUENT: &str = include_str!("../../testdata/frequent-options.txt");

#[test]
fn reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/options.md");
    let wanted = reference();
    if std::fs::read_to_string(path).is_ok_and(|found| found == wanted) {
        return;
    }
    std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    std::fs::write(path, wanted).unwrap();
    panic!("docs/reference/options.md was out of date and has been written anew; commit it");
}

#[test]
fn names_and_letters_are_unique_and_help_is_one_sentence() {
    let mut names = BTreeSet::new();
    let mut letters = BTreeSet::new();
    for row in options::rows() {
        for name in row.names {
            assert!(names.insert(*name), "{name} has two rows");
        }
        if let Some(letter) = row.short {
            assert!(letters.insert(letter), "-{letter} has two rows");
        }
        let is_sentence = row.help.ends_with('.') && row.help.starts_with(|first: char| first.is_uppercase());
        assert!(is_sentence && !row.help.contains(". "), "{}: {}", row.name(), row.help);
        if let Status::Accepted(reason) | Status::Refused(reason) = row.status {
            assert!(!reason.ends_with('.') && reason.len() > 15, "{}: {reason}", row.name());
        }
    }
}

#[test]
fn every_name_of_uwsgi_is_known() {
    let missing: Vec<&str> = UWSGI_NAMES.lines().filter(|name| options::find(name).is_none()).collect();
    assert!(UWSGI_NAMES.lines().count() > 1_300);
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn most_frequent_options_work() {
    let is_done = |name: &&str| {
        let row = options::find(name).unwrap_or_else(|| panic!("no row for {name}"));
        !matches!(row.status, Status::Works | Status::Accepted(_))
    };
    let idle: Vec<&str> = FREQUENT.lines().take(62).filter(is_done).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn help_knows_everything_subjects_and_options() {
    let overview = help(None).unwrap();
    for part in ["Usage: margrave", "--processes NUMBER", "Sockets:", "--help SUBJECT"] {
        assert!(overview.contains(part), "{part}");
    }
    assert!(help(Some("logging")).unwrap().contains("--log-format TEXT"));
    let both = help(Some("http")).unwrap();
    assert!(both.contains("Works.") && both.contains("--buffer-size"), "{both}");
    assert!(help(Some("--virtualenv")).unwrap().contains("Also: virtualenv, venv, pyhome."));
    assert!(help(Some("thunder-lock")).unwrap().contains("Accepted, no effect"));
    assert!(help(Some("proceses")).unwrap_err().contains("did you mean processes?"));
}

#[test]
fn options_are_found_by_name_and_by_words() {
    let words = |text: &str| search(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let one = words("chmod-socket");
    assert!(one.starts_with("--chmod-socket") && one.contains("Example: chmod-socket = 660"), "{one}");
    assert_eq!(words("--chmod-socket"), one);
    let several = words("Unix SOCKET permission");
    assert!(several.contains("--chmod-socket") && !several.contains("--processes"), "{several}");
    assert!(words("xyzzy").contains("No option has the words xyzzy"));
}
