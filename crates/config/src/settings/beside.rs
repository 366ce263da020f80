//! What the master runs beside the workers: programs and commands at times.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A program beside the workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonSettings {
    /// The shell command.
    pub command: String,
    /// The file by which it is found again.
    pub pidfile: Option<PathBuf>,
    /// It writes that file itself and goes into the background.
    pub daemonizes: bool,
    /// How often the pidfile is looked at.
    pub frequency: Option<Duration>,
    /// The instance ends with it.
    pub control: bool,
    /// The signal that asks it to end.
    pub stop_signal: i32,
    /// The signal that it gets at a reload instead.
    pub reload_signal: Option<i32>,
    /// User to run as.
    pub uid: Option<String>,
    /// Group to run as.
    pub gid: Option<String>,
    /// Where it runs.
    pub chdir: Option<PathBuf>,
    /// It keeps standard input.
    pub keeps_stdin: bool,
    /// Longest pause before it is started again.
    pub max_throttle: Option<Duration>,
    /// Files whose touch starts it again.
    pub touch: Vec<PathBuf>,
}

/// A command at times: numbers as uWSGI has them, -1 for every one, -N for every Nth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronSettings {
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 1 to 31.
    pub day: i32,
    /// 1 to 12.
    pub month: i32,
    /// 0 to 7 from Sunday to Sunday.
    pub week: i32,
    /// The shell command.
    pub command: String,
    /// Never beside itself.
    pub unique: bool,
    /// Longest time of one run.
    pub harakiri: Option<Duration>,
}

/// What the master runs beside the workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BesideSettings {
    /// `attach-daemon` and its relatives.
    pub daemons: Vec<DaemonSettings>,
    /// `cron` and its relatives.
    pub crons: Vec<CronSettings>,
}
