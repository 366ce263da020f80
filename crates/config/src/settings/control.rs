//! How a running instance is steered.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Control socket and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlSettings {
    /// `control-socket`.
    pub socket: ControlSocket,
    /// `instance-name`: what `margrave ctl` calls it; `None` = after its configuration file.
    pub name: Option<String>,
}

/// Where the control socket is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlSocket {
    /// Beside the pidfile, else in the user's own directory.
    #[default]
    Usual,
    /// There.
    Path(PathBuf),
    /// Nowhere.
    Absent,
}
