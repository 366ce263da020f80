//! How many workers there are when the load decides.

use super::values::Values;
use crate::settings::{BusynessSettings, CheaperAlgorithm, CheaperSettings};

/// The names of the algorithms.
pub const ALGORITHMS: [(&str, CheaperAlgorithm); 6] = [
    ("spare", CheaperAlgorithm::Spare),
    ("spare2", CheaperAlgorithm::Spare2),
    ("backlog", CheaperAlgorithm::Backlog),
    ("busyness", CheaperAlgorithm::Busyness),
    ("latency", CheaperAlgorithm::Latency),
    ("manual", CheaperAlgorithm::Manual),
];

pub fn build(values: &mut Values<'_>, workers: u16) -> CheaperSettings {
    let default = CheaperSettings::default();
    let least = values.bounded("cheaper", 0, u16::MAX).filter(|least| *least > 0);
    if let (Some(least), Some(setting)) = (least.filter(|least| *least >= workers), values.last("cheaper")) {
        let message = format!(
            "{least} must be less than `processes` ({workers}); write a smaller number or more processes"
        );
        values.error(setting, message);
    }
    let initial = values.bounded("cheaper-initial", 1, u16::MAX);
    if let (Some(initial), Some(setting)) = (initial, values.last("cheaper-initial")) {
        let fewest = least.unwrap_or(1);
        if !(fewest..=workers).contains(&initial) {
            let message =
                format!("{initial} is not between `cheaper` ({fewest}) and `processes` ({workers})");
            values.error(setting, message);
        }
    }
    CheaperSettings {
        least,
        initial,
        algorithm: algorithm(values),
        step: values.bounded("cheaper-step", 1, u16::MAX).unwrap_or(default.step),
        overload: small(values, "cheaper-overload").unwrap_or(default.overload),
        idle_looks: small(values, "cheaper-idle").unwrap_or(default.idle_looks),
        soft_limit: values.positive("cheaper-rss-limit-soft"),
        hard_limit: values.positive("cheaper-rss-limit-hard"),
        busyness: busyness(values),
        latency: values.duration("cheaper-latency").unwrap_or(default.latency),
        cheap: values.flag("cheap").unwrap_or(default.cheap),
        idle: values.seconds("idle"),
        die_on_idle: values.flag("die-on-idle").unwrap_or(default.die_on_idle),
    }
}

fn small(values: &mut Values<'_>, name: &'static str) -> Option<u32> {
    values.number(name).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn algorithm(values: &mut Values<'_>) -> CheaperAlgorithm {
    let (Some(setting), Some(name)) = (values.last("cheaper-algo"), values.text("cheaper-algo")) else {
        return CheaperAlgorithm::default();
    };
    let known = ALGORITHMS.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        values.error(setting, format!("there is no algorithm `{name}`; known are {}", names.join(", ")));
    }
    known.map_or_else(CheaperAlgorithm::default, |(_, algorithm)| *algorithm)
}

fn busyness(values: &mut Values<'_>) -> BusynessSettings {
    let default = BusynessSettings::default();
    BusynessSettings {
        max: small(values, "cheaper-busyness-max").unwrap_or(default.max),
        min: small(values, "cheaper-busyness-min").unwrap_or(default.min),
        multiplier: small(values, "cheaper-busyness-multiplier").unwrap_or(default.multiplier),
        penalty: small(values, "cheaper-busyness-penalty").unwrap_or(default.penalty),
        verbose: values.flag("cheaper-busyness-verbose").unwrap_or(default.verbose),
        backlog_alert: small(values, "cheaper-busyness-backlog-alert").unwrap_or(default.backlog_alert),
        backlog_step: values
            .bounded("cheaper-busyness-backlog-step", 1, u16::MAX)
            .unwrap_or(default.backlog_step),
        backlog_multiplier: small(values, "cheaper-busyness-backlog-multiplier")
            .unwrap_or(default.backlog_multiplier),
        backlog_nonzero: values
            .seconds("cheaper-busyness-backlog-nonzero")
            .unwrap_or(default.backlog_nonzero),
    }
}
