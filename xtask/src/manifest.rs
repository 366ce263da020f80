//! Checks on manifests: versions come from the workspace, and some outside crates have one home.
//!
//! Homes are read from `deny.toml`: each line `{ crate = "pyo3", wrappers = ["margrave-python"] }` says who may name
//! that crate in its manifest. `cargo deny` reads the same lines; tidy enforces them where cargo-deny is not installed.

use crate::finding::Finding;
use crate::floors::{array, text};
use serde_json::Value;

/// Dependencies in a member's manifest that do not take their version from the workspace.
pub fn check_versions(path: &str, manifest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    for (number, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            let section = line.trim_matches(['[', ']']);
            inside = section.rsplit('.').next().is_some_and(|last| last.ends_with("dependencies"));
        } else if let (true, Some((name, value))) = (inside, line.split_once('=')) {
            let inherits = name.trim().ends_with(".workspace") || value.contains("workspace = true");
            if !inherits {
                let message = format!(
                    "`{}` has a version of its own; put it into [workspace.dependencies]",
                    name.trim()
                );
                findings.push(Finding::new(path, number + 1, message));
            }
        }
    }
    findings
}

/// Who may name an outside crate.
#[derive(Debug, PartialEq, Eq)]
pub struct Home {
    /// The outside crate.
    pub dependency: String,
    /// Package names.
    pub users: Vec<String>,
}

/// The lines of `deny.toml` that give a crate a home in this workspace.
pub fn parse_homes(deny: &str) -> Vec<Home> {
    deny.lines().filter_map(parse_home).collect()
}

fn parse_home(line: &str) -> Option<Home> {
    let line = line.split('#').next()?;
    let (_, rest) = line.split_once("crate = \"")?;
    let (dependency, rest) = rest.split_once('"')?;
    let (_, list) = rest.split_once("wrappers = [")?;
    let users = list.split_once(']')?.0.split(',').map(|one| one.trim().trim_matches('"').to_owned());
    Some(Home { dependency: dependency.to_owned(), users: users.filter(|one| !one.is_empty()).collect() })
}

/// Members that name an outside crate away from its home.
pub fn check_homes(homes: &[Home], metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in array(metadata, "packages") {
        let user = text(package, "name");
        for dependency in array(package, "dependencies") {
            let name = text(dependency, "name");
            let home = homes.iter().find(|home| home.dependency == name);
            if home.is_some_and(|home| !home.users.iter().any(|one| one == user)) {
                let message = format!("crate `{user}` names `{name}`, which has its home elsewhere");
                findings.push(Finding::new("deny.toml", 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn version_of_its_own_is_found_in_every_kind_of_section() {
        let manifest = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\n\
            c = \"1\"\n[dev-dependencies]\nd = { version = \"2\" } # workspace = true\n[target.'cfg(unix)'.dependencies]\ne = \"3\"\n[features]\nf = []\n";
        let found: Vec<usize> =
            check_versions("crates/a/Cargo.toml", manifest).iter().map(|f| f.line).collect();
        assert_eq!(found, [6, 8, 10]);
    }

    #[test]
    fn homes_are_read_and_enforced() {
        let homes = parse_homes(
            "deny = [\n  { crate = \"pyo3\", wrappers = [\"margrave-python\"] },\n  # { crate = \"x\", wrappers = [] }\n]\n",
        );
        assert_eq!(homes, [Home { dependency: "pyo3".into(), users: vec!["margrave-python".into()] }]);
        let edge = |user: &str| json!({"packages": [{"name": user, "dependencies": [{"name": "pyo3"}]}]});
        assert_eq!(check_homes(&homes, &edge("margrave-python")), []);
        assert_eq!(check_homes(&homes, &edge("margrave-server")).len(), 1);
    }
}
