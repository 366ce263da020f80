//! Everything that was read, in order, before it means anything.

use crate::diagnostic::Origin;

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
    /// In the order read.
    pub entries: Vec<Entry>,
}

impl RawConfig {
    /// The first value under a key, which is the one that `%(key)`, `get` and `if-opt` see.
    pub fn first(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// Whether a key was read at all.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
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
