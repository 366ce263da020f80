//! Slips of typing in keys: what is no option, and what was probably meant.
//!
//! uWSGI takes whatever is no option for a placeholder and says nothing. Where only one thing can be meant (`static-map /a =
//! /b`, `env NAME=value`) it is done, with a warning; where something is likely, the warning names it.

use crate::diagnostic::{Diagnostic, Origin, Repair};
use crate::options::{self, Argument, Directive, Kind, OptionRow};
use crate::raw::Entry;
use crate::{suggest, values};

/// The option and value that a key with its value can only have been meant to be: a pair behind an option's name.
pub fn certain(key: &str, value: &str) -> Option<Slip> {
    let (first, rest) = key.split_once([' ', '\t'])?;
    let row = options::find(first).filter(|row| takes_pairs(row))?;
    let name = row.names.iter().find(|name| **name == first)?;
    let rest = rest.trim();
    let is_word = !rest.is_empty() && !rest.contains([' ', '\t']);
    (is_word && !value.is_empty()).then(|| Slip {
        name,
        value: format!("{rest}={value}"),
        repair: Repair::Rewrite { name: (*name).to_owned(), before: format!("{rest}=") },
    })
}

/// What a slip was meant to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Slip {
    /// The option.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The way to mend the line.
    pub repair: Repair,
}

impl Slip {
    /// The warning about it.
    pub fn warning(&self, origin: &Origin) -> Diagnostic {
        let Self { name, value, .. } = self;
        let message = format!(
            "`=` is missing behind `{name}`, so that uWSGI ignores the line; it is read as `{name} = {value}`, write it like that"
        );
        Diagnostic::warning(origin, name, message).misleading().mended_by(self.repair.clone())
    }
}

fn takes_pairs(row: &OptionRow) -> bool {
    let assigns = matches!(
        row.directive,
        Some(
            Directive::Set
                | Directive::SetPlaceholder
                | Directive::EarlyEnvironment
                | Directive::DeclareOption
                | Directive::DeclareOptionDeferred
        )
    );
    assigns || row.kind == Kind::KeyValue
}

/// What is wrong with a key that is no option, and how the line is mended if only one way is likely.
pub fn explain(entry: &Entry) -> (String, Option<Repair>) {
    let key = entry.key.as_str();
    let value = entry.value.as_deref().unwrap_or_default();
    let rewrite =
        |name: &str, before: &str| Some(Repair::Rewrite { name: name.to_owned(), before: before.to_owned() });
    if let Some((name, before)) = without_equals(key, value) {
        let message = format!(
            "there is no such option; `=` is missing behind `{name}`, write `{name} = {before}{value}`"
        );
        return (message, rewrite(name, &before));
    }
    if let Some((name, behind)) = key.split_once(':')
        && let Some(row) = options::find(name.trim())
    {
        // `processes: 4`, and `env: A=1` with an equals sign further on.
        let equals = if value.is_empty() { "" } else { "=" };
        let (name, before) = (name.trim(), format!("{}{equals}", behind.trim()));
        let message = format!("there is no such option; write `{name} = {before}{value}`, with `=`");
        let fits = row.argument != Argument::None || values::is_truth_word(&before);
        return (message, rewrite(name, &before).filter(|_| fits));
    }
    if key.starts_with('[') || key.starts_with("//") || key.starts_with("--") {
        return match options::find(key.trim_start_matches('-')) {
            Some(row) => {
                let name = row.name();
                let message = format!("options in files have no dashes; write `{name} = {value}`");
                (message, rewrite(name, ""))
            }
            None => {
                let message = "this is neither an option nor a comment; comments begin with `;` or `#`";
                (message.to_owned(), key.starts_with("//").then_some(Repair::CommentOut))
            }
        };
    }
    let subject = if matches!(entry.origin, Origin::Environment) {
        format!("UWSGI_{} names no option", key.to_uppercase().replace('-', "_"))
    } else {
        "there is no such option".to_owned()
    };
    match suggest::option_for(key) {
        Some(meant) => {
            let repair = suggest::is_near(key, meant).then(|| Repair::Rename(meant.to_owned()));
            (format!("{subject}; did you mean `{meant}`?"), repair)
        }
        None => (
            format!(
                "{subject} and nothing refers to %({key}); if the application reads it from uwsgi.opt write `set-placeholder = {key}=...`, else remove it"
            ),
            rewrite("set-placeholder", &format!("{key}=")).filter(|_| is_plain(key)),
        ),
    }
}

/// `socket /tmp/x.sock`, `master true`: an option, and what belongs before the value behind `=`.
fn without_equals<'k>(key: &'k str, value: &str) -> Option<(&'k str, String)> {
    let (first, rest) = key.split_once([' ', '\t'])?;
    let row = options::find(first)?;
    let rest = rest.trim();
    let before = match (row.argument, value) {
        (Argument::None, "") if !values::is_truth_word(rest) => "true".to_owned(),
        (_, "") => rest.to_owned(),
        (_, _) => format!("{rest}="),
    };
    (!rest.is_empty()).then_some((first, before))
}

/// Whether a key may be the name of a placeholder as people write them.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_behind_an_option_are_certain() {
        for (key, value, meant) in [
            ("static-map /a", "/b", Some(("static-map", "/a=/b"))),
            ("env NAME", "x=y", Some(("env", "NAME=x=y"))),
            ("mount\t/api", "app:app", Some(("mount", "/api=app:app"))),
            ("set base", "/srv", Some(("set", "base=/srv"))),
            ("env NAME", "", None),
            ("socket /tmp/x", "y", None),
            ("static-map /a /b", "c", None),
            ("base", "/b", None),
        ] {
            let found = certain(key, value);
            let found = found.as_ref().map(|slip| (slip.name, slip.value.as_str()));
            assert_eq!(found, meant, "{key} = {value}");
        }
    }

    #[test]
    fn likely_slips_have_a_repair() {
        let repair = |key: &str, value: &str| {
            let entry = Entry {
                key: key.to_owned(),
                value: Some(value.to_owned()),
                origin: Origin::Default,
                is_done: false,
                is_placeholder: false,
            };
            explain(&entry).1
        };
        let rewrite = |name: &str, before: &str| {
            Some(Repair::Rewrite { name: name.to_owned(), before: before.to_owned() })
        };
        assert_eq!(repair("vaccum", "1"), Some(Repair::Rename("vacuum".to_owned())));
        assert_eq!(repair("master true", ""), rewrite("master", "true"));
        assert_eq!(repair("socket: 127.0.0.1:80", ""), rewrite("socket", "127.0.0.1:80"));
        assert_eq!(repair("--http", ":80"), rewrite("http", ""));
        assert_eq!(repair("// note", ""), Some(Repair::CommentOut));
        assert_eq!(repair("my_own", "x"), rewrite("set-placeholder", "my_own="));
        // A guess that is worth saying and not worth doing.
        assert_eq!(repair("chown", "www-data"), None);
    }
}
