//! A JSON Schema of configurations in YAML, JSON and TOML, written from the registry.
//!
//! It says of each option what a document may write for it: `true` and `"on"` for a flag, `4` and `"4"` for a number, a
//! list where an option may be given several times. Texts with `%(…)`, `$(…)`, `@(…)` or a magic variable pass everywhere,
//! since their value comes into being later. Names that are no options pass too: they are placeholders.
//! Draft 2020-12, <https://json-schema.org/draft/2020-12/schema>.

use crate::options::{Kind, OptionRow, SUBJECTS, Status};
use serde_json::{Map, Value, json};

/// A text whose value comes into being later.
const EXPRESSION: &str = "[%$@]";

/// The schema as a document.
pub fn schema() -> String {
    let mut properties = Map::new();
    for row in SUBJECTS.iter().flat_map(|subject| subject.rows) {
        for name in row.names {
            properties.insert((*name).to_owned(), property(row, name));
        }
    }
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Margrave configuration",
        "description": "Configuration in YAML, JSON or TOML: options below `uwsgi`, and further sections of options that others name.",
        "type": "object",
        "properties": { "uwsgi": { "$ref": "#/$defs/section" } },
        "additionalProperties": true,
        "$defs": {
            "section": {
                "type": "object",
                "properties": properties,
                "additionalProperties": { "$ref": "#/$defs/placeholder" },
            },
            "placeholder": {
                "description": "Not an option: a placeholder that %(name) refers to.",
                "anyOf": [{ "$ref": "#/$defs/scalar" }, { "type": "array", "items": { "$ref": "#/$defs/scalar" } }],
            },
            "scalar": { "type": ["string", "number", "boolean", "null"] },
            "expression": { "type": "string", "pattern": EXPRESSION },
            "flag": any_of([
                json!({ "type": ["boolean", "null"] }),
                json!({ "type": "integer", "minimum": 0 }),
                pattern("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff][Ff]|[Yy][Ee][Ss]|[Nn][Oo]|[0-9]*|[YyTt]|enable)$"),
            ]),
            "integer": number("^[ ]*[+]?[0-9]"),
            "signed": any_of([json!({ "type": "integer" }), pattern("^[ ]*[+-]?[0-9]")]),
            "megabytes": any_of([json!({ "type": "number", "minimum": 0 }), pattern("^[0-9]+([.][0-9]+)?")]),
            "duration": any_of([
                json!({ "type": "number", "minimum": 0 }),
                pattern("^[0-9]+([.][0-9]*)?(us|ms|s)?$"),
            ]),
            "mode": any_of([
                json!({ "type": "integer", "minimum": 0, "maximum": 7777 }),
                pattern("^(0o)?[0-7]{1,4}([ \t][;#].*)?$|^$|^true$"),
                json!({ "const": true }),
            ]),
            "text": json!({ "type": ["string", "number", "boolean"] }),
            "word": json!({ "type": ["string", "number"], "minLength": 1 }),
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn property(row: &OptionRow, name: &str) -> Value {
    let mut property = Map::new();
    let remark = match row.status {
        Status::Works => String::new(),
        Status::Accepted(reason) => format!(" Accepted without effect: {reason}."),
        Status::Refused(instead) => format!(" Refused: {instead}."),
        Status::NotYet => " Not built yet.".to_owned(),
        Status::Foreign(service) => format!(" Not in Margrave ({service})."),
    };
    let alias = if name == row.name() { String::new() } else { format!(" The same as `{}`.", row.name()) };
    property.insert("description".to_owned(), json!(format!("{}{alias}{remark}", row.help)));
    property.insert(
        "examples".to_owned(),
        json!([row.example().split_once('=').map_or("", |(_, value)| value.trim())]),
    );
    match row.status {
        Status::Works => {}
        Status::Refused(_) => {
            property.insert("not".to_owned(), json!({}));
            return Value::Object(property);
        }
        Status::Accepted(_) | Status::NotYet | Status::Foreign(_) => {
            property.insert("deprecated".to_owned(), json!(row.status != Status::NotYet));
            property.insert("$ref".to_owned(), json!("#/$defs/placeholder"));
            return Value::Object(property);
        }
    }
    let one = kind(row);
    if row.repeats || row.directive.is_some() {
        property.insert("anyOf".to_owned(), json!([one, { "type": "array", "items": one }]));
    } else if let Value::Object(one) = one {
        property.extend(one);
    }
    Value::Object(property)
}

fn kind(row: &OptionRow) -> Value {
    let named = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    match row.kind {
        Kind::Flag => named("flag"),
        // `true` and an empty text stand for the usual value of an option whose value may be left out.
        Kind::Integer | Kind::Bytes | Kind::Seconds | Kind::Milliseconds | Kind::Megabytes
            if row.argument != crate::options::Argument::Required =>
        {
            json!({ "anyOf": [named("flag"), named("integer")] })
        }
        Kind::Integer | Kind::Bytes | Kind::Seconds | Kind::Milliseconds => named("integer"),
        Kind::Signed => named("signed"),
        Kind::Megabytes => named("megabytes"),
        Kind::Duration => named("duration"),
        Kind::Mode => named("mode"),
        Kind::Address => any_of([pattern("^[^ ]"), json!({ "type": "null" })]),
        Kind::KeyValue => any_of([pattern("^[ ]*[^= ][^=]*=")]),
        Kind::Choice(words) => {
            let choices = words.join("|");
            any_of([pattern(&format!("^({choices})([ \t][;#].*)?$"))])
        }
        Kind::Regex | Kind::Module | Kind::Name | Kind::User | Kind::Owner => named("word"),
        Kind::Path | Kind::Text => named("text"),
    }
}

fn number(text: &str) -> Value {
    any_of([json!({ "type": "integer", "minimum": 0 }), pattern(text)])
}

fn pattern(text: &str) -> Value {
    json!({ "type": "string", "pattern": text })
}

/// One of these, or a text whose value comes into being later.
fn any_of<const N: usize>(forms: [Value; N]) -> Value {
    let mut forms = forms.to_vec();
    forms.push(json!({ "$ref": "#/$defs/expression" }));
    json!({ "anyOf": forms })
}
