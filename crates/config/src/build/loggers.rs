//! Loggers, encoders and routes: `logger = [name] kind:argument`, `log-encoder = kind[:logger] argument`.

use super::values::Values;
use crate::loader::Setting;
use crate::settings::{LogEncoder, LogEncoding, LogRoute, LogTarget, Logger, RemoteSyslog};
use std::path::PathBuf;

/// Loggers that uWSGI has and Margrave has not.
const FOREIGN: [&str; 7] = ["redislog", "mongodblog", "zeromq", "zmq", "crypto", "graylog2", "systemd"];

/// What Margrave's loggers look like.
const FORMS: &str = "file:/path, stdio, fd:N, syslog[:name[,facility]], rsyslog:host[:port][,name], socket:address or pipe:command";

/// Priority of remote syslog messages unless another is asked for: facility `daemon`, severity "notice", as uWSGI's.
const DEFAULT_PRIORITY: u8 = 29;

/// Bytes in a packet to a remote syslog unless `rsyslog-packet-size` says otherwise.
const DEFAULT_PACKET: usize = 1024;

/// The default template of the encoder `json`.
pub const JSON_LINE: &str = r#"{"time":"${strftime:%Y-%m-%dT%H:%M:%S%z}","message":"${msg}"}"#;

/// The loggers that these options name.
pub fn loggers(values: &mut Values<'_>, names: &[&'static str]) -> Vec<Logger> {
    let remote = RemoteOptions {
        packet: values.positive("rsyslog-packet-size"),
        splits: values.flag("rsyslog-split-messages").unwrap_or(false),
    };
    let mut loggers = Vec::new();
    for setting in values.all(names) {
        let plain = |target| Ok(Some(Logger { name: None, target }));
        let parsed = match setting.row.name() {
            "log-syslog" => plain(LogTarget::Syslog(setting.text().to_owned())),
            "log-socket" => plain(socket(setting.text())),
            _ => logger(values, setting, &remote),
        };
        loggers.extend(values.keep(setting, parsed.map(|logger| (logger, None))).flatten());
    }
    loggers
}

/// What `rsyslog-*` say.
struct RemoteOptions {
    packet: Option<u64>,
    splits: bool,
}

/// `[name ]kind:argument`, or a bare path; nothing, with a warning, for a logger of uWSGI that Margrave has not.
fn logger(
    values: &mut Values<'_>,
    setting: &Setting,
    remote: &RemoteOptions,
) -> Result<Option<Logger>, String> {
    let text = setting.text();
    let (name, text) = match text.split_once(' ') {
        Some((name, rest)) if is_word(name) && is_kind(rest.trim()) => (Some(name.to_owned()), rest.trim()),
        _ => (None, text),
    };
    let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
    let target = match kind {
        _ if text.starts_with('/') => LogTarget::File(PathBuf::from(text)),
        "file" if !argument.is_empty() => LogTarget::File(log_file(values, setting, argument)),
        "stdio" => LogTarget::Stdio,
        "syslog" => LogTarget::Syslog(argument.to_owned()),
        "rsyslog" if !argument.is_empty() => LogTarget::RemoteSyslog(remote_syslog(argument, remote)?),
        "socket" if !argument.is_empty() => socket(argument),
        "pipe" if !argument.is_empty() => LogTarget::Pipe(argument.to_owned()),
        "fd" => {
            LogTarget::Fd(argument.parse().map_err(|_| format!("`{argument}` is no descriptor; write fd:2"))?)
        }
        _ if FOREIGN.contains(&kind) => {
            let message = format!("Margrave has no logger `{kind}`, so nothing is logged there; use {FORMS}");
            values.warn(setting, message);
            return Ok(None);
        }
        _ => return Err(format!("`{text}` is no logger that Margrave has; write {FORMS}")),
    };
    Ok(Some(Logger { name, target }))
}

/// The path of `file:path` or of `file:logfile=path,maxsize=…,backupname=…`, which rotates by options of its own.
fn log_file(values: &mut Values<'_>, setting: &Setting, argument: &str) -> PathBuf {
    let pieces = || argument.split(',').filter_map(|piece| piece.split_once('='));
    let Some((_, path)) = pieces().find(|(key, _)| *key == "logfile") else {
        return PathBuf::from(argument);
    };
    for (key, value) in pieces().filter(|(key, _)| *key != "logfile") {
        let message = match key {
            "maxsize" => {
                format!("`maxsize` has no effect here; write `log-maxsize = {value}`, for all log files")
            }
            "backupname" => format!("`backupname` has no effect here; write `log-backupname = {value}`"),
            _ => format!("there is no `{key}` of log files, so it has no effect; remove it"),
        };
        values.warn(setting, message);
    }
    PathBuf::from(path)
}

fn is_kind(text: &str) -> bool {
    text.contains(':') || matches!(text, "stdio" | "syslog")
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn socket(argument: &str) -> LogTarget {
    let (address, prefix) = argument.split_once(',').unwrap_or((argument, ""));
    LogTarget::Socket { address: address.to_owned(), prefix: prefix.to_owned() }
}

/// `host[:port][,name[,priority]]`; the priority counts facility and severity in one number.
fn remote_syslog(argument: &str, options: &RemoteOptions) -> Result<RemoteSyslog, String> {
    const SYSLOG_PORT: u16 = 514;
    let mut parts = argument.split(',');
    let host = parts.next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let ident = parts.next().filter(|ident| !ident.is_empty()).map(str::to_owned);
    let priority = match parts.next() {
        None | Some("") => DEFAULT_PRIORITY,
        Some(text) => text.parse().ok().filter(|priority| *priority < 192).ok_or_else(|| {
            format!("`{text}` is no priority; write 8 x facility + severity, such as {DEFAULT_PRIORITY}")
        })?,
    };
    Ok(RemoteSyslog {
        address: if has_port { host.to_owned() } else { format!("{host}:{SYSLOG_PORT}") },
        ident,
        priority,
        packet: options.packet.map_or(DEFAULT_PACKET, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        splits: options.splits,
    })
}

/// The encoders that these options name.
pub fn encoders(values: &mut Values<'_>, names: &[&'static str]) -> Vec<LogEncoder> {
    let mut encoders = Vec::new();
    for setting in values.all(names) {
        let parsed = encoder(setting.text());
        encoders.extend(values.keep(setting, parsed.map(|encoder| (encoder, None))));
    }
    encoders
}

fn encoder(text: &str) -> Result<LogEncoder, String> {
    let (head, argument) = text.split_once(' ').unwrap_or((text, ""));
    let (kind, logger) = head.split_once(':').unwrap_or((head, ""));
    let argument = argument.to_owned();
    let encoding = match kind {
        "prefix" => LogEncoding::Prefix(argument),
        "suffix" => LogEncoding::Suffix(argument),
        "nl" | "newline" => LogEncoding::Newline,
        "format" if !argument.is_empty() => LogEncoding::Format(argument),
        "format" => return Err("`format` needs a template; write `format [${unix}] ${msg}`".to_owned()),
        "json" if argument.is_empty() => LogEncoding::Json(JSON_LINE.to_owned()),
        "json" => LogEncoding::Json(argument),
        "gzip" => LogEncoding::Gzip,
        "compress" => LogEncoding::Compress,
        _ => {
            return Err(format!(
                "`{kind}` is no encoder that Margrave has; write prefix, suffix, nl, format, json, gzip or compress"
            ));
        }
    };
    Ok(LogEncoder { logger: Some(logger.to_owned()).filter(|logger| !logger.is_empty()), encoding })
}

/// `logger pattern` of a route, whose logger must exist.
pub fn routes(values: &mut Values<'_>, name: &'static str, loggers: &[Logger]) -> Vec<LogRoute> {
    let mut routes = Vec::new();
    for setting in values.all(&[name]) {
        let parsed = route(setting.text(), loggers);
        routes.extend(values.keep(setting, parsed.map(|route| (route, None))));
    }
    routes
}

fn route(text: &str, loggers: &[Logger]) -> Result<LogRoute, String> {
    let Some((logger, pattern)) = text.split_once(' ') else {
        return Err(format!(
            "`{text}` has no pattern; write `{text} REGEX`, with the name of a logger first"
        ));
    };
    if !loggers.iter().any(|known| known.name.as_deref() == Some(logger)) {
        return Err(format!(
            "no logger is named `{logger}`; name one, as in `logger = {logger} file:/var/log/x.log`"
        ));
    }
    check_pattern(pattern.trim())?;
    Ok(LogRoute { logger: logger.to_owned(), pattern: pattern.trim().to_owned() })
}

/// The regular expressions of `log-drain` and its like.
pub fn patterns(values: &mut Values<'_>, name: &'static str) -> Vec<String> {
    let mut patterns = Vec::new();
    for setting in values.all(&[name]) {
        let checked = check_pattern(setting.text());
        patterns.extend(values.keep(setting, checked.map(|()| (setting.text().to_owned(), None))));
    }
    patterns
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    let compiled = regex_lite::Regex::new(pattern).map(drop);
    compiled.map_err(|error| format!("`{pattern}` is no regular expression: {error}"))
}
