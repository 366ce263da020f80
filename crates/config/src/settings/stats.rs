//! The stats server.

use super::Address;
use serde::{Deserialize, Serialize};

/// Stats server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsSettings {
    /// `stats`: where it listens.
    pub address: Option<Address>,
    /// `stats-http`: prefix the JSON with an HTTP head.
    pub http: bool,
    /// `stats-minified`.
    pub minified: bool,
}
