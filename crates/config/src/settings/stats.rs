//! The stats server, metrics, and whom they are sent to.

use super::Address;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Stats server and metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsSettings {
    /// `stats`: where it listens.
    pub address: Option<Address>,
    /// `stats-http`: speak HTTP there; `/metrics` is for Prometheus.
    pub http: bool,
    /// `stats-minified`.
    pub minified: bool,
    /// `stats-no-cores`: leave threads out.
    pub no_cores: bool,
    /// `stats-no-metrics`: leave metrics out.
    pub no_metrics: bool,
    /// `enable-metrics`, or something that needs them.
    pub metrics: bool,
    /// `metrics-no-cores`: no metrics of threads.
    pub metrics_no_cores: bool,
    /// `metrics-dir`: a file for each metric.
    pub metrics_dir: Option<PathBuf>,
    /// `stats-push` and `carbon`.
    pub pushers: Vec<Pusher>,
}

/// Somebody to whom figures are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pusher {
    /// Who, and in which form.
    pub sink: Sink,
    /// Time between two sends.
    pub every: Duration,
}

/// Forms in which figures are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sink {
    /// `statsd:address[,prefix]`: datagrams of StatsD.
    Statsd {
        /// `host:port`.
        address: String,
        /// Begins every name.
        prefix: String,
        /// `statsd-no-workers`.
        no_workers: bool,
        /// `statsd-all-gauges`.
        all_gauges: bool,
    },
    /// `socket:address[,prefix]`: a datagram a metric.
    Socket {
        /// `host:port` or a path.
        address: String,
        /// Begins every name.
        prefix: String,
    },
    /// `file:path`: the stats document, a line each time.
    File(PathBuf),
    /// `carbon`: Graphite's lines over TCP.
    Carbon(Carbon),
}

/// How Graphite is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carbon {
    /// `host:port`.
    pub address: String,
    /// `carbon-root`.
    pub root: String,
    /// `carbon-id`; `None` = the address of the first socket.
    pub id: Option<String>,
    /// `carbon-hostname-dots`: what stands for dots of the machine's name.
    pub hostname_dots: Option<String>,
    /// `carbon-no-workers`.
    pub no_workers: bool,
    /// `carbon-use-metrics`.
    pub use_metrics: bool,
    /// `carbon-timeout`.
    pub timeout: Duration,
    /// `carbon-max-retry`.
    pub retries: u32,
    /// `carbon-retry-delay`.
    pub retry_delay: Duration,
}
