//! Repository checks that no compiler makes: `cargo run -p xtask -- tidy`.
//!
//! Not a build system: `make` runs the builds. Everything here reads files and says what is wrong, with file and line.

mod finding;
mod floors;
mod lexer;
mod manifest;
mod source;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => report(tidy::run(&root())),
        _ => {
            say("usage: cargo run -p xtask -- tidy");
            ExitCode::from(2)
        }
    }
}

/// The directory of the workspace: where this crate's manifest was when it was compiled.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn report(outcome: anyhow::Result<tidy::Summary>) -> ExitCode {
    match outcome {
        Ok(summary) if summary.findings.is_empty() => {
            say(&format!("tidy: {} files and {} crates are in order", summary.files, summary.crates));
            ExitCode::SUCCESS
        }
        Ok(summary) => {
            for finding in &summary.findings {
                say(&finding.to_string());
            }
            say(&format!("tidy: {} findings", summary.findings.len()));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("tidy could not run: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "a command line tool; this is its only output")]
fn say(line: &str) {
    println!("{line}");
}
