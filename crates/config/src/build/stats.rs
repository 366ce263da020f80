//! Stats server.

use super::values::Values;
use crate::settings::StatsSettings;
use crate::values;

pub fn build(values: &mut Values<'_>) -> StatsSettings {
    StatsSettings {
        address: address(values),
        http: values.flag("stats-http").unwrap_or(false),
        minified: values.flag("stats-minified").unwrap_or(false),
    }
}

fn address(values: &mut Values<'_>) -> Option<crate::settings::Address> {
    let setting = values.last("stats")?;
    let parsed = values::address(setting.text());
    values.keep(setting, parsed)
}
