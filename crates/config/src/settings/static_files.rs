//! Files answered without Python.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Files answered without Python.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StaticSettings {
    /// `static-map`: mount point and path (file or directory), in order.
    pub maps: Vec<(String, PathBuf)>,
    /// `check-static`: roots tried with the whole path.
    pub check: Vec<PathBuf>,
    /// `static-index`.
    pub index: Vec<String>,
    /// `static-skip-ext`.
    pub skip_ext: Vec<String>,
    /// `static-safe`: further roots that links may lead to.
    pub safe: Vec<PathBuf>,
    /// `mime-file`.
    pub mime_files: Vec<PathBuf>,
    /// `static-expires` with a pattern `/*`: seconds of `Expires` on every file.
    pub expires: Option<u64>,
}
