//! The connection: what is sent, by a thread of its own, and what comes meanwhile.

use crate::error::Foreign;
use crate::message::{Framing, Message, PING};
use crate::reading::Reading;
use crate::{Call, ClientError, Data, Protocol};
use margrave_sys::dial::{DialError, Link, dial};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Bytes read or sent at a time.
const PIECE: usize = 64 * 1024;
/// Longest wait, behind the answer, for what the sender has to say.
const LAST_WORD: Duration = Duration::from_millis(100);
/// Most that is kept of standard input where its length must be known before it is sent.
const MOST_INPUT: u64 = 64 * 1024 * 1024;

/// Makes the request: what comes back goes to `output`, and with `-v` the exchange to `trace`. The status.
///
/// # Errors
/// When there is no complete answer, or with `-f` when the status is that of an error.
pub fn perform(
    call: &Call,
    input: Box<dyn Read + Send>,
    output: &mut dyn Write,
    trace: &mut dyn Write,
) -> Result<u16, ClientError> {
    let (body, length) = Source::open(call, input)?;
    let message = Message::new(call, length)?;
    let clock = Clock { end: Instant::now() + call.timeout, call: Arc::new(call.clone()) };
    let link = dial(&call.address, call.timeout).map_err(|error| match error {
        DialError::Timeout => clock.late(false),
        error => ClientError::Connect { address: call.address_text.clone(), error },
    })?;
    let link = Arc::new(link);
    let mut trace = Trace { out: trace, wanted: call.shows_exchange };
    trace.lines('*', [format!("connected to {} for {}", call.address_text, call.protocol.name())])?;
    trace.lines('>', message.lines.iter().cloned())?;
    match length {
        Some(0) => {}
        Some(length) => trace.lines('>', [format!("{length} bytes of body")])?,
        None => trace.lines('>', ["a body that ends when the input does".to_owned()])?,
    }
    if call.protocol == Protocol::Uwsgi && call.modifier1 == PING {
        return ping(&link, &message, &clock, output, &mut trace);
    }
    let started = Instant::now();
    let mut reading = Reading::new(call);
    // Not waited for where it waits itself, for input that nobody needs any more.
    let (done, sent) = mpsc::channel();
    let sender = Sender { link: Arc::clone(&link), message, clock: clock.clone() };
    std::thread::spawn(move || done.send(sender.send(body)));
    let mut read = receive(&link, &mut reading, &clock, output, &mut trace);
    link.shut_down();
    if matches!(read, Ok(()) | Err(ClientError::Empty { .. })) {
        // That the server would take no more is told by its answer, or by that there is none.
        if let Ok(Err(error @ ClientError::Data { .. })) = sent.recv_timeout(LAST_WORD) {
            read = Err(error);
        }
    }
    let (length, elapsed) = (reading.body_len(), started.elapsed().as_secs_f64() * 1000.0);
    trace.lines('*', [format!("{length} bytes of body after {elapsed:.1} ms")])?;
    read?;
    match reading.status() {
        Some(status) if call.fails && status >= 400 => Err(ClientError::Status(status)),
        status => Ok(status.unwrap_or_default()),
    }
}

/// What is left of the time.
#[derive(Clone)]
struct Clock {
    end: Instant,
    call: Arc<Call>,
}

impl Clock {
    /// `Err` when nothing is left.
    fn left(&self, answered: bool) -> Result<Duration, ClientError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.late(answered)) } else { Ok(left) }
    }

    fn late(&self, answered: bool) -> ClientError {
        let seconds = self.call.timeout.as_secs_f64();
        if answered {
            ClientError::Slow { seconds }
        } else {
            ClientError::Timeout { address: self.call.address_text.clone(), seconds }
        }
    }

    fn explain(&self, error: io::Error, answered: bool) -> ClientError {
        if error.kind() == io::ErrorKind::TimedOut { self.late(answered) } else { ClientError::Broken(error) }
    }
}

/// Where the body comes from.
enum Source {
    Nothing,
    Bytes(Vec<u8>),
    File(io::Take<File>, String),
    Input(Box<dyn Read + Send>),
}

impl Source {
    /// The body and its length; `None` = it ends when the input does.
    fn open(call: &Call, input: Box<dyn Read + Send>) -> Result<(Self, Option<u64>), ClientError> {
        let standard = "standard input";
        Ok(match &call.data {
            Data::None => (Self::Nothing, Some(0)),
            Data::Text(text) => (Self::Bytes(text.clone().into_bytes()), Some(text.len() as u64)),
            Data::File(path) => {
                let name = path.display().to_string();
                let open = || -> io::Result<(File, u64)> {
                    let file = File::open(path)?;
                    let length = file.metadata()?.len();
                    Ok((file, length))
                };
                let (file, length) =
                    open().map_err(|error| ClientError::Data { name: name.clone(), error })?;
                // A file that grows meanwhile is sent as long as its length said.
                (Self::File(file.take(length), name), Some(length))
            }
            Data::Input if matches!(call.protocol, Protocol::Http | Protocol::Fastcgi) => {
                (Self::Input(input), None)
            }
            Data::Input => {
                let failed = |error| ClientError::Data { name: standard.to_owned(), error };
                let mut bytes = Vec::new();
                input.take(MOST_INPUT + 1).read_to_end(&mut bytes).map_err(failed)?;
                if bytes.len() as u64 > MOST_INPUT {
                    return Err(failed(io::Error::other(
                        "it has more than 64 MiB, and this protocol wants the length first; send a file with -d @FILE",
                    )));
                }
                let length = bytes.len() as u64;
                (Self::Bytes(bytes), Some(length))
            }
        })
    }

    /// The next piece; empty at the end.
    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<(), ClientError> {
        buffer.clear();
        let (reader, name): (&mut dyn Read, &str) = match self {
            Self::Nothing => return Ok(()),
            Self::Bytes(bytes) => {
                std::mem::swap(buffer, bytes);
                bytes.clear();
                return Ok(());
            }
            Self::File(file, name) => (file, name),
            Self::Input(input) => (input, "standard input"),
        };
        buffer.resize(PIECE, 0);
        let count =
            reader.read(buffer).map_err(|error| ClientError::Data { name: name.to_owned(), error })?;
        buffer.truncate(count);
        Ok(())
    }
}

/// Sends head and body, beside the thread that reads.
struct Sender {
    link: Arc<Link>,
    message: Message,
    clock: Clock,
}

impl Sender {
    fn send(&self, mut body: Source) -> Result<(), ClientError> {
        self.transmit(&self.message.head)?;
        let (mut piece, mut framed) = (Vec::new(), Vec::new());
        loop {
            body.read(&mut piece)?;
            if self.message.framing == Framing::Plain && piece.is_empty() {
                return Ok(());
            }
            framed.clear();
            self.message.framing.encode(&piece, &mut framed);
            self.transmit(&framed)?;
            if piece.is_empty() {
                return Ok(());
            }
        }
    }

    fn transmit(&self, bytes: &[u8]) -> Result<(), ClientError> {
        let left = self.clock.left(false)?;
        self.link.send_all(bytes, left).map_err(|error| self.clock.explain(error, false))
    }
}

fn receive(
    link: &Link,
    reading: &mut Reading,
    clock: &Clock,
    output: &mut dyn Write,
    trace: &mut Trace<'_>,
) -> Result<(), ClientError> {
    let (address, protocol) = (&clock.call.address_text, clock.call.protocol.name());
    let foreign = |error: Foreign| ClientError::Foreign { address: address.clone(), protocol, error };
    let mut buffer = vec![0; PIECE];
    while !reading.is_done() {
        let answered = !reading.is_empty();
        let count = take(link, &mut buffer, clock, answered)?;
        if count == 0 {
            return match () {
                () if reading.is_whole() => Ok(()),
                () if reading.is_empty() => Err(ClientError::Empty { address: address.clone(), protocol }),
                () => Err(ClientError::Partial(reading.body_len())),
            };
        }
        let found = reading.take(&buffer[..count]).map_err(foreign)?;
        trace.lines('<', found.lines)?;
        output.write_all(&found.output).and_then(|()| output.flush()).map_err(ClientError::Output)?;
    }
    reading.refusal().map_or(Ok(()), |reason| Err(ClientError::Refused(reason)))
}

/// Bytes that have come; none at the end of the connection. A reset is one: so a server cuts an answer that must not look
/// complete, and leaves a request that it has not read to its end.
fn take(link: &Link, buffer: &mut [u8], clock: &Clock, answered: bool) -> Result<usize, ClientError> {
    match link.receive(buffer, clock.left(answered)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
        result => result.map_err(|error| clock.explain(error, answered)),
    }
}

/// uwsgi's ping, which is answered by a packet.
fn ping(
    link: &Link,
    message: &Message,
    clock: &Clock,
    output: &mut dyn Write,
    trace: &mut Trace<'_>,
) -> Result<u16, ClientError> {
    let (address, protocol) = (clock.call.address_text.clone(), clock.call.protocol.name());
    link.send_all(&message.head, clock.left(false)?).map_err(|error| clock.explain(error, false))?;
    let mut packet = Vec::new();
    while packet.len() < 4 {
        let mut buffer = [0; 4];
        let count = take(link, &mut buffer, clock, false)?;
        if count == 0 {
            return Err(ClientError::Empty { address, protocol });
        }
        packet.extend_from_slice(&buffer[..count]);
    }
    let [PING, _, _, modifier2, ..] = packet[..] else {
        return Err(ClientError::Foreign { address, protocol, error: Foreign::NoPong });
    };
    trace.lines('<', [format!("a uwsgi packet: modifier1 {PING} (ping), modifier2 {modifier2}")])?;
    writeln!(output, "pong").map_err(ClientError::Output)?;
    Ok(200)
}

/// Where `-v` writes.
struct Trace<'a> {
    out: &'a mut dyn Write,
    wanted: bool,
}

impl Trace<'_> {
    fn lines(&mut self, mark: char, lines: impl IntoIterator<Item = String>) -> Result<(), ClientError> {
        if self.wanted {
            for line in lines {
                writeln!(self.out, "{mark} {line}").map_err(ClientError::Output)?;
            }
        }
        Ok(())
    }
}
