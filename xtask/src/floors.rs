//! Who may use whom: the table in the section "Floors" of ARCHITECTURE.md against `cargo metadata`.
//!
//! The table has a row per crate, `| crate | floor | may use |`, where `may use` names crates of the workspace
//! or is `-`. A crate may use only crates of lower floors, and only those that its row names.

use crate::finding::Finding;
use serde_json::Value;
use std::collections::BTreeMap;

const DOCUMENT: &str = "ARCHITECTURE.md";
const PREFIX: &str = "margrave-";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 0; `None` for development crates, which nobody may use.
    pub floor: Option<u8>,
    /// Crates it may use, without the prefix.
    pub may_use: Vec<String>,
    /// Its line in the document.
    pub line: usize,
}

/// The rows of the table, by crate name without the prefix.
pub fn parse(document: &str) -> Result<BTreeMap<String, Row>, Finding> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for (number, line) in document.lines().enumerate() {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        if !inside {
            inside = matches!(cells.as_slice(), [_, a, b, c, ..] if a == "crate" && b == "floor" && c == "may use");
            continue;
        }
        match cells.as_slice() {
            [_, name, ..] if name.starts_with("--") => {}
            [_, name, floor, uses, ..] => {
                let may_use =
                    uses.split(',').map(|one| short(one.trim())).filter(|one| one != "-" && !one.is_empty());
                let row = Row { floor: floor.parse().ok(), may_use: may_use.collect(), line: number + 1 };
                rows.insert(short(name), row);
            }
            _ => break,
        }
    }
    if rows.is_empty() {
        return Err(Finding::new(
            DOCUMENT,
            1,
            "no table `| crate | floor | may use |` in a section \"Floors\"",
        ));
    }
    Ok(rows)
}

fn short(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
}

/// Every edge between workspace crates that the table does not allow, and rows that contradict themselves.
pub fn check(rows: &BTreeMap<String, Row>, metadata: &Value) -> Vec<Finding> {
    let mut findings = check_rows(rows);
    for package in array(metadata, "packages") {
        let name = short(text(package, "name"));
        let Some(row) = rows.get(&name) else {
            findings.push(Finding::new(
                DOCUMENT,
                1,
                format!("crate `{name}` has no row in the table of floors"),
            ));
            continue;
        };
        let mut uses: Vec<String> = array(package, "dependencies")
            .filter(|dependency| dependency.get("path").is_some_and(Value::is_string))
            .map(|dependency| short(text(dependency, "name")))
            .collect();
        uses.sort();
        uses.dedup();
        for used in uses.iter().filter(|used| !row.may_use.contains(used)) {
            let message = format!("crate `{name}` uses `{used}`, which its row does not allow");
            findings.push(Finding::new(DOCUMENT, row.line, message));
        }
    }
    findings
}

fn check_rows(rows: &BTreeMap<String, Row>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, row) in rows {
        for used in &row.may_use {
            let lower = rows.get(used).and_then(|other| other.floor);
            let message = match (row.floor, lower) {
                (_, None) => format!("`{name}` may use `{used}`, which is no crate on a floor"),
                (Some(own), Some(other)) if other >= own => {
                    format!("`{name}` on floor {own} may use `{used}` on floor {other}; floors go down only")
                }
                _ => continue,
            };
            // Pure crates of floor 0 may build on each other as long as there is no cycle, which cargo forbids.
            if row.floor != Some(0) || lower != Some(0) {
                findings.push(Finding::new(DOCUMENT, row.line, message));
            }
        }
    }
    findings
}

/// The elements of the array `key`, or none.
pub fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The string `key`, or nothing.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &str = "# A\n## Floors\n| crate | floor | may use |\n|---|---|---|\n| `config` | 0 | - |\n| `wire` | 0 | - |\n\
        | `server` | 3 | config, `wire` |\n| `xtask` | dev | - |\n\nText\n| other | 1 | table |\n";

    fn metadata(name: &str, uses: &[&str]) -> Value {
        let edges: Vec<Value> = uses.iter().map(|used| json!({"name": used, "path": "/x"})).collect();
        json!({"packages": [{"name": name, "dependencies": edges}]})
    }

    fn messages(table: &str, metadata: &Value) -> Vec<String> {
        check(&parse(table).unwrap(), metadata).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn table_is_read_to_its_end_and_no_further() {
        let rows = parse(TABLE).unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["config", "server", "wire", "xtask"]);
        assert_eq!(
            rows["server"],
            Row { floor: Some(3), may_use: vec!["config".into(), "wire".into()], line: 7 }
        );
        assert_eq!(rows["xtask"].floor, None);
    }

    #[test]
    fn document_without_the_table_is_an_error() {
        assert!(parse("# Nothing\n| a | b |\n").is_err());
    }

    #[test]
    fn edge_of_the_table_is_allowed_and_outside_crates_are_not_looked_at() {
        let mut data = metadata("margrave-server", &["margrave-config", "margrave-wire"]);
        data["packages"][0]["dependencies"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "itoa", "path": null}));
        assert_eq!(messages(TABLE, &data), [""; 0]);
    }

    #[test]
    fn edge_outside_the_table_is_found_with_the_row() {
        let found = messages(TABLE, &metadata("margrave-wire", &["margrave-config"]));
        assert_eq!(found, ["ARCHITECTURE.md:6: crate `wire` uses `config`, which its row does not allow"]);
    }

    #[test]
    fn crate_without_a_row_is_found() {
        assert_eq!(messages(TABLE, &metadata("margrave-cache", &[])).len(), 1);
    }

    #[test]
    fn row_that_looks_upwards_is_found() {
        let table =
            "| crate | floor | may use |\n|---|---|---|\n| sys | 1 | server |\n| server | 3 | sys |\n";
        let found = messages(table, &json!({"packages": []}));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("floors go down only"), "{found:?}");
    }
}
