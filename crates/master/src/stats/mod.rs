//! Figures for others: the stats server, metrics, pushers.
//!
//! A client of the server gets one document and the end of the connection, as uWSGI's clients expect: JSON, or over
//! HTTP what its path names. Never waits for a client: what its socket does not take at once is sent when it does, within
//! bounds of time and number.

mod ledger;
mod metrics;
mod prometheus;
mod push;
mod report;

pub use ledger::Ledger;
pub use metrics::collect as metrics_of;
pub use prometheus::{Facts, text as prometheus_text};
pub use push::Pushers;
pub use report::{CronReport, DaemonReport, Report, View};

use crate::error::StartError;
use crate::event::Source;
use crate::listeners::Socket;
use margrave_config::settings::{ListenSettings, ListenerSettings, Protocol, StatsSettings};
use margrave_sys::net;
use margrave_sys::poller::Poller;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Clients served at a time; the oldest goes when another comes.
const MAX_CLIENTS: usize = 32;

/// Longest life of a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of HTTP that asks for nothing gets the document after this time, as it does from uWSGI at once.
const SILENCE: Duration = Duration::from_millis(500);

/// Bytes of a request's head at most.
const LONGEST_HEAD: usize = 16 * 1024;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The document.
    Json,
    /// Prometheus's text.
    Prometheus,
}

/// The server.
#[derive(Debug)]
pub struct StatsServer {
    bound: Socket,
    http: bool,
    minified: bool,
    clients: BTreeMap<u32, Client>,
    next: u32,
}

#[derive(Debug)]
struct Client {
    connection: OwnedFd,
    /// The head of its request; `None` once it has been answered.
    head: Option<Vec<u8>>,
    rest: Vec<u8>,
    since: Duration,
}

impl StatsServer {
    /// Binds the address, if there is one.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(settings: &StatsSettings, vacuum: bool) -> Result<Option<Self>, StartError> {
        let Some(address) = &settings.address else { return Ok(None) };
        let listener = ListenerSettings {
            protocol: Protocol::Http,
            address: address.clone(),
            option: "stats".to_owned(),
            origin: String::new(),
        };
        let bound = Socket::bind(&listener, &ListenSettings::default(), vacuum)?;
        let (http, minified) = (settings.http, settings.minified);
        Ok(Some(Self { bound, http, minified, clients: BTreeMap::new(), next: 0 }))
    }

    /// The address as bound.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.bound.address
    }

    /// Watches for clients.
    ///
    /// # Errors
    /// When the kernel's limit of watches is reached.
    pub fn watch(&self, poller: &Poller) -> Result<(), StartError> {
        let added = poller.add_readable(&self.bound.fd, Source::Stats.token());
        added.map_err(StartError::system("watch the stats socket"))
    }

    /// Takes the clients that wait; their numbers.
    pub fn accept(&mut self, poller: &Poller, now: Duration) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Ok((connection, _)) = net::accept(&self.bound.fd) {
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            if poller.add_connection(&connection, Source::StatsClient(number).token()).is_err() {
                continue;
            }
            if self.clients.len() >= MAX_CLIENTS {
                self.clients.pop_first();
            }
            let client = Client { connection, head: Some(Vec::new()), rest: Vec::new(), since: now };
            self.clients.insert(number, client);
            taken.push(number);
        }
        taken
    }

    /// Goes on with a client. What it asks for, if that has just become known.
    pub fn proceed(&mut self, number: u32) -> Option<Wanted> {
        let client = self.clients.get_mut(&number)?;
        if let Some(head) = &mut client.head {
            if !self.http {
                return Some(Wanted::Json);
            }
            return read_head(client.connection.as_fd(), head);
        }
        if !client.flush() {
            self.clients.remove(&number);
        }
        None
    }

    /// Answers a client.
    pub fn answer(&mut self, number: u32, wanted: Wanted, body: &[u8]) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        let head = client.head.take().unwrap_or_default();
        if self.http {
            client.rest = http_head(wanted, body.len()).into_bytes();
        }
        if !head.starts_with(b"HEAD ") {
            client.rest.extend_from_slice(body);
        }
        self.proceed(number);
    }

    /// The document in the form that this server gives it.
    #[must_use]
    pub fn render(&self, report: &Report<'_>) -> Vec<u8> {
        let body = if self.minified { serde_json::to_vec(report) } else { serde_json::to_vec_pretty(report) };
        let mut body = body.unwrap_or_default();
        body.push(b'\n');
        body
    }

    /// Leaves clients that have had their time; those that have asked for nothing for a while.
    pub fn expire(&mut self, now: Duration) -> Vec<u32> {
        self.clients.retain(|_, client| now.saturating_sub(client.since) < PATIENCE);
        let silent = self.clients.iter().filter(|(_, client)| {
            let asked_nothing = client.head.as_ref().is_some_and(Vec::is_empty);
            asked_nothing && now.saturating_sub(client.since) >= SILENCE
        });
        silent.map(|(number, _)| *number).collect()
    }
}

impl Client {
    /// Sends, then waits for the client to leave, so that it reads all before the connection closes. `false` at the end.
    fn flush(&mut self) -> bool {
        while !self.rest.is_empty() {
            match net::send(self.connection.as_fd(), &self.rest) {
                Ok(sent) => {
                    self.rest.drain(..sent);
                    if self.rest.is_empty() {
                        net::shutdown_write(self.connection.as_fd());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        let mut unread = [0; 1024];
        loop {
            match net::receive(self.connection.as_fd(), &mut unread) {
                Ok(0) if !self.rest.is_empty() => return true,
                Ok(length) if length > 0 => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

/// Reads on in a head. What it asks for once it is complete, or the client says no more.
fn read_head(connection: BorrowedFd<'_>, head: &mut Vec<u8>) -> Option<Wanted> {
    let mut buffer = [0; 2048];
    loop {
        match net::receive(connection, &mut buffer) {
            Ok(length) if length > 0 && head.len() < LONGEST_HEAD => {
                head.extend_from_slice(&buffer[..length])
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let complete = head.windows(4).any(|end| end == b"\r\n\r\n")
                    || head.windows(2).any(|end| end == b"\n\n");
                return complete.then(|| wanted(head));
            }
            Ok(_) | Err(_) => return Some(wanted(head)),
        }
    }
}

/// The path decides.
fn wanted(head: &[u8]) -> Wanted {
    let target = head.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).nth(1).unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.ends_with(b"/metrics") { Wanted::Prometheus } else { Wanted::Json }
}

fn http_head(wanted: Wanted, length: usize) -> String {
    let media_type = match wanted {
        Wanted::Json => "application/json",
        Wanted::Prometheus => prometheus::MEDIA_TYPE,
    };
    format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides_what_is_answered() {
        for (head, expected) in [
            ("GET /metrics HTTP/1.1\r\n\r\n", Wanted::Prometheus),
            ("GET /metrics?x=/ HTTP/1.1\r\n\r\n", Wanted::Prometheus),
            ("GET http://h/metrics HTTP/1.1\r\n\r\n", Wanted::Prometheus),
            ("GET / HTTP/1.0\r\n\r\n", Wanted::Json),
            ("GET /?/metrics HTTP/1.0\r\n\r\n", Wanted::Json),
            ("", Wanted::Json),
        ] {
            assert_eq!(wanted(head.as_bytes()), expected, "{head:?}");
        }
    }
}
