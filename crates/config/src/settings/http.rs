//! Limits and timeouts of the wire protocols, and whom to trust.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Limits and timeouts of the wire protocols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpSettings {
    /// `buffer-size`: cap on a request head in bytes.
    pub buffer_size: usize,
    /// `limit-post`: cap on a request body in bytes; `None` = no cap.
    pub limit_post: Option<u64>,
    /// `post-buffering`: bytes of body kept in memory before a temporary file is used.
    pub body_memory: usize,
    /// `http-keepalive`: idle time of a connection between requests; `None` = keep-alive off.
    pub keepalive: Option<Duration>,
    /// `http-timeout`/`socket-timeout`: longest silence while reading a head or body or writing.
    pub io_timeout: Duration,
    /// Bytes of response kept per connection before the app is made to wait.
    pub write_buffer: usize,
    /// `forwarded-allow`: peers whose `X-Forwarded-Proto` is believed.
    pub forwarded_allow: Trust,
    /// `enable-proxy-protocol`: peers that are believed may begin an HTTP connection with the PROXY protocol.
    pub proxy_protocol: bool,
    /// `underscore-headers`: pass fields whose name has an underscore.
    pub underscore_headers: bool,
    /// `add-header`: `Name: value` lines added to every response.
    pub add_header: Vec<(String, String)>,
    /// `dynamic-apps`: honour `UWSGI_FILE`, `UWSGI_MODULE` … from the wire.
    pub dynamic_apps: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            buffer_size: 64 * 1024,
            limit_post: None,
            body_memory: 256 * 1024,
            keepalive: Some(Duration::from_secs(75)),
            io_timeout: Duration::from_secs(60),
            write_buffer: 1024 * 1024,
            forwarded_allow: Trust::Private,
            proxy_protocol: false,
            underscore_headers: false,
            add_header: Vec::new(),
            dynamic_apps: false,
        }
    }
}

/// Whose forwarding fields are believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trust {
    /// Loopback, UNIX sockets and private ranges.
    Private,
    /// Everybody (`*`).
    Everyone,
    /// Nobody (`none`).
    Nobody,
    /// These networks: address and prefix length.
    Networks(Vec<(std::net::IpAddr, u8)>),
}
