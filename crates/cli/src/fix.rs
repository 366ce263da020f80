//! `margrave check --fix`: writes the corrected copies that `margrave_config::check` has tried, and never over a file.

use crate::{complain, print};
use margrave_config::check::{CheckRequest, Corrected, correct};
use margrave_sys::world::OsWorld;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

/// The exit code when a copy cannot be written, and that of calls that cannot be understood.
const CANNOT: i32 = 2;

/// Corrects, writes, reports; the exit code is that of a check of the copies.
pub fn run(request: &CheckRequest, world: &OsWorld, color: bool) -> i32 {
    let outcome = match correct(request, world, color) {
        Ok(outcome) => outcome,
        Err(message) => {
            complain(&[format!("margrave: error: {message}")]);
            return CANNOT;
        }
    };
    let mut notes = Vec::new();
    let mut code = outcome.report.exit_code;
    let mut printed = false;
    for copy in &outcome.corrected {
        let lines = if copy.repairs == 1 { "1 line" } else { &format!("{} lines", copy.repairs) };
        match &copy.target {
            None => {
                printed = true;
                print(&[copy.text.strip_suffix('\n').unwrap_or(&copy.text).to_owned()]);
                notes.push(format!("{}: {lines} corrected in the text on standard output", copy.file));
            }
            Some(target) => match write(copy, target) {
                Ok(()) => notes.push(format!("{}: {lines} corrected in {target}", copy.file)),
                Err(error) => {
                    complain(&[format!("margrave: error: cannot write {target}: {}", explain(&error))]);
                    code = CANNOT;
                }
            },
        }
    }
    if outcome.corrected.iter().all(|copy| copy.repairs == 0) {
        notes.clear();
        notes.push("nothing to correct".to_owned());
    }
    if request.json {
        notes.clear();
        notes.push(outcome.report.json());
    } else {
        notes.push("what is left to say:".to_owned());
        notes.push(outcome.text.trim_end().to_owned());
    }
    // Standard output belongs to the text when it goes there.
    if printed {
        complain(&notes)
    } else {
        print(&notes)
    }
    code
}

/// Writes a copy with the permission bits of its original: configuration may hold secrets.
fn write(copy: &Corrected, target: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(target)?;
    if let Ok(original) = fs::metadata(&copy.file) {
        file.set_permissions(original.permissions())?;
    }
    file.write_all(copy.text.as_bytes())?;
    file.sync_all()
}

fn explain(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return "it is there already and is not overwritten; move it away, or name another file by -o"
            .to_owned();
    }
    error.to_string()
}
