//! Files that one instance at a time holds: `flock`, `flock-wait`, `flock2`, `flock-wait2`.
//!
//! A lock lasts as long as its holder keeps the file open, so that one which is killed leaves nothing locked. Nobody
//! inherits it: a program that outlives the instance holds nothing.

use crate::error::StartError;
use crate::log::Log;
use margrave_config::settings::HeldFile;
use margrave_lifecycle::supervisor::Level;
use margrave_sys::file;
use std::fs::File;

/// The files that this instance holds.
#[derive(Debug, Default)]
pub struct Held {
    files: Vec<File>,
}

impl Held {
    /// Takes those of one stage of the start: early ones, or those of an instance that is in the background already.
    ///
    /// # Errors
    /// When another instance holds one and nobody is to wait for it, or when there is no such file.
    pub fn take(&mut self, wanted: &[HeldFile], late: bool, log: &Log) -> Result<(), StartError> {
        for held in wanted.iter().filter(|held| held.late == late) {
            self.files.push(take(held, log)?);
        }
        Ok(())
    }

    /// Takes all of them, waiting for none: a master that replaces another one, which has just let go.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_over(&mut self, wanted: &[HeldFile], log: &Log) -> Result<(), StartError> {
        for held in wanted {
            self.files.push(take(&HeldFile { waits: false, ..held.clone() }, log)?);
        }
        Ok(())
    }
}

fn take(held: &HeldFile, log: &Log) -> Result<File, StartError> {
    let refused =
        |why: String| StartError::Held { option: held.option.clone(), path: held.path.clone(), why };
    let unusable = |error| {
        refused(format!("cannot be locked: {}; name a file that is there", crate::error::plain(&error)))
    };
    if let Some(file) = file::hold(&held.path, false).map_err(unusable)? {
        return Ok(file);
    }
    if held.waits {
        log.say(
            Level::Info,
            &format!("{}: waits until nobody else holds {}", held.option, held.path.display()),
        );
        if let Some(file) = file::hold(&held.path, true).map_err(unusable)? {
            return Ok(file);
        }
    }
    Err(refused(
        "is held by another instance; stop that one first, or write `flock-wait` to wait for it".into(),
    ))
}
