//! What does not change while a worker lives: its listeners, limits and descriptors.

use crate::fellows::Fellows;
use crate::kept::Tally;
use crate::lane::Lane;
use crate::log::RequestLog;
use crate::records;
use crate::trust::is_trusted;
use crate::{Watchdog, WorkerParts};
use margrave_config::settings::{ControlSocket, HttpSettings, ListenerSettings, ProcessSettings, Protocol};
use margrave_lifecycle::message::ListenerInfo;
use margrave_static_files::StaticFiles;
use margrave_stats::scoreboard::{Counter, Layout, Slot};
use margrave_sys::channel::Channel;
use margrave_sys::net::PeerAddress;
use margrave_sys::poller::{Poller, Waker};
use margrave_wire::fastcgi::Capacity;
use margrave_wire::{Limits, Protocol as Dialect};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Tokens that are no connection: generation `u32::MAX` with these slots.
const LISTENERS: u32 = 16;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Waker,
    Control,
    Liveness,
    Adoption,
    Inbox,
    Listener(u16),
    Connection { slot: u32, generation: u32 },
}

impl Token {
    pub(crate) fn encode(self) -> u64 {
        let (slot, generation) = match self {
            Self::Waker => (0, u32::MAX),
            Self::Control => (1, u32::MAX),
            Self::Liveness => (2, u32::MAX),
            Self::Adoption => (3, u32::MAX),
            Self::Inbox => (4, u32::MAX),
            Self::Listener(number) => (LISTENERS + u32::from(number), u32::MAX),
            Self::Connection { slot, generation } => (slot, generation),
        };
        u64::from(generation) << 32 | u64::from(slot)
    }

    pub(crate) fn decode(token: u64) -> Self {
        let (slot, generation) = ((token & u64::from(u32::MAX)) as u32, (token >> 32) as u32);
        match (generation, slot) {
            (u32::MAX, 0) => Self::Waker,
            (u32::MAX, 1) => Self::Control,
            (u32::MAX, 2) => Self::Liveness,
            (u32::MAX, 3) => Self::Adoption,
            (u32::MAX, 4) => Self::Inbox,
            (u32::MAX, slot) => Self::Listener(slot.saturating_sub(LISTENERS) as u16),
            (generation, slot) => Self::Connection { slot, generation },
        }
    }
}

/// A listening socket and what its requests show.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) fd: OwnedFd,
    pub(crate) protocol: Protocol,
    pub(crate) address: String,
    /// `SERVER_PORT`; empty for UNIX sockets.
    pub(crate) port: String,
    /// Asked for by `http`: requests show what uWSGI's router adds.
    pub(crate) routes: bool,
}

/// The fixed surroundings of a worker's reactor.
pub(crate) struct Site {
    pub(crate) http: HttpSettings,
    pub(crate) process: ProcessSettings,
    pub(crate) limits: Limits,
    /// What FastCGI's front servers are told.
    pub(crate) capacity: Capacity,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) host_name: String,
    pub(crate) worker: u16,
    pub(crate) poller: Poller,
    pub(crate) waker: Waker,
    pub(crate) control: Channel,
    pub(crate) adoption: Channel,
    pub(crate) fellows: Option<Arc<Fellows>>,
    _liveness: OwnedFd,
    /// This worker's counters, and those of the whole instance.
    pub(crate) slot: Slot<'static>,
    pub(crate) instance: Slot<'static>,
    pub(crate) log: RequestLog,
    /// Blocks of answers that are still the application's.
    pub(crate) kept: Arc<Tally>,
    /// Somebody may look at what the threads are doing.
    pub(crate) shows_requests: bool,
    pub(crate) files: Option<StaticFiles>,
    pub(crate) watchdog: Option<Box<dyn Watchdog>>,
    /// Answers from now on are the last ones of their connections.
    pub(crate) closing: AtomicBool,
    /// A stop is near.
    pub(crate) unready: AtomicBool,
    /// One for each Python thread.
    pub(crate) lanes: Vec<Lane>,
}

impl Site {
    pub(crate) fn new(parts: WorkerParts) -> io::Result<Self> {
        let WorkerParts { settings, listeners, control, liveness, adoption, scoreboard, layout, .. } = parts;
        let poller = Poller::new()?;
        let waker = Waker::new()?;
        let (control, adoption) = (Channel::from(control), Channel::from(adoption));
        control.set_nonblocking()?;
        adoption.set_nonblocking()?;
        poller.add_readable(&waker, Token::Waker.encode())?;
        poller.add_readable(&control, Token::Control.encode())?;
        poller.add_readable(&liveness, Token::Liveness.encode())?;
        poller.add_readable(&adoption, Token::Adoption.encode())?;
        let inbox = parts.fellows.as_ref().and_then(|fellows| fellows.inbox(parts.worker));
        if let Some(inbox) = inbox {
            poller.add_readable(inbox, Token::Inbox.encode())?;
        }
        let own = row(scoreboard.words(), layout, parts.slot)?;
        let log = RequestLog::new(&settings.log, &settings.process, parts.worker, own)?;
        let limits = limits(&settings.http);
        Ok(Self {
            limits,
            capacity: records::capacity(&settings.process, &settings.listen),
            listeners: listeners
                .into_iter()
                .filter_map(|(info, fd)| Listener::new(info, fd, &settings.listen.listeners))
                .collect(),
            host_name: margrave_sys::net::host_name(),
            worker: parts.worker,
            poller,
            waker,
            control,
            adoption,
            fellows: parts.fellows,
            _liveness: liveness,
            shows_requests: settings.stats.address.is_some()
                || settings.control.socket != ControlSocket::Absent,
            slot: own,
            instance: row(scoreboard.words(), layout, 0)?,
            log,
            kept: Arc::default(),
            files: StaticFiles::new(&settings.static_files),
            watchdog: parts.watchdog,
            http: settings.http.clone(),
            unready: AtomicBool::new(false),
            closing: AtomicBool::new(settings.http.keepalive.is_none()),
            process: settings.process.clone(),
            lanes: (0..settings.process.threads.max(1)).map(|_| Lane::default()).collect(),
        })
    }

    /// Counts for this worker and for the instance.
    pub(crate) fn count(&self, counter: Counter, amount: u64) {
        self.slot.add(counter, amount);
        self.instance.add(counter, amount);
    }

    pub(crate) fn trusts(&self, peer: PeerAddress) -> bool {
        is_trusted(&self.http.forwarded_allow, peer)
    }
}

impl Listener {
    /// The form that answers have.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.protocol {
            Protocol::Http => Dialect::Http,
            Protocol::Uwsgi | Protocol::FastcgiNph | Protocol::ScgiNph => Dialect::Uwsgi,
            Protocol::Fastcgi | Protocol::Scgi => Dialect::Cgi,
        }
    }

    /// Requests and answers come in FastCGI's records.
    pub(crate) fn has_records(&self) -> bool {
        matches!(self.protocol, Protocol::Fastcgi | Protocol::FastcgiNph)
    }

    /// It listens on a port: its connections are TCP's.
    pub(crate) fn is_tcp(&self) -> bool {
        !self.port.is_empty()
    }

    fn new(info: ListenerInfo, fd: OwnedFd, settings: &[ListenerSettings]) -> Option<Self> {
        let ListenerSettings { protocol, option, .. } = settings.get(usize::from(info.index))?;
        let port = match info.address.rsplit_once(':') {
            Some((_, port)) if !info.address.starts_with(['/', '@']) => port.to_owned(),
            _ => String::new(),
        };
        Some(Self { fd, protocol: *protocol, address: info.address, port, routes: option == "http" })
    }
}

/// What a request may be at most.
fn limits(http: &HttpSettings) -> Limits {
    let default = Limits::default();
    Limits {
        head: http.buffer_size,
        fields: http.max_vars.unwrap_or(default.fields),
        variables: http.max_vars.unwrap_or(default.variables),
        field: http.max_field_size.unwrap_or(http.buffer_size),
        target: http.max_target_size,
        body: http.limit_post,
        chunk_line: http.max_chunk_line,
        trailers: http.max_trailers_size,
    }
}

fn row(
    words: &'static [std::sync::atomic::AtomicU64],
    layout: Layout,
    slot: u16,
) -> io::Result<Slot<'static>> {
    Slot::new(words, layout, usize::from(slot))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "scoreboard smaller than its layout"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_way_through_the_kernel() {
        for token in [
            Token::Waker,
            Token::Control,
            Token::Liveness,
            Token::Adoption,
            Token::Inbox,
            Token::Listener(0),
            Token::Listener(65_000),
            Token::Connection { slot: 0, generation: 0 },
            Token::Connection { slot: u32::MAX, generation: u32::MAX - 1 },
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
