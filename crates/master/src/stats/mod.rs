//! The stats server: each client gets one JSON document, as uWSGI's clients expect, and the end of the connection.
//!
//! Never waits for a client: what its socket does not take at once is sent when it does, within bounds of time and number.

mod report;

pub use report::{Report, View};

use crate::error::StartError;
use crate::event::Source;
use crate::listeners::Socket;
use margrave_config::settings::{ListenSettings, ListenerSettings, Protocol, StatsSettings};
use margrave_sys::net;
use margrave_sys::poller::Poller;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Clients served at a time; the oldest goes when another comes.
const MAX_CLIENTS: usize = 32;

/// Longest life of a connection.
const PATIENCE: Duration = Duration::from_secs(5);

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

    /// Takes the clients that wait and gives each the document.
    pub fn accept(&mut self, poller: &Poller, report: &Report<'_>, now: Duration) {
        let mut document = None;
        while let Ok((connection, _)) = net::accept(&self.bound.fd) {
            let text = document.get_or_insert_with(|| self.render(report));
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            if poller.add_connection(&connection, Source::StatsClient(number).token()).is_err() {
                continue;
            }
            if self.clients.len() >= MAX_CLIENTS {
                self.clients.pop_first();
            }
            self.clients.insert(number, Client { connection, rest: text.clone(), since: now });
            self.proceed(number);
        }
    }

    /// Goes on with a client: sends, then waits for it to leave, so that it reads all before the connection closes.
    pub fn proceed(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        while !client.rest.is_empty() {
            match net::send(client.connection.as_fd(), &client.rest) {
                Ok(sent) => {
                    client.rest.drain(..sent);
                    if client.rest.is_empty() {
                        net::shutdown_write(client.connection.as_fd());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.clients.remove(&number);
                    return;
                }
            }
        }
        let mut unread = [0; 1024];
        loop {
            match net::receive(client.connection.as_fd(), &mut unread) {
                Ok(0) if !client.rest.is_empty() => return,
                Ok(length) if length > 0 => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.clients.remove(&number);
                    return;
                }
            }
        }
    }

    /// Leaves clients that have had their time.
    pub fn expire(&mut self, now: Duration) {
        self.clients.retain(|_, client| now.saturating_sub(client.since) < PATIENCE);
    }

    fn render(&self, report: &Report<'_>) -> Vec<u8> {
        let body = if self.minified { serde_json::to_vec(report) } else { serde_json::to_vec_pretty(report) };
        let mut body = body.unwrap_or_default();
        body.push(b'\n');
        if !self.http {
            return body;
        }
        let mut text = format!(
            "HTTP/1.0 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        text.append(&mut body);
        text
    }
}
