//! How a running instance is steered.

use super::values::Values;
use crate::settings::{ControlSettings, ControlSocket};

pub fn build(values: &mut Values<'_>) -> ControlSettings {
    let socket = match values.text("control-socket") {
        None => ControlSocket::Usual,
        Some("none" | "off" | "false" | "no") => ControlSocket::Absent,
        Some(path) => ControlSocket::Path(path.into()),
    };
    ControlSettings { socket, name: values.text("instance-name").map(str::to_owned) }
}
