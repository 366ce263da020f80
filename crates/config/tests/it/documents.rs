//! The generated reference page, the help, and the registry itself.

use crate::{findings, run_options};
use margrave_config::options::{self, Kind, Status};
use margrave_config::{help, reference, schema, search};
use std::collections::BTreeSet;

/// Every name of uWSGI 2.0.31 and of its development branch.
const UWSGI_NAMES: &str = include_str!("../../testdata/uwsgi-option-names.txt");

/// The options that real files use most, most frequent first, under their usual names.
const FREQUENT: &str = include_str!("../../testdata/frequent-options.txt");

#[test]
fn generated_documents_are_up_to_date() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
    let mut outdated = Vec::new();
    for (name, wanted) in [("options.md", reference()), ("margrave.schema.json", schema())] {
        let path = std::path::Path::new(directory).join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
            continue;
        }
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(path, wanted).unwrap();
        outdated.push(name);
    }
    assert!(
        outdated.is_empty(),
        "docs/reference: {outdated:?} were out of date and have been written anew; commit them"
    );
}

/// Setting an option to what it is anyway changes nothing.
#[test]
fn documented_defaults_are_the_real_ones() {
    let settings = |option: &str| {
        let mut settings = run_options(option).unwrap_or_else(|error| panic!("{option}: {error}")).settings;
        settings.opt.clear();
        settings
    };
    let plain = settings("");
    let (mut checked, mut wrong) = (0, Vec::new());
    for row in options::rows().filter(|row| row.status == Status::Works && row.directive.is_none()) {
        let Some(here) = row.defaults().here else { continue };
        // `4096, or less` and `0 (no limit)` begin with the value; texts that describe are no values.
        let value = here.split([',', ' ']).next().unwrap();
        let is_value = row.kind.is_number() && value.starts_with(|first: char| first.is_ascii_digit())
            || row.kind == Kind::Flag
            || matches!(row.kind, Kind::Choice(_));
        if !is_value || here == "not set" || row.name() == "listen" {
            continue;
        }
        checked += 1;
        let found = settings(&format!("{} = {value}", row.name()));
        if found != plain {
            wrong.push(format!("{} = {value}", row.name()));
        }
    }
    assert!(wrong.is_empty(), "these are not the defaults: {wrong:?}");
    assert!(checked > 40, "only {checked} defaults could be checked");
}

#[test]
fn examples_are_valid() {
    let mut wrong = Vec::new();
    for row in options::rows().filter(|row| row.status == Status::Works && row.directive.is_none()) {
        if row.name() == "wsgi-file" {
            continue; // The files of these tests name a module, which goes first.
        }
        let outcome = run_options(&format!("processes = 8\n{}", row.example()));
        let said = findings(&outcome);
        // The files that examples name are not there.
        let about = |text: &&String| {
            text.contains(&format!(": {}: ", row.name()))
                && !["there is no directory", "no logger is named"].iter().any(|part| text.contains(part))
        };
        wrong.extend(said.iter().filter(about).map(|text| format!("{}: {text}", row.example())));
    }
    assert!(wrong.is_empty(), "options::facts needs other examples: {}", wrong.join("\n"));
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
    assert!(one.starts_with("--chmod-socket") && one.contains("Example: chmod-socket = 660\n"), "{one}");
    assert_eq!(words("--chmod-socket"), one);
    let buffer = words("buffer-size");
    assert!(buffer.contains("Default: 65536; in uWSGI 4096.\n  Example: buffer-size = 32768"), "{buffer}");
    assert!(words("threads").contains("Default: 1, as in uWSGI."));
    let several = words("Unix SOCKET permission");
    assert!(several.contains("--chmod-socket") && !several.contains("--processes"), "{several}");
    assert!(words("xyzzy").contains("No option has the words xyzzy"));
}
