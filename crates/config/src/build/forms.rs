//! Checks that need no knowledge of an option beyond its row: status, kind of value, comments and quotes in values.

use super::values::Values;
use crate::diagnostic::{Diagnostic, Origin, Repair, Topic};
use crate::expand;
use crate::loader::Setting;
use crate::options::{Argument, Kind, Status};
use crate::values;
use std::collections::{HashMap, HashSet};

/// Options whose values may well hold quotes, `;` and `#`.
const FREE_TEXT: [&str; 18] = [
    "log-format",
    "log-date",
    "log-json",
    "log-encoder",
    "log-req-encoder",
    "worker-log-encoder",
    "worker-log-req-encoder",
    "log-route",
    "log-req-route",
    "log-drain",
    "log-req-drain",
    "log-filter",
    "worker-logger",
    "worker-logger-req",
    "add-header",
    "pyargv",
    "logger",
    "req-logger",
];

/// Families of such options by the beginning of their names: shell commands and actions.
const FREE_TEXT_FAMILIES: [&str; 8] =
    ["hook-", "exec-", "touch-exec", "cron", "unique-cron", "attach-", "smart-attach-", "file-write"];

/// Notes what is odd about every setting.
pub fn check(values: &mut Values<'_>) {
    for setting in values.settings {
        check_status(values, setting);
        if setting.is_working(&[Kind::Flag]) {
            check_flag(values, setting);
        } else if matches!(setting.origin, Origin::File { .. }) && !is_free_text(setting.row.name()) {
            check_text(values, setting);
        }
    }
}

fn is_free_text(name: &str) -> bool {
    FREE_TEXT.contains(&name) || FREE_TEXT_FAMILIES.iter().any(|family| name.starts_with(family))
}

fn check_status(values: &mut Values<'_>, setting: &Setting) {
    let (origin, name) = (&setting.origin, setting.name.as_str());
    let is_built = matches!(setting.row.status, Status::Works | Status::Accepted(_));
    values.findings.push(match setting.row.status {
        Status::Works => return,
        _ if !is_built && is_switched_off(setting) => {
            Diagnostic::notice(origin, name, "accepted without effect: what it turns off is not here")
        }
        Status::Accepted(reason) => {
            Diagnostic::notice(origin, name, format!("accepted without effect: {reason}"))
        }
        Status::Refused(instead) => Diagnostic::error(origin, name, instead).about(Topic::Refused),
        Status::NotYet => {
            let message = "Margrave knows this option, but it is not built yet, so it has no effect";
            Diagnostic::warning(origin, name, message).about(Topic::NotBuilt)
        }
        Status::Foreign(service) => {
            let message = format!(
                "this belongs to uWSGI's support for {service}, which Margrave does not have, so it has no effect"
            );
            Diagnostic::warning(origin, name, message).about(Topic::NoEffect)
        }
    });
}

/// Whether this is a flag that says no, as a file may of what Margrave has not.
fn is_switched_off(setting: &Setting) -> bool {
    let text = setting.text();
    setting.row.kind == Kind::Flag && values::is_truth_word(text) && !values::truth(text)
}

fn check_flag(values: &mut Values<'_>, setting: &Setting) {
    let text = setting.text();
    if values::is_truth_word(text) {
        return;
    }
    let (word, comment) = values::without_comment(text);
    let unquoted = values::unquoted(text).filter(|word| values::is_truth_word(word));
    let (message, repair) = match unquoted {
        Some(word) => {
            let message = format!("{text} counts as true because of its quotes; write {word} without quotes");
            (message, Some(Repair::Replace { old: text.to_owned(), new: word.to_owned() }))
        }
        None if !comment.is_empty() => {
            let message = format!(
                "`{text}` counts as true, since the comment is part of the value; put the comment on a line of its own"
            );
            (message, Some(Repair::LiftComment).filter(|_| values::is_truth_word(word)))
        }
        None => (format!("`{text}` counts as true; write true or false"), None),
    };
    let finding = Diagnostic::warning(&setting.origin, &setting.name, message).mended_by(repair);
    // A comment behind `true` changes nothing.
    let is_meant = values::is_truth_word(word) && values::truth(word);
    values.findings.push(if is_meant { finding } else { finding.misleading() });
}

fn check_text(values: &mut Values<'_>, setting: &Setting) {
    if !setting.is_working_text() {
        return;
    }
    let text = setting.text();
    let (_, comment) = values::without_comment(text);
    if let Some(message) = values::comment_in_value(comment) {
        let finding = Diagnostic::warning(&setting.origin, &setting.name, message);
        values.findings.push(finding.misleading().mended_by(Repair::LiftComment));
    }
    check_leftovers(values, setting);
    if setting.row.kind == Kind::Path
        && matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "false" | "no" | "off")
    {
        let message = format!(
            "a path is wanted here, so this means a file called `{text}`; write the path, or remove the option"
        );
        values.findings.push(Diagnostic::warning(&setting.origin, &setting.name, message).misleading());
    }
    let right = text.split_once('=').map_or("", |(_, right)| right);
    let quoted = values::unquoted(text)
        .map(|inner| (text, inner))
        .or_else(|| Some((right, values::unquoted(right).filter(|_| setting.row.kind == Kind::KeyValue)?)));
    if let Some((old, new)) = quoted {
        let message = format!("the quotes in `{text}` are part of the value; remove them");
        let repair = Repair::Replace { old: old.to_owned(), new: new.to_owned() };
        let finding = Diagnostic::warning(&setting.origin, &setting.name, message);
        values.findings.push(finding.misleading().mended_by(repair));
    }
}

/// Expressions that nothing replaced.
fn check_leftovers(values: &mut Values<'_>, setting: &Setting) {
    if let Some(name) = expand::expressions(setting.text(), b'$').first() {
        let message = format!(
            "`$({name})` stays as it is, since the environment has no {name}; set it, or give a default as $({name}:-value)"
        );
        values.warn(setting, message);
    }
    if let Some(name) = expand::expressions(setting.text(), b'%').first() {
        let message =
            format!("`%({name})` stays as it is, since nothing sets {name}; set it, or correct the name");
        values.warn(setting, message);
    }
}

/// Takes off what cannot be meant: numbers, addresses, paths and names in quotes, or with blanks around them (which
/// only XML, YAML, JSON and TOML can write), never work in uWSGI.
pub fn take_wrapping_off(settings: &[Setting]) -> (Vec<Setting>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let bare = settings.iter().map(|setting| {
        let text = setting.text();
        let is_certain = match setting.row.kind {
            Kind::Flag | Kind::Text | Kind::Regex => false,
            Kind::KeyValue => text.contains('='),
            _ => matches!(setting.origin, Origin::File { .. }),
        };
        let unwrapped = values::unquoted(text).map(|inner| (inner, "quotes"));
        let trimmed = Some(text.trim()).filter(|inner| !inner.is_empty() && inner.len() < text.len());
        let found = unwrapped.or_else(|| Some((trimmed?, "blanks")));
        let Some((inner, what)) = found.filter(|_| is_certain && setting.row.status == Status::Works) else {
            return setting.clone();
        };
        let message = format!(
            "uWSGI takes the {what} in {text:?} for a part of the value, here they are left out; write `{inner}` without {what}"
        );
        let repair = Repair::Replace { old: text.to_owned(), new: inner.to_owned() };
        findings.push(
            Diagnostic::warning(&setting.origin, &setting.name, message).misleading().mended_by(repair),
        );
        Setting { value: Some(inner.to_owned()), ..setting.clone() }
    });
    (bare.collect(), findings)
}

/// Checks the kinds of values that nobody has complained of so far: those that a later one overrides, and those of
/// options that take any text.
pub fn check_kinds(values: &mut Values<'_>) {
    let complained: HashSet<(Option<u32>, &str)> =
        values.findings.iter().map(|finding| (finding.origin.line(), finding.option.as_str())).collect();
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (place, setting) in values.settings.iter().enumerate() {
        last.insert(setting.row.name(), place);
    }
    let mut findings = Vec::new();
    for (place, setting) in values.settings.iter().enumerate() {
        let known = (setting.origin.line(), setting.name.as_str());
        if setting.row.status != Status::Works || complained.contains(&known) {
            continue;
        }
        let needs_text = matches!(setting.row.kind, Kind::Path | Kind::Text);
        if needs_text && setting.text().is_empty() && setting.row.argument == Argument::Required {
            let finding = Diagnostic::warning(&setting.origin, &setting.name, values::EMPTY);
            findings.push(finding.mended_by(Repair::CommentOut));
        }
        // Who reads words for on and off where a number belongs has its reasons.
        if values::is_truth_word(setting.text()) && setting.row.kind.is_number() {
            continue;
        }
        let Err(message) = values::check_kind(setting.row.kind, setting.text()) else { continue };
        let counts = setting.row.repeats || last[setting.row.name()] == place;
        findings.push(if counts {
            Diagnostic::error(&setting.origin, &setting.name, message)
        } else {
            Diagnostic::warning(&setting.origin, &setting.name, message)
        });
    }
    values.findings.extend(findings);
}

/// How a value that somebody complained of is mended, and whether it is read as something else than it looks.
pub fn repair(setting: &Setting) -> (Option<Repair>, bool) {
    let text = setting.text();
    let (plain, comment) = values::without_comment(text);
    if !comment.trim().is_empty() {
        // The value ends before the comment here as in uWSGI.
        let is_fine = values::check_kind(setting.row.kind, plain).is_ok();
        return (Some(Repair::LiftComment).filter(|_| is_fine), false);
    }
    let replace = |new: String| Some(Repair::Replace { old: text.to_owned(), new });
    match setting.row.kind {
        Kind::Integer | Kind::Bytes | Kind::Seconds | Kind::Milliseconds | Kind::Megabytes => {
            match values::with_unit(text) {
                Some(number) if setting.row.kind != Kind::Megabytes => (replace(number.to_string()), true),
                _ => (None, false),
            }
        }
        Kind::Address => match text.split_once("://") {
            Some((scheme, rest)) if scheme != "fd" => (replace(rest.trim_end_matches('/').to_owned()), false),
            _ => (None, false),
        },
        _ => (None, false),
    }
}
