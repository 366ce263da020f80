//! What must hold of any bytes in a configuration: they end in a value, or in an error that names its place, and nothing
//! that is said is unfit for a terminal. One function for each fuzz target; `fuzz/smoke.rs` runs them in every test run.

use crate::diagnostic::Origin;
use crate::error::Problem;
use crate::expand::{self, Expansion};
use crate::{Diagnostic, MemoryWorld, load};
use std::collections::HashMap;
use std::convert::Infallible;

/// An ini file.
pub fn ini(input: &[u8]) {
    check("m.ini", input);
}

/// An XML file.
pub fn xml(input: &[u8]) {
    check("m.xml", input);
}

/// A YAML file.
pub fn yaml(input: &[u8]) {
    check("m.yaml", input);
}

/// A JSON file.
pub fn json(input: &[u8]) {
    check("m.json", input);
}

/// A TOML file.
pub fn toml(input: &[u8]) {
    check("m.toml", input);
}

/// Conditions, loops and files that load one another, in a world where some conditions hold.
pub fn logic(input: &[u8]) {
    check("m.ini", &[b"[uwsgi]\n", input].concat());
}

/// A value in the first line; behind it placeholders and variables as `name=value`.
pub fn expander(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let value = lines.next().unwrap_or_default();
    let known: HashMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    let lookup = |name: &str| known.get(name).map(|value| (*value).to_owned());
    for (symbol, resolve) in [
        (b'%', &(|name: &str| expand::placeholder(name, lookup)) as &dyn Fn(&str) -> Option<String>),
        (b'$', &|name: &str| expand::variable(name, lookup)),
        (b'@', &lookup),
    ] {
        let run = |value: &str| -> Expansion {
            let expanded: Result<_, Infallible> = expand::expand(value, symbol, |name| Ok(resolve(name)));
            expanded.unwrap_or_else(|never| match never {})
        };
        match run(value) {
            Expansion::Unchanged => {
                for inner in expand::expressions(value, symbol) {
                    assert!(resolve(&inner).is_none() || inner.is_empty(), "`{inner}` was left out");
                }
            }
            Expansion::Changed(text) => {
                assert!(text.len() <= expand::MAX_VALUE_BYTES);
                // Only at the very beginning may something be left.
                let rest = text.chars().next().map_or(0, char::len_utf8);
                assert_eq!(run(&text[rest..]), Expansion::Unchanged, "`{text}` is not expanded to its end");
            }
            Expansion::Endless => {}
        }
    }
}

fn check(name: &str, content: &[u8]) {
    let mut world = MemoryWorld::with_files(&[
        ("o.ini", "[uwsgi]\nprint = o %(_) %n\n[s]\nif-env = A\nmaster = true\nendif =\n"),
        ("o.xml", "<uwsgi><print>o</print></uwsgi>"),
        ("o.yaml", "uwsgi:\n  print: o\n"),
        ("d/f", "one\n\nthree"),
        ("app.py", ""),
    ]);
    world.set_env("A", "v");
    world.set_env("B", "%(a)$(A)");
    world.commands.insert("x".to_owned(), b"[uwsgi]\nprint = x\n".to_vec());
    world.stdin = b"[uwsgi]\nprint = in\n".to_vec();
    world.write(name, content);
    let words = ["margrave", name, "--module", "app", "--show-config"].map(str::to_owned);
    match load(&words, &world) {
        Ok(loaded) => {
            loaded.diagnostics.iter().chain(&loaded.notices).for_each(check_finding);
        }
        Err(error) => {
            error.diagnostics.iter().chain(&error.notices).for_each(check_finding);
            check_text(&error.to_string());
            if let Problem::Invalid(findings) = &*error.problem {
                assert!(!findings.is_empty());
                findings.iter().for_each(check_finding);
            }
        }
    }
}

fn check_finding(finding: &Diagnostic) {
    assert!(finding.origin != Origin::Default || finding.option.is_empty(), "no place: {finding}");
    assert!(!finding.message.is_empty());
    check_text(&finding.to_string());
}

fn check_text(text: &str) {
    assert!(!text.is_empty());
    assert!(!text.contains(|character: char| character.is_control() && character != '\n'), "{text:?}");
}
