//! How many workers there are when the load decides.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the number of workers is chosen (`cheaper-algo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheaperAlgorithm {
    /// `spare`
    #[default]
    Spare,
    /// `spare2`
    Spare2,
    /// `backlog`
    Backlog,
    /// `busyness`
    Busyness,
    /// `latency`
    Latency,
    /// `manual`
    Manual,
}

/// How many workers there are when the load decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheaperSettings {
    /// `cheaper`: fewest workers; `None` = always `processes`.
    pub least: Option<u16>,
    /// `cheaper-initial`; `None` = `cheaper`.
    pub initial: Option<u16>,
    /// `cheaper-algo`.
    pub algorithm: CheaperAlgorithm,
    /// `cheaper-step`.
    pub step: u16,
    /// `cheaper-overload`: looks, one a second, or waiting connections.
    pub overload: u32,
    /// `cheaper-idle`: looks without need.
    pub idle_looks: u32,
    /// `cheaper-rss-limit-soft`, bytes.
    pub soft_limit: Option<u64>,
    /// `cheaper-rss-limit-hard`, bytes.
    pub hard_limit: Option<u64>,
    /// `cheaper-busyness-*`.
    pub busyness: BusynessSettings,
    /// `cheaper-latency`: longest time that requests should wait for a worker.
    pub latency: Duration,
    /// `cheap`: no worker before the first connection.
    pub cheap: bool,
    /// `idle`: time without a request after which all workers end.
    pub idle: Option<Duration>,
    /// `die-on-idle`: the instance ends then.
    pub die_on_idle: bool,
}

/// The rules of `busyness`, in the units of its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BusynessSettings {
    /// `cheaper-busyness-max`, per cent.
    pub max: u32,
    /// `cheaper-busyness-min`, per cent.
    pub min: u32,
    /// `cheaper-busyness-multiplier`.
    pub multiplier: u32,
    /// `cheaper-busyness-penalty`.
    pub penalty: u32,
    /// `cheaper-busyness-verbose`.
    pub verbose: bool,
    /// `cheaper-busyness-backlog-alert`.
    pub backlog_alert: u32,
    /// `cheaper-busyness-backlog-step`.
    pub backlog_step: u16,
    /// `cheaper-busyness-backlog-multiplier`.
    pub backlog_multiplier: u32,
    /// `cheaper-busyness-backlog-nonzero`.
    pub backlog_nonzero: Duration,
}

impl Default for BusynessSettings {
    fn default() -> Self {
        Self {
            max: 50,
            min: 25,
            multiplier: 10,
            penalty: 2,
            verbose: false,
            backlog_alert: 33,
            backlog_step: 1,
            backlog_multiplier: 3,
            backlog_nonzero: Duration::from_secs(60),
        }
    }
}

impl Default for CheaperSettings {
    fn default() -> Self {
        Self {
            least: None,
            initial: None,
            algorithm: CheaperAlgorithm::default(),
            step: 1,
            overload: 3,
            idle_looks: 10,
            soft_limit: None,
            hard_limit: None,
            busyness: BusynessSettings::default(),
            latency: Duration::from_millis(50),
            cheap: false,
            idle: None,
            die_on_idle: false,
        }
    }
}
