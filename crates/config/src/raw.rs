//! Everything that was read, in order, before it means anything.

use crate::diagnostic::Origin;
use std::collections::HashMap;

/// One key as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value; `None` for an option without value on the command line.
    pub value: Option<String>,
    /// Where it was written.
    pub origin: Origin,
    /// Whether it took effect already: such values are not expanded any more.
    pub is_done: bool,
    /// Whether the operator said that it is a placeholder (`set-placeholder`).
    pub is_placeholder: bool,
}

/// The table of all entries.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    /// In the order read. Keys do not change once they are here.
    pub entries: Vec<Entry>,
    /// Where each key was read first.
    places: HashMap<String, usize>,
}

impl RawConfig {
    /// Adds what was read.
    pub fn push(&mut self, entry: Entry) {
        if !self.places.contains_key(&entry.key) {
            self.places.insert(entry.key.clone(), self.entries.len());
        }
        self.entries.push(entry);
    }

    /// The first value under a key, which is the one that `%(key)`, `get` and `if-opt` see.
    pub fn first(&self, key: &str) -> Option<&str> {
        self.entries[*self.places.get(key)?].value.as_deref()
    }

    /// Whether a key was read at all.
    pub fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// The text of `show-config`.
    pub fn show(&self) -> String {
        let mut text = String::from(";margrave configuration\n[uwsgi]\n");
        for entry in &self.entries {
            let value = entry.value.as_deref().unwrap_or("true");
            text.push_str(&format!("{} = {value}\n", entry.key));
        }
        text.push_str(";end of configuration\n");
        text
    }
}
