//! What keeps a configuration finite beyond the sizes of its files: a few lines can repeat, fill in and nest without bound.

use crate::diagnostic::Origin;
use crate::error::Problem;
use crate::expand::MAX_VALUE_BYTES;

/// Length of all values that are stored, repeated ones counted each time.
pub const MAX_STORED_BYTES: usize = 64 << 20;

/// Targets that declared options run in all.
pub const MAX_CUSTOM_RUNS: usize = 100_000;

/// Options that may be declared.
pub const MAX_CUSTOM: usize = 1_000;

/// Blocks within one another.
pub const MAX_OPEN_BLOCKS: usize = 64;

/// Environment variables that are set or removed while reading.
pub const MAX_ENVIRONMENT_CHANGES: usize = 10_000;

/// What has been used up.
#[derive(Debug, Default)]
pub struct Budget {
    stored: usize,
    custom_runs: usize,
}

impl Budget {
    /// Counts a value.
    pub fn store(&mut self, bytes: usize, origin: &Origin) -> Result<(), Problem> {
        self.stored = self.stored.saturating_add(bytes);
        within(self.stored, MAX_STORED_BYTES, "the size of all values in bytes", origin)
    }

    /// Counts a target of a declared option.
    pub fn run_custom(&mut self, origin: &Origin) -> Result<(), Problem> {
        self.custom_runs += 1;
        within(self.custom_runs, MAX_CUSTOM_RUNS, "the number of uses of declared options", origin)
    }
}

/// An error when `count` is above `limit`.
pub fn within(count: usize, limit: usize, what: &str, origin: &Origin) -> Result<(), Problem> {
    if count <= limit {
        return Ok(());
    }
    Err(Problem::TooLarge { origin: origin.clone(), what: what.to_owned(), limit })
}

/// A text with every `name` in it replaced, unless it would be longer than a value may be.
pub fn fill_in(text: &str, name: &str, with: &str, origin: &Origin) -> Result<String, Problem> {
    let places = text.matches(name).count();
    if places == 0 {
        return Ok(text.to_owned());
    }
    let length = text.len().saturating_add(places.saturating_mul(with.len()));
    within(length, MAX_VALUE_BYTES, "the length of a value in bytes", origin)?;
    Ok(text.replace(name, with))
}
