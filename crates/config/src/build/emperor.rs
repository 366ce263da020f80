//! Emperor mode.

use super::values::Values;
use crate::settings::EmperorSettings;

/// What an emperor does not do itself.
const OF_VASSALS: [&str; 12] = [
    "module",
    "wsgi-file",
    "mount",
    "socket",
    "uwsgi-socket",
    "http-socket",
    "http",
    "fastcgi-socket",
    "scgi-socket",
    "static-map",
    "check-static",
    "processes",
];

pub fn build(values: &mut Values<'_>) -> EmperorSettings {
    warn_of_own_work(values);
    EmperorSettings {
        sources: values.texts("emperor"),
        vassal_set: values.texts("vassals-set"),
        vassals_include: values.paths("vassals-include"),
        vassals_inherit: values.paths("vassals-inherit"),
        vassals_include_before: values.paths("vassals-include-before"),
        vassals_inherit_before: values.paths("vassals-inherit-before"),
        vassals_start_hook: values.path("vassals-start-hook"),
        vassals_stop_hook: values.path("vassals-stop-hook"),
    }
}

/// uWSGI's emperor may serve an application beside its vassals.
fn warn_of_own_work(values: &mut Values<'_>) {
    if values.last("emperor").is_none() {
        return;
    }
    for setting in values.all(&OF_VASSALS) {
        let message = "an emperor serves nothing itself here, so this has no effect; move it to a file of its own among the vassals";
        values.warn(setting, message);
    }
}
