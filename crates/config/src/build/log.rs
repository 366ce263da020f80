//! Log destinations and formats.

use super::host::log_file;
use super::loggers;
use super::values::Values;
use crate::settings::LogSettings;
use crate::values;

/// The pattern of `log-date` without a value: that of `ctime`.
const DEFAULT_DATE: &str = "%a %b %e %H:%M:%S %Y";

/// The fields of `log-json` without a value.
const JSON_FIELDS: &str = "isotime,addr,user,method,uri,proto,status,size,micros,referer,uagent,pid,wid,core";

pub fn build(values: &mut Values<'_>) -> LogSettings {
    let loggers = loggers::loggers(values, &["logger", "log-syslog", "log-socket", "worker-logger"]);
    let request_loggers = loggers::loggers(values, &["req-logger", "worker-logger-req"]);
    let json = json_fields(values);
    let format = values.text("log-format").map(str::to_owned);
    LogSettings {
        logto: log_file(values, "logto"),
        logto2: log_file(values, "logto2"),
        format_strftime: values.flag("logformat-strftime").unwrap_or(false),
        format_is_json: format.as_deref().map_or(json.is_some(), is_json),
        json: json.is_some(),
        format: format.or(json),
        micros: values.flag("log-micros").unwrap_or(false),
        disable_requests: values.flag("disable-logging").unwrap_or(false),
        log_4xx: values.flag("log-4xx").unwrap_or(false),
        log_5xx: values.flag("log-5xx").unwrap_or(false),
        log_slow: values.milliseconds("log-slow"),
        log_big: values.positive("log-big"),
        log_zero: values.flag("log-zero").unwrap_or(false),
        log_sendfile: values.flag("log-sendfile").unwrap_or(false),
        log_io_error: values.flag("log-ioerror").unwrap_or(false),
        x_forwarded_for: values.flag("log-x-forwarded-for").unwrap_or(false),
        date: date(values),
        backup_name: values.text("log-backupname").map(str::to_owned),
        file_mode: values.mode("logfile-chmod"),
        file_chown: values.flag("logfile-chown").unwrap_or(false),
        through_master: values.flag("log-master").unwrap_or(false),
        max_size: values.positive("log-maxsize"),
        reopen: values.flag("log-reopen").unwrap_or(false),
        truncate: values.flag("log-truncate").unwrap_or(false),
        encoders: loggers::encoders(values, &["log-encoder", "worker-log-encoder"]),
        request_encoders: loggers::encoders(values, &["log-req-encoder", "worker-log-req-encoder"]),
        routes: loggers::routes(values, "log-route", &loggers),
        request_routes: loggers::routes(values, "log-req-route", &request_loggers),
        drains: loggers::patterns(values, "log-drain"),
        request_drains: loggers::patterns(values, "log-req-drain"),
        filters: loggers::patterns(values, "log-filter"),
        loggers,
        request_loggers,
    }
}

/// The format that `log-json` makes: a document of fields, a missing one being null.
fn json_fields(values: &mut Values<'_>) -> Option<String> {
    let setting = values.last("log-json")?;
    let text = setting.text();
    let fields = match values::is_truth_word(text) {
        true if values::truth(text) => JSON_FIELDS,
        true => return None,
        false => text,
    };
    let fields = fields.split(',').map(str::trim).filter(|field| !field.is_empty());
    let members: Vec<String> = fields.map(|field| format!("{}:%({field})", quoted(field))).collect();
    Some(format!("{{{}}}", members.join(",")))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a format is a JSON document with variables in it.
fn is_json(format: &str) -> bool {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("%(") {
        let Some((_, tail)) = after.split_once(')') else { return false };
        text.push_str(before);
        text.push('0');
        rest = tail;
    }
    text.push_str(rest);
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok()
}

fn date(values: &mut Values<'_>) -> Option<String> {
    let setting = values.last("log-date")?;
    let text = setting.text();
    if !values::is_truth_word(text) {
        return Some(text.to_owned());
    }
    values::truth(text).then(|| DEFAULT_DATE.to_owned())
}
