//! Files answered without Python.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Files answered without Python.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StaticSettings {
    /// `static-map`, then `static-map2`: mount point and path (file or directory), each in order.
    pub maps: Vec<(String, PathBuf)>,
    /// `check-static`: roots tried with the whole path.
    pub check: Vec<PathBuf>,
    /// `check-static-docroot`: the request's DOCUMENT_ROOT is such a root too.
    pub check_docroot: bool,
    /// Mount points that move to SCRIPT_NAME (`manage-script-name`): what is below them is looked for without them.
    pub mounts: Vec<String>,
    /// `static-index`.
    pub index: Vec<String>,
    /// `static-skip-ext`.
    pub skip_ext: Vec<String>,
    /// `static-safe`: further roots that links may lead to.
    pub safe: Vec<PathBuf>,
    /// `mime-file`.
    pub mime_files: Vec<PathBuf>,
    /// The `static-expires` family, in the order in which rules are tried.
    pub expires: Vec<ExpiresRule>,
    /// The `static-gzip` family.
    pub compressed: CompressedSettings,
    /// `honour-range`: Range requests get parts of files.
    pub ranges: bool,
    /// `file-serve-mode`: who sends the bytes.
    pub mode: FileServeMode,
    /// `static-memory`: bytes of small files that a worker keeps in memory; 0 keeps none.
    pub memory: usize,
    /// `static-memory-file`: the largest file kept there, in bytes.
    pub memory_file: usize,
}

impl Default for StaticSettings {
    fn default() -> Self {
        Self {
            maps: Vec::new(),
            check: Vec::new(),
            check_docroot: false,
            mounts: Vec::new(),
            index: Vec::new(),
            skip_ext: Vec::new(),
            safe: Vec::new(),
            mime_files: Vec::new(),
            expires: Vec::new(),
            compressed: CompressedSettings::default(),
            ranges: true,
            mode: FileServeMode::Direct,
            memory: 8 * 1024 * 1024,
            memory_file: 64 * 1024,
        }
    }
}

/// When the answers that a rule matches expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiresRule {
    /// What the pattern is compared with.
    pub subject: ExpiresSubject,
    /// A regular expression that matches somewhere in the subject; of a media type, the type itself.
    pub pattern: String,
    /// Seconds until the answer expires.
    pub seconds: u64,
    /// Counted from the file's time instead of the present.
    pub from_mtime: bool,
}

/// What an [`ExpiresRule`] looks at. The first subject with a rule that matches decides, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ExpiresSubject {
    /// `static-expires`: the file's path.
    File,
    /// `static-expires-path-info`: PATH_INFO.
    PathInfo,
    /// `static-expires-uri`: REQUEST_URI.
    Uri,
    /// `static-expires-type`: the media type.
    Type,
}

/// Which files may be answered by a compressed neighbour (`style.css.gz` of `style.css`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompressedSettings {
    /// `static-gzip-all`.
    pub all: bool,
    /// `static-gzip`: regular expressions that match somewhere in the path.
    pub patterns: Vec<String>,
    /// `static-gzip-dir`: what the path begins with.
    pub prefixes: Vec<String>,
    /// `static-gzip-ext`: what the path ends with.
    pub suffixes: Vec<String>,
}

/// Who sends the bytes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileServeMode {
    /// Margrave.
    #[default]
    Direct,
    /// nginx in front, told by `X-Accel-Redirect`.
    AccelRedirect,
    /// A front server that understands `X-Sendfile`.
    Sendfile,
}
