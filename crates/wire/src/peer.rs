//! What a decoder is told about the two ends of the connection.

/// Facts about the two ends of the connection that the request's meta-variables need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer<'a> {
    /// `SERVER_NAME`
    pub server_name: &'a [u8],
    /// `SERVER_PORT`
    pub server_port: &'a [u8],
    /// `REMOTE_ADDR`
    pub remote_addr: &'a [u8],
    /// `REMOTE_PORT`; empty = the variable is not set (uWSGI's `http-socket` has none, its `http` router has).
    pub remote_port: &'a [u8],
    /// `UWSGI_ROUTER`; empty = the variable is not set (uWSGI's `http` router says `http`).
    pub router: &'a [u8],
    /// The peer's forwarding fields (`X-Forwarded-Proto`, `X-Forwarded-SSL`) are believed.
    pub trusted: bool,
    /// Fields whose name has an underscore are passed on.
    pub underscore_fields: bool,
    /// Variables on the wire that make the server load or configure an application (`UWSGI_FILE`, `UWSGI_MODULE`
    /// and the like) are passed on; otherwise they are dropped.
    pub dynamic_apps: bool,
}
