//! What master, zygote and workers say to each other: closed enums over SOCK_SEQPACKET, one message per packet.
//!
//! Encoding is postcard. File descriptors travel beside a message (SCM_RIGHTS) in the order its doc gives.
//! Every request carries an id that its answer repeats.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest encoded message in bytes; a longer one is an error of ours.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Identifies one fork command and everything about the process it made.
pub type ForkId = u64;

/// Master to zygote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToZygote {
    /// First message. Descriptors: settings memfd (JSON of `Settings`), scoreboard memfd, liveness pipe (read end),
    /// adoption socket (receive end, SEQPACKET), memory of `Settings::process::locks` + 1 locks, then one listening
    /// socket per entry of `listeners`.
    Boot {
        /// Number of this generation, from 1.
        generation: u32,
        /// Bound addresses in the order of the descriptors; index = listener number.
        listeners: Vec<ListenerInfo>,
        /// Pid of the master.
        master_pid: i32,
        /// Rows of the scoreboard; row 0 is the instance's.
        slots: u16,
        /// A reload read the configuration again, so the hooks of the start are due in this generation; the directory
        /// that they run in.
        renewed_in: Option<String>,
    },
    /// Fork a worker. Descriptor: the worker's end of its control channel.
    Fork {
        /// Repeated in the answer.
        id: ForkId,
        /// Worker number as the user sees it, from 1.
        worker: u16,
        /// Row of the scoreboard this process writes to.
        slot: u16,
        /// How often this worker number has been spawned before.
        respawn: u32,
    },
    /// No more forks will come; exit when every child has gone.
    Retire,
    /// Standard output and error are another file from now on. Descriptor: the file.
    Output,
}

/// A bound listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerInfo {
    /// Index into `Settings::listen::listeners`.
    pub index: u16,
    /// The address as bound (`127.0.0.1:8000`, `[::1]:80`, `/run/x.sock`, `@name`).
    pub address: String,
}

/// Zygote to master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromZygote {
    /// Ready to fork. With `lazy-apps` nothing has been loaded and `apps` is empty.
    Ready {
        /// `3.11.7`
        python: String,
        /// `sys.prefix`
        prefix: String,
        /// Applications loaded.
        apps: Vec<AppReport>,
        /// Warnings found after the load (threads, sockets opened at import).
        warnings: Vec<String>,
    },
    /// The application did not load; the traceback is in the log already. The zygote exits.
    LoadFailed(LoadFailure),
    /// Answer to `Fork`. Descriptor: pidfd of the child.
    Forked {
        /// The command's id.
        id: ForkId,
        /// Its process id.
        pid: i32,
    },
    /// Answer to `Fork` when it failed.
    ForkFailed {
        /// The command's id.
        id: ForkId,
        /// Errno.
        errno: i32,
    },
    /// A child has been reaped.
    Exited {
        /// The command that made it.
        id: ForkId,
        /// Its process id.
        pid: i32,
        /// Raw wait status.
        status: i32,
    },
}

/// One loaded application, for the start-up summary and the stats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppReport {
    /// Empty for the default application.
    pub mountpoint: String,
    /// `mysite.wsgi:application`
    pub name: String,
    /// Load time in milliseconds.
    pub millis: u32,
}

/// Why an application did not load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadFailure {
    /// One sentence: where and what to do.
    pub message: String,
    /// Not the application failed but a hook around it, which wants this exit code for the instance.
    pub hook: Option<u8>,
}

/// Master to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Stop accepting, finish what is in flight, then exit 0. Descriptor, if `adopt`: the send end of the
    /// adoption socket of the generation that takes over; idle connections go there. Said again, when that generation leaves
    /// as well, it names another one and changes nothing else.
    Drain {
        /// Longest time to take, milliseconds.
        mercy_ms: u64,
        /// A descriptor came along.
        adopt: bool,
    },
    /// Exit now; do not wait for requests.
    Stop,
    /// Begin no request, or go on.
    Pause(bool),
    /// Leave the listeners alone until [`ToWorker::Open`]; connections that are passed on are served.
    Shut,
    /// Take connections.
    Open,
    /// A stop is near: whoever asks whether the worker is ready is told no.
    Unready,
    /// Write down what every Python thread does, and answer with [`FromWorker::Stacks`].
    Stacks {
        /// Repeated in the answer.
        ticket: u64,
    },
    /// Standard output and error are another file from now on. Descriptor: the file.
    Output,
}

/// Worker to master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// Accepting requests. With `lazy-apps` the applications it loaded.
    Ready {
        /// Loaded in this worker; empty unless `lazy-apps`.
        apps: Vec<AppReport>,
    },
    /// `lazy-apps`: the application did not load. The worker exits.
    LoadFailed(LoadFailure),
    /// An exception that `reload-on-exception` and its relatives name left the application: a new worker is wanted.
    Recycle,
    /// What every Python thread does. Descriptor: a file with the text.
    Stacks {
        /// That of the question.
        ticket: u64,
    },
}

/// Worker to worker of the same generation. Descriptor: the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToFellow {
    /// A request that the sender has no thread for.
    Request(Box<Passed>),
    /// A connection between two requests, of which the sender has more than others.
    Connection(Adopted),
}

/// A connection passed between two requests to another worker. Descriptor: the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    /// The bound address of its listener, as in [`ListenerInfo`].
    pub listener: String,
    /// Requests it has carried so far.
    pub served: u32,
    /// Bytes read from it and not consumed.
    pub input: Vec<u8>,
    /// The client that a PROXY header named.
    pub client: Option<SocketAddr>,
}

/// A request that waits in a busy worker, passed with its connection to an idle one of the same generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// Number of the listener it came through.
    pub listener: u16,
    /// Requests that the connection has carried, with this one.
    pub served: u32,
    /// Bytes read from it behind this request.
    pub input: Vec<u8>,
    /// The client that a PROXY header named.
    pub client: Option<SocketAddr>,
    /// Where FastCGI's decoder stands behind this request: its number, and bytes to come that belong to nothing.
    pub records: Option<(u16, u32)>,
    /// Names and values of the request's meta-variables, in order.
    pub vars: Vec<(Vec<u8>, Vec<u8>)>,
    /// The client speaks HTTP/1.0.
    pub is_http10: bool,
    /// The client is ready to send another request.
    pub keep_alive: bool,
    /// The peer's forwarding fields are believed.
    pub trusted: bool,
    /// What believed hops say: whether the client came by https, and who it is.
    pub forwarded: (Option<bool>, Option<Vec<u8>>),
    /// Bytes of the head on the wire.
    pub head_len: u32,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A message could not be decoded or encoded.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("message between processes: {0}")]
pub struct MessageError(#[from] pub postcard::Error);

/// Encodes a message into one packet.
///
/// # Errors
/// When it would pass [`MAX_MESSAGE`].
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, MessageError> {
    let packet = postcard::to_allocvec(message)?;
    if packet.len() > MAX_MESSAGE {
        return Err(MessageError(postcard::Error::SerializeBufferFull));
    }
    Ok(packet)
}

/// Decodes one packet.
///
/// # Errors
/// When the packet is not a message of this type.
pub fn decode<M: DeserializeOwned>(packet: &[u8]) -> Result<M, MessageError> {
    Ok(postcard::from_bytes(packet)?)
}
