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
    /// `rsyslog:host[:port][,ident[,priority]]`.
    RemoteSyslog(RemoteSyslog),
    /// `fd:N`.
    Fd(i32),
    /// `socket:host:port[,prefix]` or `socket:/path[,prefix]`.
    Socket {
        /// Where the datagrams go.
        address: String,
        /// Begins each of them.
        prefix: String,
    },
    /// `pipe:command`: the standard input of a command.
    Pipe(String),
}

/// A syslog server of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSyslog {
    /// `host:port`.
    pub address: String,
    /// What stands before the line; `None` = the machine's name and `uwsgi`.
    pub ident: Option<String>,
    /// Facility times eight, and severity.
    pub priority: u8,
    /// Bytes in one packet at most.
    pub packet: usize,
    /// Whether a longer line goes out in several packets; otherwise its rest is lost.
    pub splits: bool,
}

/// One `logger` or `req-logger`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logger {
    /// A named one gets only what a route sends there.
    pub name: Option<String>,
    /// Where its lines go.
    pub target: LogTarget,
}

/// What an encoder makes of a line. `format` and `json` are parsed by whoever runs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogEncoding {
    /// Text before the line.
    Prefix(String),
    /// Text behind the line.
    Suffix(String),
    /// A line end behind the line.
    Newline,
    /// A template.
    Format(String),
    /// A template in which values are escaped for JSON.
    Json(String),
    /// A gzip member for each line.
    Gzip,
    /// A zlib stream for each line.
    Compress,
}

/// One `log-encoder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEncoder {
    /// The named logger that it is for; `None` = all.
    pub logger: Option<String>,
    /// What it does.
    pub encoding: LogEncoding,
}

/// One `log-route`: lines that match go to these loggers, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRoute {
    /// Name of the logger.
    pub logger: String,
    /// Regular expression.
    pub pattern: String,
}

/// Log destinations and formats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// `logto`: everything goes to this file.
    pub logto: Option<PathBuf>,
    /// `logto2`: the same, opened after privileges are dropped.
    pub logto2: Option<PathBuf>,
    /// `logger` and its like, in order.
    pub loggers: Vec<Logger>,
    /// `req-logger`, in order: request lines go there instead.
    pub request_loggers: Vec<Logger>,
    /// `log-encoder`, in order.
    pub encoders: Vec<LogEncoder>,
    /// `log-req-encoder`, in order.
    pub request_encoders: Vec<LogEncoder>,
    /// `log-route`.
    pub routes: Vec<LogRoute>,
    /// `log-req-route`.
    pub request_routes: Vec<LogRoute>,
    /// `log-drain`: lines that match one are dropped.
    pub drains: Vec<String>,
    /// `log-req-drain`: the same for request lines that have loggers of their own.
    pub request_drains: Vec<String>,
    /// `log-filter`: lines that match none are dropped.
    pub filters: Vec<String>,
    /// `log-format`; `None` = uWSGI's default line.
    pub format: Option<String>,
    /// `logformat-strftime`: the format's own text is a strftime pattern too.
    pub format_strftime: bool,
    /// The format is a JSON document, so values are escaped for JSON.
    pub format_is_json: bool,
    /// `log-json`: lines that are not request lines become JSON documents as well.
    pub json: bool,
    /// `log-micros`: the default line gives microseconds.
    pub micros: bool,
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
    /// `log-sendfile`.
    pub log_sendfile: bool,
    /// `log-ioerror`.
    pub log_io_error: bool,
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
    /// `log-reopen`: log files are opened anew at a reload.
    pub reopen: bool,
    /// `log-truncate`: the log file is emptied at the start.
    pub truncate: bool,
    /// `logfile-chmod`.
    pub file_mode: Option<u32>,
    /// `logfile-chown`: log files belong to the user that the instance runs as.
    pub file_chown: bool,
}

impl LogSettings {
    /// Whether the lines of all processes pass through the master: it alone can sort, change or rotate them.
    #[must_use]
    pub fn is_collected(&self) -> bool {
        self.through_master
            || self.json
            || self.max_size.is_some()
            || !(self.loggers.is_empty() && self.request_loggers.is_empty())
            || !(self.encoders.is_empty() && self.request_encoders.is_empty())
            || !(self.drains.is_empty() && self.filters.is_empty())
    }

    /// Whether request lines are marked, so that the master can tell them from the others.
    #[must_use]
    pub fn marks_requests(&self) -> bool {
        self.json || !self.request_loggers.is_empty()
    }
}
