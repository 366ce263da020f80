//! Limits and timeouts of the wire protocols.

use super::values::Values;
use crate::diagnostic::Repair;
use crate::loader::Setting;
use crate::settings::{HttpSettings, Trust};
use crate::values;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub fn build(values: &mut Values<'_>) -> HttpSettings {
    let default = HttpSettings::default();
    // One bound for both: the more patient one, so that nobody is cut off sooner than in uWSGI.
    let silence =
        ["http-timeout", "socket-timeout"].map(|name| values.seconds(name)).into_iter().flatten().max();
    HttpSettings {
        buffer_size: buffer_size(values).unwrap_or(default.buffer_size),
        limit_post: values.positive("limit-post"),
        body_memory: body_memory(values).unwrap_or(default.body_memory),
        keepalive: keepalive(values, default.keepalive),
        body_file: values.number("body-file-limit").unwrap_or(default.body_file),
        body_read_warning: values
            .number("body-read-warning")
            .map_or(default.body_read_warning, |megabytes| megabytes.saturating_mul(1024 * 1024)),
        drain_limit: values.number("drain-limit").unwrap_or(default.drain_limit),
        keepalive_requests: values
            .number("keepalive-requests")
            .map_or(default.keepalive_requests, |most| u32::try_from(most).unwrap_or(u32::MAX)),
        head_timeout: values.seconds("http-headers-timeout").or(silence).unwrap_or(default.head_timeout),
        body_timeout: values.seconds("body-timeout").or(silence).unwrap_or(default.body_timeout),
        write_timeout: values.seconds("write-timeout").or(silence).unwrap_or(default.write_timeout),
        min_rate: values.number("min-rate").unwrap_or(default.min_rate),
        write_buffer: bytes(values, "write-buffer").unwrap_or(default.write_buffer),
        write_file: values.number("write-file-limit").unwrap_or(default.write_file),
        max_vars: bytes(values, "max-vars"),
        max_field_size: bytes(values, "max-field-size"),
        max_target_size: bytes(values, "max-target-size").unwrap_or(default.max_target_size),
        max_chunk_line: bytes(values, "max-chunk-line").unwrap_or(default.max_chunk_line),
        max_trailers_size: bytes(values, "max-trailers-size").unwrap_or(default.max_trailers_size),
        forwarded_allow: trust(values).unwrap_or(default.forwarded_allow),
        forwarded_remote_addr: values.flag("forwarded-remote-addr").unwrap_or(default.forwarded_remote_addr),
        proxy_protocol: values.flag("enable-proxy-protocol").unwrap_or(false)
            || values.flag("http-enable-proxy-protocol").unwrap_or(false),
        underscore_headers: values.flag("underscore-headers").unwrap_or(default.underscore_headers),
        add_header: add_header(values),
        rem_header: rem_header(values),
        readiness: super::reload::request_path(values, "readiness"),
        dynamic_apps: values.flag("dynamic-apps").unwrap_or(default.dynamic_apps),
    }
}

fn bytes(values: &mut Values<'_>, name: &'static str) -> Option<usize> {
    values.positive(name).and_then(|bytes| usize::try_from(bytes).ok())
}

fn buffer_size(values: &mut Values<'_>) -> Option<usize> {
    const LEAST: u64 = 512;
    let setting = values.last("buffer-size")?;
    let bytes = values.number_of(setting)?;
    if bytes < LEAST {
        values.error(
            setting,
            format!("no request fits into {bytes} bytes; write {LEAST} or more, such as 32768"),
        );
        return None;
    }
    usize::try_from(bytes).ok()
}

/// `post-buffering`; 0 and words turn it off in uWSGI, where bodies are then not read ahead.
fn body_memory(values: &mut Values<'_>) -> Option<usize> {
    let setting = values.last("post-buffering")?;
    if values::is_truth_word(setting.text()) && values::leading_number(setting.text()).0.is_none() {
        let message = format!(
            "`{}` is no number and means off in uWSGI; bodies are read ahead anyway, remove the option",
            setting.text()
        );
        values.warn_mended(setting, message, Some(Repair::CommentOut));
        return None;
    }
    bytes(values, "post-buffering")
}

/// `http-keepalive`: nothing, 1 or a word for on is the default time, 0 or a word for off is off, else seconds.
fn keepalive(values: &mut Values<'_>, default: Option<Duration>) -> Option<Duration> {
    let Some(setting) = values.last("http-keepalive") else { return default };
    let text = setting.text();
    if values::is_truth_word(text) && values::leading_number(text).0.is_none() {
        return default.filter(|_| values::truth(text));
    }
    match values.number_of(setting) {
        None | Some(1) => default,
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds)),
    }
}

fn add_header(values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for setting in values.all(&["add-header"]) {
        match setting.text().split_once(':') {
            Some((name, value)) if is_token(name) => fields.push((name.to_owned(), value.trim().to_owned())),
            _ => values.error(setting, format!("`{}` is no field; write it as Name: value", setting.text())),
        }
    }
    fields
}

fn rem_header(values: &mut Values<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for setting in values.all(&["rem-header"]) {
        match setting.text().trim_end_matches(':') {
            name if is_token(name) => names.push(name.to_owned()),
            _ => values.error(setting, format!("`{}` cannot be the name of a field", setting.text())),
        }
    }
    names
}

/// Whether a text may be the name of a field (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What `private` stands for beside others: `Trust::Private` as networks.
const PRIVATE: [(IpAddr, u8); 8] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

fn trust(values: &mut Values<'_>) -> Option<Trust> {
    let settings = values.all(&["forwarded-allow"]);
    let split = |setting| Setting::text(setting).split([',', ' ']).filter(|word| !word.is_empty());
    let words: Vec<(&Setting, &str)> =
        settings.iter().flat_map(|setting| split(setting).map(move |word| (&**setting, word))).collect();
    match words[..] {
        [] => return (!settings.is_empty()).then(|| Trust::Networks(Vec::new())),
        [(_, "*")] => return Some(Trust::Everyone),
        [(_, "none")] => return Some(Trust::Nobody),
        [(_, "private")] => return Some(Trust::Private),
        _ => {}
    }
    let mut networks = Vec::new();
    for (setting, word) in words {
        match word {
            "*" | "none" => {
                values.error(setting, format!("`{word}` stands alone: leave it or the others out"))
            }
            "private" => networks.extend(PRIVATE),
            network => networks.extend(network_of(values, setting, network)),
        }
    }
    Some(Trust::Networks(networks))
}

fn network_of(values: &mut Values<'_>, setting: &Setting, text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length: u8 = length.map_or(Ok(most), str::parse).ok()?;
        match address.to_canonical() {
            _ if length > most => None,
            // Addresses are compared as what they map to.
            mapped if mapped.is_ipv4() && address.is_ipv6() => Some((mapped, length.checked_sub(96)?)),
            _ => Some((address, length)),
        }
    });
    if parsed.is_none() {
        values.error(
            setting,
            format!("`{text}` is no network; write an address such as 10.0.0.0/8, or `*`, or `none`"),
        );
    }
    parsed
}
