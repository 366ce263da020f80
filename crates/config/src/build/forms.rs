//! Checks that need no knowledge of an option beyond its row: status, comments and quotes in values, words of flags.

use super::values::Values;
use crate::diagnostic::{Diagnostic, Origin, Topic};
use crate::expand;
use crate::loader::Setting;
use crate::options::{Kind, Status};
use crate::values;

/// Options whose values may well hold quotes, `;` and `#`.
const FREE_TEXT: [&str; 7] =
    ["log-format", "log-date", "add-header", "pyargv", "hook-master-start", "logger", "req-logger"];

/// Notes what is odd about every setting.
pub fn check(values: &mut Values<'_>) {
    for setting in values.settings {
        check_status(values, setting);
        if setting.is_working(&[Kind::Flag]) {
            check_flag(values, setting);
        } else if matches!(setting.origin, Origin::File { .. }) && !FREE_TEXT.contains(&setting.row.name()) {
            check_text(values, setting);
        }
    }
}

fn check_status(values: &mut Values<'_>, setting: &Setting) {
    let (origin, name) = (&setting.origin, setting.name.as_str());
    values.findings.push(match setting.row.status {
        Status::Works => return,
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

fn check_flag(values: &mut Values<'_>, setting: &Setting) {
    let text = setting.text();
    if values::is_truth_word(text) {
        return;
    }
    let word = text.split([';', '#']).next().unwrap_or_default().trim();
    let message = match word {
        _ if text.len() > word.len() => {
            format!(
                "`{text}` counts as true, since the comment is part of the value; put the comment on a line of its own"
            )
        }
        _ => format!("`{text}` counts as true; write true or false"),
    };
    values.warn(setting, message);
}

fn check_text(values: &mut Values<'_>, setting: &Setting) {
    let text = setting.text();
    if setting.is_working(&[Kind::Text, Kind::Path, Kind::KeyValue]) {
        let (_, comment) = values::without_comment(text);
        if let Some(message) = values::comment_in_value(comment) {
            values.warn(setting, message);
        }
    }
    if setting.is_working(&[Kind::Text, Kind::Path, Kind::KeyValue]) {
        check_leftovers(values, setting);
    }
    let right = text.split_once('=').map_or("", |(_, right)| right);
    let is_pair = setting.row.kind == Kind::KeyValue;
    if setting.is_working(&[Kind::Text, Kind::Path, Kind::KeyValue, Kind::Address])
        && (is_quoted(text) || is_pair && is_quoted(right))
    {
        values.warn(setting, format!("the quotes in `{text}` are part of the value; remove them"));
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

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}
