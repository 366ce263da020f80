//! Sockets to listen on.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The uwsgi protocol (`socket`, `uwsgi-socket`).
    Uwsgi,
    /// HTTP/1.1 (`http`, `http-socket`, `http11-socket`).
    Http,
    /// FastCGI, answered with a CGI head (`fastcgi-socket`).
    Fastcgi,
    /// FastCGI, answered with an HTTP head (`fastcgi-nph-socket`).
    FastcgiNph,
    /// SCGI, answered with a CGI head (`scgi-socket`).
    Scgi,
    /// SCGI, answered with an HTTP head (`scgi-nph-socket`).
    ScgiNph,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 6] =
        [Self::Uwsgi, Self::Http, Self::Fastcgi, Self::FastcgiNph, Self::Scgi, Self::ScgiNph];

    /// Its name, as `protocol` takes it and the stats server gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uwsgi => "uwsgi",
            Self::Http => "http",
            Self::Fastcgi => "fastcgi",
            Self::FastcgiNph => "fastcgi-nph",
            Self::Scgi => "scgi",
            Self::ScgiNph => "scgi-nph",
        }
    }
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// Host as written (name, IPv4, IPv6 without brackets; empty = every IPv4 address) and port (0 = any free).
    Tcp {
        /// Host as written, without brackets.
        host: String,
        /// Port; 0 lets the system choose.
        port: u16,
    },
    /// A socket file.
    Unix(PathBuf),
    /// A name in the abstract namespace, without the `@`.
    Abstract(String),
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSettings {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is bound.
    pub address: Address,
    /// The option that asked for it, for messages (`http-socket`).
    pub option: String,
    /// `file:line` of that option, for messages; empty for defaults.
    pub origin: String,
}

/// Sockets to listen on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenSettings {
    /// In configuration order; an index here is the listener's number everywhere.
    pub listeners: Vec<ListenerSettings>,
    /// `listen`: backlog; `None` = min(somaxconn, 4096).
    pub backlog: Option<u32>,
    /// `chmod-socket`: permission bits for UNIX sockets.
    pub chmod: Option<u32>,
    /// `chown-socket`: `user[:group]`, as written.
    pub chown: Option<String>,
    /// `reuse-port`.
    pub reuse_port: bool,
    /// `so-keepalive`.
    pub keepalive: bool,
    /// `freebind`.
    pub freebind: bool,
    /// `tcp-fast-open`: connections that may wait with data.
    pub fast_open: Option<u32>,
    /// `socket-sndbuf`, bytes.
    pub send_buffer: Option<usize>,
    /// `socket-rcvbuf`, bytes.
    pub receive_buffer: Option<usize>,
    /// `map-socket`: a listener's number and the workers that accept on it; all others take every worker.
    pub maps: Vec<(u16, Vec<u16>)>,
}

impl ListenSettings {
    /// Whether a worker accepts on a listener.
    #[must_use]
    pub fn is_mapped(&self, listener: u16, worker: u16) -> bool {
        let mut of_it = self.maps.iter().filter(|(number, _)| *number == listener).peekable();
        of_it.peek().is_none() || of_it.any(|(_, workers)| workers.contains(&worker))
    }
}
