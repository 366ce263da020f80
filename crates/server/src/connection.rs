//! One connection: where it stands between two requests, and the buffers it owns only while it must.

use crate::body::Body;
use crate::live::Inflow;
use crate::output::Output;
use crate::pace::Pace;
use margrave_sys::net::PeerAddress;
use margrave_wire::BodyDecoder;
use margrave_wire::Request;
use margrave_wire::fastcgi;
use slab::Slab;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Bytes read behind a FastCGI request while it is answered.
const LOOKED_AHEAD: usize = 16 * 1024;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests, or a head has begun to arrive.
    Reading,
    /// The head is complete, the body arrives.
    Body,
    /// As much of the body has arrived as is read ahead, and no thread may wait for the rest yet.
    Held,
    /// Its request waits for a thread.
    Queued,
    /// A thread runs its request, and alone writes to it.
    InApp,
    /// The answer is complete and being sent.
    Writing(Next),
    /// The answer is out; the rest of the request's body is thrown away.
    Draining,
    /// The answer is out and our side closed; what the peer still sends is thrown away.
    Lingering,
}

/// What follows a complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request.
    Read,
    /// Our side closes, the peer may finish sending.
    Linger,
    /// The connection closes.
    Close,
    /// The same; our side has closed with the last byte.
    Closed,
}

/// State of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) generation: u32,
    pub(crate) listener: u16,
    pub(crate) peer: Peer,
    pub(crate) phase: Phase,
    /// The poller knows it.
    pub(crate) watched: bool,
    /// The socket may hold bytes to read: set by an event, cleared when a read finds it empty.
    pub(crate) readable: bool,
    /// The peer has closed its sending side.
    pub(crate) hangup: bool,
    /// What half a FastCGI record may have left; `None` in the other protocols.
    pub(crate) records: Option<Box<fastcgi::Decoder>>,
    /// It may begin with a PROXY header, which has not been looked for yet.
    pub(crate) awaits_proxy: bool,
    /// The client that a PROXY header named.
    pub(crate) client: Option<SocketAddr>,
    /// Bytes read and not consumed.
    pub(crate) input: Vec<u8>,
    /// A head has begun to arrive, and its time runs.
    pub(crate) head_began: bool,
    /// A request whose body arrives.
    pub(crate) partial: Option<Box<Partial>>,
    /// A body that arrives while its request runs, or behind the answer.
    pub(crate) inflow: Option<Box<Inflow>>,
    pub(crate) output: Output,
    /// When the present phase has lasted too long.
    pub(crate) deadline: Duration,
    /// Requests begun.
    pub(crate) served: u32,
    /// The last of them is a HEAD: what the server itself says to it has no body.
    pub(crate) asks_for_head: bool,
    /// Set when the connection broke while a thread works for it.
    pub(crate) gone: Arc<AtomicBool>,
}

/// The connections of a worker by their slots, which are used again: what belongs to one names its generation as well.
///
/// Each has a block of its own: a table that holds them itself is copied when it grows, and leaves holes of its former sizes.
#[derive(Debug, Default)]
pub(crate) struct Connections(Slab<Box<Connection>>);

impl Connections {
    /// The one in a slot, if it is still the one that is meant.
    pub(crate) fn find(&self, slot: usize, generation: u32) -> Option<&Connection> {
        self.0.get(slot).map(Box::as_ref).filter(|found| found.generation == generation)
    }

    /// The same, to change it.
    pub(crate) fn find_mut(&mut self, slot: usize, generation: u32) -> Option<&mut Connection> {
        self.0.get_mut(slot).map(Box::as_mut).filter(|found| found.generation == generation)
    }
}

impl Deref for Connections {
    type Target = Slab<Box<Connection>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connections {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// A request whose body has not arrived completely.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) request: Box<Request>,
    pub(crate) decoder: BodyDecoder,
    pub(crate) body: Body,
    pub(crate) pace: Pace,
}

/// Texts about the peer that every request of the connection shows.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// IP address; empty for UNIX sockets.
    pub(crate) host: String,
    pub(crate) port: String,
    /// Its `X-Forwarded-*` fields are believed.
    pub(crate) trusted: bool,
}

// Ten thousand that wait are to cost below 512 bytes each, with what they own: two counters, two texts and a place in the table.
const _: () = assert!(size_of::<Connection>() <= 288);

impl Connection {
    pub(crate) fn new(fd: OwnedFd, generation: u32, listener: u16, peer: Peer, deadline: Duration) -> Self {
        Self {
            fd: Arc::new(fd),
            generation,
            listener,
            peer,
            phase: Phase::Reading,
            watched: false,
            readable: true,
            hangup: false,
            records: None,
            awaits_proxy: false,
            client: None,
            input: Vec::new(),
            head_began: false,
            partial: None,
            inflow: None,
            output: Output::default(),
            deadline,
            served: 0,
            asks_for_head: false,
            gone: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The number of the request under way, where there are FastCGI's records.
    pub(crate) fn record_id(&self) -> Option<u16> {
        self.records.as_ref().map(|records| records.id())
    }

    /// The front server may say that it wants the answer no longer. What it says beyond that waits in the kernel.
    pub(crate) fn may_be_taken_back(&self) -> bool {
        self.records.is_some() && self.inflow.is_none() && self.input.len() < LOOKED_AHEAD
    }

    /// The peer has sent nothing that has not been consumed, as far as is known.
    pub(crate) fn is_read(&self) -> bool {
        !self.readable && self.input.is_empty()
    }

    /// Nothing has been read that belongs to a further request.
    pub(crate) fn is_quiet(&self) -> bool {
        self.input.is_empty() && !self.is_within_record()
    }

    /// The rest of what is being read makes sense to this connection's decoder only.
    fn is_within_record(&self) -> bool {
        self.records.as_ref().is_some_and(|records| !records.is_idle())
    }

    /// Between requests, with nothing of the next one read: it can be closed or passed on without loss.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Reading && self.served > 0 && self.is_quiet()
    }

    /// No thread works for it and nothing is owed: another process could go on with it.
    pub(crate) fn can_be_passed(&self) -> bool {
        self.phase == Phase::Reading && self.output.is_empty() && !self.is_within_record()
    }
}

impl Peer {
    pub(crate) fn new(address: PeerAddress, trusted: bool) -> Self {
        let (mut host, mut port) = (String::new(), String::new());
        if let PeerAddress::Ip(ip) = address {
            // Writing to a String cannot fail.
            let _ = write!(host, "{}", ip.ip().to_canonical());
            let _ = write!(port, "{}", ip.port());
        }
        Self { host, port, trusted }
    }
}
