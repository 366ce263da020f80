//! Stats server, metrics, pushers.

use super::values::Values;
use crate::settings::{Address, Carbon, Pusher, Sink, StatsSettings};
use crate::values;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two sends unless `stats-pusher-default-freq` says otherwise, as in uWSGI.
const PUSH_EVERY: Duration = Duration::from_secs(3);

/// The same for Graphite.
const CARBON_EVERY: Duration = Duration::from_secs(60);

/// Longest wait for Graphite, and the pause after a failure.
const CARBON_TIMEOUT: Duration = Duration::from_secs(3);
const CARBON_RETRY: Duration = Duration::from_secs(7);

/// Pushers of uWSGI for services that Margrave does not speak to.
const FOREIGN: [&str; 4] = ["mongodb", "zabbix", "rrdtool", "ganglia"];

pub fn build(values: &mut Values<'_>) -> StatsSettings {
    let pushers = pushers(values);
    let metrics_dir = values.path("metrics-dir");
    let needs_metrics = metrics_dir.is_some()
        || pushers.iter().any(|pusher| match &pusher.sink {
            Sink::Statsd { .. } | Sink::Socket { .. } => true,
            Sink::Carbon(carbon) => carbon.use_metrics,
            Sink::File(_) => false,
        });
    StatsSettings {
        address: address(values),
        http: values.flag("stats-http").unwrap_or(false),
        minified: values.flag("stats-minified").unwrap_or(false),
        no_cores: values.flag("stats-no-cores").unwrap_or(false),
        no_metrics: values.flag("stats-no-metrics").unwrap_or(false),
        metrics: values.flag("enable-metrics").unwrap_or(false) || needs_metrics,
        metrics_no_cores: values.flag("metrics-no-cores").unwrap_or(false),
        metrics_dir,
        pushers,
    }
}

fn address(values: &mut Values<'_>) -> Option<Address> {
    let setting = values.last("stats")?;
    let parsed = values::address(setting.text());
    values.keep(setting, parsed)
}

fn pushers(values: &mut Values<'_>) -> Vec<Pusher> {
    let every = values.seconds("stats-pusher-default-freq").unwrap_or(PUSH_EVERY);
    let forms = Forms {
        no_workers: values.flag("statsd-no-workers").unwrap_or(false),
        all_gauges: values.flag("statsd-all-gauges").unwrap_or(false),
    };
    let mut pushers = Vec::new();
    for setting in values.all(&["stats-push"]) {
        let text = setting.text();
        let kind = text.split(':').next().unwrap_or_default();
        if FOREIGN.contains(&kind) {
            let message =
                format!("Margrave does not send statistics to {kind}; use statsd, carbon or `/metrics`");
            values.warn(setting, message);
            continue;
        }
        let parsed = push(text, every, &forms);
        pushers.extend(values.keep(setting, parsed.map(|pusher| (pusher, None))));
    }
    let every = values.seconds("carbon-freq").unwrap_or(CARBON_EVERY);
    let template = carbon(values);
    for setting in values.all(&["carbon"]) {
        let parsed = peer(setting.text());
        if let Some(address) = values.keep(setting, parsed.map(|address| (address, None))) {
            pushers.push(Pusher { sink: Sink::Carbon(Carbon { address, ..template.clone() }), every });
        }
    }
    pushers
}

/// What `statsd-*` say.
struct Forms {
    no_workers: bool,
    all_gauges: bool,
}

/// `kind:argument`.
fn push(text: &str, every: Duration, forms: &Forms) -> Result<Pusher, String> {
    let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
    let named = |fallback: &str| {
        let (address, prefix) = argument.split_once(',').unwrap_or((argument, fallback));
        (address.to_owned(), prefix.to_owned())
    };
    let sink = match kind {
        "statsd" => {
            let (address, prefix) = named("uwsgi");
            let Forms { no_workers, all_gauges } = *forms;
            Sink::Statsd { address: peer(&address)?, prefix, no_workers, all_gauges }
        }
        "socket" if !argument.is_empty() => {
            let (address, prefix) = named("uwsgi");
            Sink::Socket { address, prefix }
        }
        "file" if !argument.is_empty() => return file(argument, every),
        _ => {
            return Err(format!(
                "`{text}` is nobody to send statistics to; write statsd:host:port, socket:host:port or file:path, or use `carbon = host:port`"
            ));
        }
    };
    Ok(Pusher { sink, every })
}

/// A path, or `path=…,freq=…`.
fn file(argument: &str, every: Duration) -> Result<Pusher, String> {
    let (mut path, mut every) = (None, every);
    for pair in argument.split(',') {
        match pair.split_once('=') {
            None => path = Some(PathBuf::from(pair)),
            Some(("path", value)) => path = Some(PathBuf::from(value)),
            Some(("freq", value)) => {
                let seconds = value.parse().map_err(|_| format!("`{value}` is no number of seconds"))?;
                every = Duration::from_secs(seconds);
            }
            Some((name, _)) => {
                return Err(format!("`{name}` is nothing that `file` takes; write path=…,freq=…"));
            }
        }
    }
    let path = path.ok_or("`file` needs a path; write file:path=/run/stats.json")?;
    Ok(Pusher { sink: Sink::File(path), every: every.max(Duration::from_secs(1)) })
}

fn carbon(values: &mut Values<'_>) -> Carbon {
    let text = |values: &mut Values<'_>, name| values.text(name).map(str::to_owned);
    Carbon {
        address: String::new(),
        root: text(values, "carbon-root").unwrap_or_else(|| "uwsgi".to_owned()),
        id: text(values, "carbon-id"),
        hostname_dots: text(values, "carbon-hostname-dots"),
        no_workers: values.flag("carbon-no-workers").unwrap_or(false),
        use_metrics: values.flag("carbon-use-metrics").unwrap_or(false),
        timeout: values.seconds("carbon-timeout").unwrap_or(CARBON_TIMEOUT),
        retries: values
            .number("carbon-max-retry")
            .map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        retry_delay: values.seconds("carbon-retry-delay").unwrap_or(CARBON_RETRY),
    }
}

/// `host:port`.
fn peer(text: &str) -> Result<String, String> {
    let has_port =
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if has_port {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no host and port; write 127.0.0.1:8125"))
    }
}
