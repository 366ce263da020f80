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
    /// `body-file-limit`: bytes of a body read ahead, in memory and file together, before the app starts on it.
    pub body_file: u64,
    /// `body-read-warning`: one read of a body that takes more bytes than this is logged.
    pub body_read_warning: u64,
    /// `drain-limit`: bytes of a body that nobody has read which are dropped to keep the connection.
    pub drain_limit: u64,
    /// `keepalive-requests`: requests on one connection; 0 = no cap.
    pub keepalive_requests: u32,
    /// `http-headers-timeout`: longest time for a whole request head.
    pub head_timeout: Duration,
    /// `body-timeout`, else `http-timeout`/`socket-timeout`: longest silence within a body.
    pub body_timeout: Duration,
    /// `write-timeout`, else `http-timeout`/`socket-timeout`: longest time in which a client takes nothing.
    pub write_timeout: Duration,
    /// `min-rate`: bytes a second that a client has to send or take on average; 0 = no such rule.
    pub min_rate: u64,
    /// Bytes of response kept per connection before the app is made to wait.
    pub write_buffer: usize,
    /// `write-file-limit`: bytes of response kept in a file for a slow client whose thread is needed elsewhere.
    pub write_file: u64,
    /// `max-vars`: fields of a head, variables of a front server's request; `None` = the decoders' own bounds.
    pub max_vars: Option<usize>,
    /// `max-field-size`: bytes of one field; `None` = as large as a head.
    pub max_field_size: Option<usize>,
    /// `max-target-size`: bytes of a request target.
    pub max_target_size: usize,
    /// `max-chunk-line`: bytes of a line that begins a chunk.
    pub max_chunk_line: usize,
    /// `max-trailers-size`: bytes of all trailers of a body.
    pub max_trailers_size: usize,
    /// `forwarded-allow`: peers whose forwarding fields are believed.
    pub forwarded_allow: Trust,
    /// `forwarded-remote-addr`: `REMOTE_ADDR` is the client that believed proxies name.
    pub forwarded_remote_addr: bool,
    /// `enable-proxy-protocol`: peers that are believed may begin an HTTP connection with the PROXY protocol.
    pub proxy_protocol: bool,
    /// `underscore-headers`: pass fields whose name has an underscore.
    pub underscore_headers: bool,
    /// `add-header`: `Name: value` lines added to every response.
    pub add_header: Vec<(String, String)>,
    /// `rem-header`: names of fields removed from every answer of the application.
    pub rem_header: Vec<String>,
    /// `readiness`: path that workers answer themselves: 200, or 503 when they want no more requests.
    pub readiness: Option<String>,
    /// `dynamic-apps`: honour `UWSGI_FILE`, `UWSGI_MODULE` … from the wire.
    pub dynamic_apps: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            buffer_size: 64 * 1024,
            limit_post: None,
            body_memory: 1024 * 1024,
            keepalive: Some(Duration::from_secs(75)),
            body_file: 128 * 1024 * 1024,
            body_read_warning: 8 * 1024 * 1024,
            drain_limit: 1024 * 1024,
            keepalive_requests: 0,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            min_rate: 100,
            write_buffer: 1024 * 1024,
            write_file: 256 * 1024 * 1024,
            max_vars: None,
            max_field_size: None,
            max_target_size: 32 * 1024,
            max_chunk_line: 4096,
            max_trailers_size: 16 * 1024,
            forwarded_allow: Trust::Private,
            forwarded_remote_addr: false,
            proxy_protocol: false,
            underscore_headers: false,
            add_header: Vec::new(),
            rem_header: Vec::new(),
            readiness: None,
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
