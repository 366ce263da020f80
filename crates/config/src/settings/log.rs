//! Log destinations and formats.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Where one log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogTarget {
    /// `file:/path` or a bare path.
    File(PathBuf),
    /// `stdio`.
    Stdio,
    /// `syslog[:ident[,facility]]`.
    Syslog(String),
    /// `fd:N`.
    Fd(i32),
    /// `socket:host:port` or `socket:/path`.
    Socket(String),
}

/// Log destinations and formats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// `logto`: everything goes to this file.
    pub logto: Option<PathBuf>,
    /// `logto2`: the same, opened after privileges are dropped.
    pub logto2: Option<PathBuf>,
    /// `logger`, in order.
    pub loggers: Vec<LogTarget>,
    /// `req-logger`, in order: request lines go there instead.
    pub request_loggers: Vec<LogTarget>,
    /// `log-format`; `None` = uWSGI's default line.
    pub format: Option<String>,
    /// `disable-logging`: no request lines except those asked for below.
    pub disable_requests: bool,
    /// `log-4xx`.
    pub log_4xx: bool,
    /// `log-5xx`.
    pub log_5xx: bool,
    /// `log-slow`, from so long on.
    pub log_slow: Option<Duration>,
    /// `log-big`, from so many bytes on.
    pub log_big: Option<u64>,
    /// `log-zero`.
    pub log_zero: bool,
    /// `log-x-forwarded-for`.
    pub x_forwarded_for: bool,
    /// `log-date`: strftime pattern put before each line of the master; `None` = none.
    pub date: Option<String>,
    /// `log-maxsize`, bytes: rotate past it.
    pub max_size: Option<u64>,
    /// `log-backupname`.
    pub backup_name: Option<String>,
    /// `log-master`: lines pass through the master.
    pub through_master: bool,
    /// `logfile-chmod`.
    pub file_mode: Option<u32>,
}
