//! Log destinations and formats.

use super::host::log_file;
use super::values::Values;
use crate::loader::Setting;
use crate::settings::{LogSettings, LogTarget};
use crate::values;
use std::path::PathBuf;

/// The pattern of `log-date` without a value: that of `ctime`.
const DEFAULT_DATE: &str = "%a %b %e %H:%M:%S %Y";

/// Loggers that uWSGI has and Margrave has not.
const NOT_BUILT: [&str; 8] =
    ["rsyslog", "redislog", "mongodblog", "zeromq", "zmq", "crypto", "graylog2", "systemd"];

pub fn build(values: &mut Values<'_>) -> LogSettings {
    let loggers = targets(values, &["logger", "log-syslog", "log-socket"]);
    let request_loggers = targets(values, &["req-logger"]);
    let max_size = values.positive("log-maxsize");
    let asks_for_master = values.flag("log-master").unwrap_or(false);
    LogSettings {
        logto: log_file(values, "logto"),
        logto2: log_file(values, "logto2"),
        format: values.text("log-format").map(str::to_owned),
        disable_requests: values.flag("disable-logging").unwrap_or(false),
        log_4xx: values.flag("log-4xx").unwrap_or(false),
        log_5xx: values.flag("log-5xx").unwrap_or(false),
        log_slow: values.milliseconds("log-slow"),
        log_big: values.positive("log-big"),
        log_zero: values.flag("log-zero").unwrap_or(false),
        x_forwarded_for: values.flag("log-x-forwarded-for").unwrap_or(false),
        date: date(values),
        backup_name: values.text("log-backupname").map(str::to_owned),
        file_mode: values.mode("logfile-chmod"),
        // Who rotates or dispatches lines must see them all.
        through_master: asks_for_master
            || max_size.is_some()
            || !loggers.is_empty()
            || !request_loggers.is_empty(),
        max_size,
        loggers,
        request_loggers,
    }
}

fn date(values: &mut Values<'_>) -> Option<String> {
    let setting = values.last("log-date")?;
    let text = setting.text();
    if !values::is_truth_word(text) {
        return Some(text.to_owned());
    }
    values::truth(text).then(|| DEFAULT_DATE.to_owned())
}

fn targets(values: &mut Values<'_>, names: &[&'static str]) -> Vec<LogTarget> {
    let mut targets = Vec::new();
    for setting in values.all(names) {
        let parsed = match setting.row.name() {
            "log-syslog" => Ok(Some(LogTarget::Syslog(setting.text().to_owned()))),
            "log-socket" => Ok(Some(LogTarget::Socket(setting.text().to_owned()))),
            _ => target(values, setting),
        };
        targets.extend(values.keep(setting, parsed.map(|target| (target, None))).flatten());
    }
    targets
}

/// `[name ]kind:argument`, or a bare path; nothing, with a warning, for a logger of uWSGI that is not built.
fn target(values: &mut Values<'_>, setting: &Setting) -> Result<Option<LogTarget>, String> {
    let text = setting.text();
    let text = match text.split_once(' ') {
        Some((name, rest))
            if is_word(name) && (rest.contains(':') || rest == "stdio" || rest == "syslog") =>
        {
            values.warn(
                setting,
                format!(
                    "the name `{name}` has no effect, as `log-route` is not built yet; all lines go there"
                ),
            );
            rest.trim()
        }
        _ => text,
    };
    let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        _ if text.starts_with('/') => Ok(Some(LogTarget::File(PathBuf::from(text)))),
        "file" if !argument.is_empty() => Ok(Some(LogTarget::File(PathBuf::from(argument)))),
        "stdio" => Ok(Some(LogTarget::Stdio)),
        "syslog" => Ok(Some(LogTarget::Syslog(argument.to_owned()))),
        "socket" if !argument.is_empty() => Ok(Some(LogTarget::Socket(argument.to_owned()))),
        "fd" => argument
            .parse()
            .map(|descriptor| Some(LogTarget::Fd(descriptor)))
            .map_err(|_| format!("`{argument}` is no descriptor; write fd:2")),
        _ if NOT_BUILT.contains(&kind) => {
            let message = format!(
                "the logger `{kind}` of uWSGI is not built yet, so nothing is logged there; use file:/path, stdio, syslog, fd:N or socket:address"
            );
            values.warn(setting, message);
            Ok(None)
        }
        _ => Err(format!(
            "`{text}` is no logger that Margrave has; write file:/path, stdio, syslog, fd:N or socket:address"
        )),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
