//! All checks over the working tree.

use crate::finding::Finding;
use crate::floors::{array, text};
use crate::{floors, manifest, source};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE_ROOTS: &[&str] = &["crates", "xtask", "fuzz"];
const SKIPPED_DIRECTORIES: &[&str] = &["target", "corpus", "artifacts", "testdata"];

/// What was looked at and what was found.
pub struct Summary {
    /// Rust files read.
    pub files: usize,
    /// Members of the workspace.
    pub crates: usize,
    /// In order of path and line.
    pub findings: Vec<Finding>,
}

/// Runs every check below `root`.
pub fn run(root: &Path) -> Result<Summary> {
    let metadata = metadata(root)?;
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for top in SOURCE_ROOTS {
        collect(&root.join(top), &mut files)?;
    }
    for file in &files {
        findings.extend(source::check(&relative(root, file), &read(file)?));
    }
    let mut crates = 0;
    for package in array(&metadata, "packages") {
        let file = PathBuf::from(text(package, "manifest_path"));
        findings.extend(manifest::check_versions(&relative(root, &file), &read(&file)?));
        crates += 1;
    }
    match floors::parse(&read(&root.join("ARCHITECTURE.md"))?) {
        Ok(rows) => findings.extend(floors::check(&rows, &metadata)),
        Err(finding) => findings.push(finding),
    }
    findings
        .extend(manifest::check_homes(&manifest::parse_homes(&read(&root.join("deny.toml"))?), &metadata));
    findings.sort();
    Ok(Summary { files: files.len(), crates, findings })
}

fn metadata(root: &Path) -> Result<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cargo metadata does not start")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/")
}
