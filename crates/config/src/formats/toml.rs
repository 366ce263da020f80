//! TOML, which uWSGI does not have: a table `[uwsgi]` of options.
//!
//! Texts and numbers as written, `true` is 1 and `false` is 0 as in JSON, an array repeats the key, octal numbers such as
//! `0o660` are modes where a mode is wanted.

use super::{Document, Pair, Parsed};
use crate::diagnostic::{Diagnostic, Origin};
use crate::options::{self, Kind};
use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue};

pub fn parse(document: &Document<'_>, wanted: &str) -> Result<Parsed, Diagnostic> {
    let root = DeTable::parse(&document.text).map_err(|error| {
        let origin = error.span().map_or_else(|| document.origin(), |span| document.origin_at(span.start));
        let message = error.message().replace('\n', "; ");
        Diagnostic::error(&origin, "", format!("this is no TOML: {message}; correct the line"))
    })?;
    let root = root.get_ref();
    let Some((_, section)) = root.iter().find(|(name, _)| name.get_ref() == wanted) else {
        let names = tables(root);
        let missing = document.missing(&format!("[{wanted}]"), &names, &format!("[{wanted}]"));
        return Ok(Parsed { pairs: Vec::new(), missing: Some(missing) });
    };
    let DeValue::Table(section_table) = section.get_ref() else {
        let origin = document.origin_at(section.span().start);
        let message =
            format!("this is no table; write [{wanted}] on a line of its own, and options below it");
        return Err(Diagnostic::error(&origin, wanted, message));
    };
    // The crate's table is in the order of its keys; options count in the order of the file.
    let mut members: Vec<_> = section_table.iter().collect();
    members.sort_by_key(|(name, _)| name.span().start);
    let mut pairs = Vec::new();
    for (name, value) in members {
        let key = name.get_ref().to_string();
        let origin = document.origin_at(name.span().start);
        match value.get_ref() {
            DeValue::Array(items) => {
                for item in items.iter() {
                    let origin = document.origin_at(item.span().start);
                    pairs.push(pair(&key, item, origin)?);
                }
            }
            _ => pairs.push(pair(&key, value, origin)?),
        }
    }
    Ok(Parsed { pairs, missing: None })
}

fn tables(root: &DeTable<'_>) -> Vec<String> {
    let is_table = |value: &Spanned<DeValue<'_>>| matches!(value.get_ref(), DeValue::Table(_));
    let mut tables: Vec<_> = root.iter().filter(|(_, value)| is_table(value)).collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    tables.into_iter().map(|(name, _)| format!("[{}]", name.get_ref())).collect()
}

fn pair(key: &str, value: &Spanned<DeValue<'_>>, origin: Origin) -> Result<Pair, Diagnostic> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => integer(key, number),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(is_on) => u8::from(*is_on).to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => {
            let message = "an option takes a text, a number, true, false or an array of those; write tables as texts such as \"name=value\"";
            return Err(Diagnostic::error(&origin, key, message));
        }
    };
    Ok(Pair { key: key.to_owned(), value: text, origin })
}

/// The number in decimal, except that a mode stays in octal.
fn integer(key: &str, number: &DeInteger<'_>) -> String {
    let digits = number.as_str();
    let is_mode = options::find(key).is_some_and(|row| row.kind == Kind::Mode);
    if number.radix() == 10 || number.radix() == 8 && is_mode {
        return digits.to_owned();
    }
    i64::from_str_radix(digits, number.radix())
        .map_or_else(|_| digits.to_owned(), |number| number.to_string())
}
