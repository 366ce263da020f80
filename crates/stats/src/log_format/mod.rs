//! The request line of the log: uWSGI's default line, and the `log-format` language.
//!
//! A format is parsed once into a program and rendered per request from a [`Record`]. Everything that a client or an
//! application can choose goes through [`push_escaped`] or [`push_json`], so that no request can add a line or leave its quotes; the
//! literal text of a format comes from the operator and is written as it is. Time is an argument; nothing is written
//! anywhere but into the buffer given.
//!
//! Follows uWSGI's manual (`LogFormat`) and what uWSGI 2.0.31 prints. Differing from it: values are escaped, an
//! unclosed `%(` stays as it is, and `logformat-strftime` expands the format's own text only, never a client's.

mod escape;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod parse;
mod render;
#[cfg(test)]
mod tests;

pub use escape::{push_escaped, push_json};
pub use parse::{FormatOptions, LogFormat};

/// Facts about one answered request. Texts may be empty; numbers are 0 when there is nothing to count.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// REQUEST_METHOD
    pub method: &'a [u8],
    /// REQUEST_URI
    pub uri: &'a [u8],
    /// SERVER_PROTOCOL
    pub protocol: &'a [u8],
    /// REMOTE_ADDR, or what `log-x-forwarded-for` puts there.
    pub addr: &'a [u8],
    /// REMOTE_USER
    pub user: &'a [u8],
    /// HTTP_HOST
    pub host: &'a [u8],
    /// HTTP_USER_AGENT
    pub user_agent: &'a [u8],
    /// HTTP_REFERER
    pub referer: &'a [u8],
    /// Names and values of the request, each counted.
    pub vars: usize,
    /// Bytes they fill in a uwsgi packet.
    pub vars_bytes: usize,
    /// Bytes of request body announced.
    pub content_length: u64,
    /// Status of the answer.
    pub status: u16,
    /// Fields of the answer.
    pub headers: usize,
    /// Bytes of the answer's head.
    pub headers_bytes: u64,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
    /// The body was sent by sendfile.
    pub via_sendfile: bool,
    /// Start of the request, microseconds since 1970.
    pub start_unix_micros: u64,
    /// End of the request, microseconds since 1970.
    pub end_unix_micros: u64,
    /// How long it took, microseconds of the monotonic clock.
    pub duration_micros: u64,
    /// Local time east of UTC at the start.
    pub offset_seconds: i32,
    /// Process id of the worker.
    pub pid: i32,
    /// Number of the worker.
    pub worker: u16,
    /// Number of the thread, from 0.
    pub core: usize,
    /// Number of the application; -1 = none.
    pub app: i32,
    /// Requests of this application in this worker; -1 = no application.
    pub app_requests: i64,
    /// Requests of all workers.
    pub total_requests: u64,
    /// Pieces in which the application yielded the body.
    pub switches: u64,
    /// Resident memory of the worker, bytes.
    pub rss_bytes: u64,
    /// Address space of the worker, bytes.
    pub vsz_bytes: u64,
    /// Of the uwsgi packet.
    pub modifier1: u8,
    /// Of the uwsgi packet.
    pub modifier2: u8,
    /// Failed reads from the client.
    pub read_errors: u64,
    /// Failed writes to the client.
    pub write_errors: u64,
    /// Answers for names that are looked up.
    pub lookup: &'a dyn Lookup,
}

/// Names that a format can ask for and a record does not list.
pub trait Lookup {
    /// A variable of the request (`%(var.HTTP_X)`).
    fn var(&self, name: &[u8]) -> Option<&[u8]>;
    /// A variable that the application set (`%(name)`).
    fn log_variable(&self, name: &[u8]) -> Option<&[u8]>;
    /// A metric's value (`%(metric.name)`).
    fn metric(&self, name: &[u8]) -> Option<i64>;
}

/// Knows no names.
impl Lookup for () {
    fn var(&self, _: &[u8]) -> Option<&[u8]> {
        None
    }
    fn log_variable(&self, _: &[u8]) -> Option<&[u8]> {
        None
    }
    fn metric(&self, _: &[u8]) -> Option<i64> {
        None
    }
}
impl Record<'_> {
    /// A record in which nothing is known.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            method: b"",
            uri: b"",
            protocol: b"",
            addr: b"",
            user: b"",
            host: b"",
            user_agent: b"",
            referer: b"",
            vars: 0,
            vars_bytes: 0,
            content_length: 0,
            status: 0,
            headers: 0,
            headers_bytes: 0,
            body_bytes: 0,
            via_sendfile: false,
            start_unix_micros: 0,
            end_unix_micros: 0,
            duration_micros: 0,
            offset_seconds: 0,
            pid: 0,
            worker: 0,
            core: 0,
            app: -1,
            app_requests: -1,
            total_requests: 0,
            switches: 0,
            rss_bytes: 0,
            vsz_bytes: 0,
            modifier1: 0,
            modifier2: 0,
            read_errors: 0,
            write_errors: 0,
            lookup: &(),
        }
    }

    fn start_seconds(&self) -> i64 {
        (self.start_unix_micros / 1_000_000) as i64
    }
}
