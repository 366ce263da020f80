//! Emperor mode.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Emperor mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmperorSettings {
    /// `emperor`: directories or glob patterns.
    pub sources: Vec<String>,
    /// `vassal-set`: passed to each vassal as `--set`.
    pub vassal_set: Vec<String>,
    /// `vassals-include`.
    pub vassals_include: Vec<PathBuf>,
    /// `vassals-inherit`.
    pub vassals_inherit: Vec<PathBuf>,
    /// `vassals-include-before`.
    pub vassals_include_before: Vec<PathBuf>,
    /// `vassals-inherit-before`.
    pub vassals_inherit_before: Vec<PathBuf>,
    /// `vassals-start-hook`: a program that gets the name of a vassal before it starts.
    pub vassals_start_hook: Option<PathBuf>,
    /// `vassals-stop-hook`: a program that gets the name of a vassal after it has ended.
    pub vassals_stop_hook: Option<PathBuf>,
}
