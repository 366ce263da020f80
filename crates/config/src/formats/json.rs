//! JSON: an object whose member `uwsgi` is an object of options.
//!
//! As uWSGI with jansson: `true` is 1, `false` and `null` are 0, an array repeats the key. An object as a value is ignored,
//! which is said; broken numbers, which jansson ignores, are taken as written.

use super::{Document, Pair, Parsed};
use crate::diagnostic::{Diagnostic, Origin};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object in order, repeated ones too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, as in {\"uwsgi\": {\"http\": \":8000\"}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder).map(Self)
    }
}

pub fn parse(
    document: &Document<'_>,
    wanted: &str,
    findings: &mut Vec<Diagnostic>,
) -> Result<Parsed, Diagnostic> {
    let root: Members<'_> = serde_json::from_str(&document.text)
        .map_err(|error| syntax(&document.origin_of_line(error.line()), &error))?;
    let sections: Vec<&RawValue> =
        root.0.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect();
    if sections.is_empty() {
        let names: Vec<String> = root.0.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let missing =
            document.missing(&format!("\"{wanted}\""), &names, &format!("{{\"{wanted}\": {{...}}}}"));
        return Ok(Parsed { pairs: Vec::new(), missing: Some(missing) });
    }
    let mut pairs = Vec::new();
    for section in sections {
        let origin = document.origin_of(section.get());
        let members: Members<'_> =
            serde_json::from_str(section.get()).map_err(|error| syntax(&origin, &error))?;
        for (key, value) in members.0 {
            add(document, &mut pairs, &key, value, findings)?;
        }
    }
    Ok(Parsed { pairs, missing: None })
}

fn add(
    document: &Document<'_>,
    pairs: &mut Vec<Pair>,
    key: &str,
    value: &RawValue,
    findings: &mut Vec<Diagnostic>,
) -> Result<(), Diagnostic> {
    let origin = document.origin_of(value.get());
    if value.get().starts_with('[') {
        let items: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|error| syntax(&origin, &error))?;
        for item in items {
            let origin = document.origin_of(item.get());
            pairs.extend(pair(key, item, origin, findings)?);
        }
    } else {
        pairs.extend(pair(key, value, origin, findings)?);
    }
    Ok(())
}

fn pair(
    key: &str,
    value: &RawValue,
    origin: Origin,
    findings: &mut Vec<Diagnostic>,
) -> Result<Option<Pair>, Diagnostic> {
    let text = value.get();
    let value = match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| syntax(&origin, &error))?,
        Some(b't') => "1".to_owned(),
        Some(b'f' | b'n') => "0".to_owned(),
        Some(b'{' | b'[') => {
            let message = "an option takes a text or a list of texts, so this nested value is ignored; write it as texts such as \"name=value\"";
            findings.push(Diagnostic::warning(&origin, key, message));
            return Ok(None);
        }
        _ => text.to_owned(),
    };
    Ok(Some(Pair { key: key.to_owned(), value, origin }))
}

fn syntax(origin: &Origin, error: &serde_json::Error) -> Diagnostic {
    let message = error.to_string();
    let (what, place) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
    let column = place.rsplit_once("column ").map_or("?", |(_, column)| column);
    Diagnostic::error(origin, "", format!("this is no JSON at column {column}: {what}; correct the line"))
}
