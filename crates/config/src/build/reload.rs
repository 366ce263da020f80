//! What asks for a reload, and what a worker is recycled for beside its requests and age.

use super::values::Values;
use crate::settings::{ExceptionRules, ReloadSettings, WatchedDescriptor};
use std::time::Duration;

/// Slots of the master FIFO: one digit names each.
const MAX_FIFOS: usize = 10;

pub fn build(values: &mut Values<'_>) -> ReloadSettings {
    let default = ReloadSettings::default();
    ReloadSettings {
        fifos: fifos(values),
        touch_workers: values.paths("touch-workers-reload"),
        touch_chain: values.paths("touch-chain-reload"),
        touch_log_rotate: values.paths("touch-logrotate"),
        touch_log_reopen: values.paths("touch-logreopen"),
        watch: values.paths("fs-reload"),
        watch_brutal: values.paths("fs-brutal-reload"),
        descriptors: descriptors(values),
        on_unique: values.megabytes("reload-on-uss"),
        on_proportional: values.megabytes("reload-on-pss"),
        evil_on_resident: values.megabytes("evil-reload-on-rss"),
        evil_on_address_space: values.megabytes("evil-reload-on-as"),
        memory_interval: values.seconds("mem-collector-freq").unwrap_or(default.memory_interval),
        max_lifetime_delta: values.seconds("max-worker-lifetime-delta").unwrap_or(Duration::ZERO),
        on_exception: ExceptionRules {
            any: values.flag("reload-on-exception").unwrap_or(false),
            types: values.texts("reload-on-exception-type"),
            values: values.texts("reload-on-exception-value"),
            reprs: values.texts("reload-on-exception-repr"),
        },
        check: request_path(values, "reload-check"),
        check_timeout: values.duration("reload-check-timeout").unwrap_or(default.check_timeout),
        tracebacker: values.path("py-tracebacker"),
        executable: values.path("binary-path"),
        drain_delay: values.duration("drain-delay").unwrap_or(default.drain_delay),
    }
}

/// `N`, or `N:bytes` as uWSGI wants it: here all that waits is read, however much it is.
fn descriptors(values: &mut Values<'_>) -> Vec<WatchedDescriptor> {
    let mut watched = Vec::new();
    for (option, brutal) in [("reload-on-fd", false), ("brutal-reload-on-fd", true)] {
        for setting in values.all(&[option]) {
            let (number, size) =
                setting.text().trim().split_once(':').unwrap_or((setting.text().trim(), "0"));
            match (number.parse(), size.parse::<u32>()) {
                (Ok(number @ 0..), Ok(_)) => watched.push(WatchedDescriptor { number, brutal }),
                _ => values.error(
                    setting,
                    format!(
                        "`{}` is no descriptor; write its number, such as 3, which whoever starts the instance has opened",
                        setting.text()
                    ),
                ),
            }
        }
    }
    watched
}

fn fifos(values: &mut Values<'_>) -> Vec<std::path::PathBuf> {
    let mut paths = values.paths("master-fifo");
    if paths.len() > MAX_FIFOS
        && let Some(last) = values.last("master-fifo")
    {
        let message = format!(
            "{} FIFOs are more than there are digits to choose them by; write at most {MAX_FIFOS}",
            paths.len()
        );
        values.error(last, message);
        paths.truncate(MAX_FIFOS);
    }
    paths
}

/// The path of a request.
pub fn request_path(values: &mut Values<'_>, name: &'static str) -> Option<String> {
    let setting = values.last(name)?;
    let path = values.text(name)?;
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        values.error(setting, format!("`{path}` is no path of a request; write one such as /healthz"));
        return None;
    }
    Some(path.to_owned())
}
