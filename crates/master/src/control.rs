//! The control socket: takes orders from `margrave ctl`, and registers the instance so that it is found.
//!
//! Only root and the user that started or runs the instance are listened to. Without it everything else works, so what
//! goes wrong here is a warning at most.

use crate::event::Source;
use crate::listeners::Socket;
use margrave_config::Settings;
use margrave_config::settings::{AppTarget, ControlSocket};
use margrave_control::command::beside;
use margrave_control::protocol::{self, LONGEST_REQUEST, Reply};
use margrave_control::registry::{self, Entry, Kind, Registration};
use margrave_sys::net;
use margrave_sys::poller::Poller;
use margrave_sys::process;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Clients served at a time; the oldest goes when another comes.
const MAX_CLIENTS: usize = 32;

/// The control socket and the entry in the registry, as far as they could be made.
#[derive(Debug)]
pub struct ControlServer {
    bound: Option<Socket>,
    _registration: Option<Registration>,
    /// The instance's name.
    pub name: String,
    /// Users that are listened to besides root.
    users: [u32; 2],
    clients: BTreeMap<u32, Client>,
    next: u32,
}

#[derive(Debug)]
struct Client {
    connection: OwnedFd,
    input: Vec<u8>,
    output: VecDeque<u8>,
    /// The answer comes later, under this number.
    awaits: Option<u64>,
    ended: bool,
}

impl ControlServer {
    /// Makes the socket and the entry. To be called before privileges are dropped. The warnings say what is missing.
    #[must_use]
    pub fn open(settings: &Settings, version: &str) -> (Self, Vec<String>) {
        let (starter, mut warnings) = (process::effective_user(), Vec::new());
        let runner = settings.host.uid.as_deref().and_then(margrave_sys::users::user_id).unwrap_or(starter);
        let name = name(settings);
        let (path, was_asked_for) = place(settings);
        let bound = path.and_then(|path| match Socket::private("control-socket", &path) {
            Ok(bound) => Some(bound),
            Err(problem) => {
                if was_asked_for {
                    warnings.push(format!("{problem}; `margrave ctl` reaches this instance by signals only"));
                }
                None
            }
        });
        let socket = bound.as_ref().map(|bound| PathBuf::from(&bound.address));
        let registration = register(settings, version, &name, Kind::Instance, socket);
        let (clients, next) = (BTreeMap::new(), 0);
        let server =
            Self { bound, _registration: registration.ok(), name, users: [starter, runner], clients, next };
        (server, warnings)
    }

    /// One that nobody reaches: its names are another master's.
    #[must_use]
    pub fn closed(settings: &Settings) -> Self {
        let users = [process::effective_user(); 2];
        let (clients, next) = (BTreeMap::new(), 0);
        Self { bound: None, _registration: None, name: name(settings), users, clients, next }
    }

    /// Watches for clients.
    ///
    /// # Errors
    /// When the kernel's limit of watches is reached.
    pub fn watch(&self, poller: &Poller) -> io::Result<()> {
        self.bound.as_ref().map_or(Ok(()), |bound| poller.add_readable(&bound.fd, Source::Control.token()))
    }

    /// Takes the clients that wait; those who may not give orders are told so.
    pub fn accept(&mut self, poller: &Poller) {
        while let Some(Ok((connection, _))) = self.bound.as_ref().map(|bound| net::accept(&bound.fd)) {
            let user = net::peer_user(connection.as_fd());
            if !user.is_ok_and(|user| user == 0 || self.users.contains(&user)) {
                let line = Reply::refused("this instance belongs to another user").line();
                // It fits the empty buffer of a new connection.
                let _ = net::send(connection.as_fd(), &line);
                continue;
            }
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            if poller.add_connection(&connection, Source::ControlClient(number).token()).is_err() {
                continue;
            }
            if self.clients.len() >= MAX_CLIENTS {
                self.clients.pop_first();
            }
            let client =
                Client { connection, input: Vec::new(), output: VecDeque::new(), awaits: None, ended: false };
            self.clients.insert(number, client);
        }
    }

    /// Reads from a client and sends what waits for it. The words of its next request, if it has one and no answer of an
    /// earlier one is missing.
    pub fn proceed(&mut self, number: u32) -> Option<Result<Vec<String>, String>> {
        let client = self.clients.get_mut(&number)?;
        client.read();
        let sent = client.flush();
        let line = match client.awaits {
            None if sent => client.next_line(),
            _ => None,
        };
        if !sent || client.ended && line.is_none() && client.output.is_empty() {
            self.clients.remove(&number);
        }
        Some(protocol::parse(&line?))
    }

    /// Answers a client's request.
    pub fn answer(&mut self, number: u32, reply: &Reply) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.awaits = None;
            client.output.extend(reply.line());
            if !client.flush() {
                self.clients.remove(&number);
            }
        }
    }

    /// The answer to a client's request will come under this number.
    pub fn wait_for(&mut self, number: u32, ticket: u64) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.awaits = Some(ticket);
        }
    }

    /// The client that waits for this number.
    #[must_use]
    pub fn waiting_for(&self, ticket: u64) -> Option<u32> {
        self.clients.iter().find(|(_, client)| client.awaits == Some(ticket)).map(|(number, _)| *number)
    }
}

impl Client {
    fn read(&mut self) {
        let mut buffer = [0; LONGEST_REQUEST];
        while self.input.len() <= LONGEST_REQUEST {
            match net::receive(self.connection.as_fd(), &mut buffer) {
                Ok(length) if length > 0 => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    /// `false` when the client has gone.
    fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match net::send(self.connection.as_fd(), self.output.make_contiguous()) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        match self.input.iter().position(|byte| *byte == b'\n') {
            Some(end) => Some(self.input.drain(..=end).collect()),
            // What is longer is refused as it is, and the rest with it.
            None if self.input.len() > LONGEST_REQUEST => {
                self.ended = true;
                Some(std::mem::take(&mut self.input))
            }
            None => None,
        }
    }
}

/// Registers a process that has no control socket.
///
/// # Errors
/// When there is no place for the entry.
pub fn register(
    settings: &Settings,
    version: &str,
    name: &str,
    kind: Kind,
    socket: Option<PathBuf>,
) -> io::Result<Registration> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let pid = process::id();
    Registration::write(&Entry {
        name: name.to_owned(),
        pid,
        started: process::start_time(pid).unwrap_or(0),
        kind,
        socket,
        pidfile: pidfile(settings).map(absolute),
        directory: std::env::current_dir().unwrap_or_default(),
        version: version.to_owned(),
    })
}

fn pidfile(settings: &Settings) -> Option<&PathBuf> {
    let host = &settings.host;
    [&host.pidfile, &host.pidfile2, &host.safe_pidfile].into_iter().flatten().next()
}

/// Its own, else that of its configuration file, of its pidfile, of its application.
pub fn name(settings: &Settings) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let file = || settings.magic.iter().find(|(letter, _)| *letter == 'n').map(|(_, text)| text.clone());
    let app = || {
        settings.python.apps.first().and_then(|app| match &app.target {
            AppTarget::Module(module) => module.split([':', '.']).next().map(str::to_owned),
            AppTarget::File(path) => stem(path),
        })
    };
    let name =
        settings.control.name.clone().or_else(file).or_else(|| pidfile(settings).and_then(|path| stem(path)));
    name.or_else(app).filter(|name| !name.is_empty()).unwrap_or_else(|| "margrave".to_owned())
}

/// Where the socket goes, and whether somebody counts on it.
fn place(settings: &Settings) -> (Option<PathBuf>, bool) {
    match (&settings.control.socket, pidfile(settings)) {
        (ControlSocket::Absent, _) => (None, false),
        (ControlSocket::Path(path), _) => (Some(path.clone()), true),
        (ControlSocket::Usual, Some(pidfile)) => (Some(beside(pidfile)), true),
        (ControlSocket::Usual, None) => {
            let name = format!("{}.control", process::id());
            (registry::directory().ok().map(|directory| directory.join(name)), false)
        }
    }
}
