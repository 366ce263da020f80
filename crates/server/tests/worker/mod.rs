//! A worker in this process: server threads with a native executor, and what tests do to it.

use margrave_config::Settings;
use margrave_config::settings::{Address, ListenSettings, ListenerSettings, Protocol, Trust};
use margrave_lifecycle::message::{ListenerInfo, ToWorker, encode};
use margrave_server::{
    BodyFault, Ending, Exchange, Executor, Fellows, SendError, Server, WorkerParts, Written,
};
use margrave_stats::scoreboard::{Counter, Layout, Slot, ThreadWord};
use margrave_sys::channel::Channel;
use margrave_sys::net;
use margrave_sys::shm::SharedWords;
use margrave_wire::Known;
use std::io::{PipeWriter, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Options<'a> {
    pub threads: u16,
    pub body_memory: usize,
    pub body_file: u64,
    pub drain_limit: u64,
    pub write_file: u64,
    pub min_rate: u64,
    pub write_buffer: usize,
    pub io_timeout: Duration,
    pub harakiri: Option<Duration>,
    pub harakiri_queue: Option<u32>,
    pub protocol: Protocol,
    pub proxy_protocol: bool,
    pub forwarded_allow: Trust,
    /// Served below `/static`.
    pub files: Option<PathBuf>,
    pub name: &'static str,
    /// Listen on this worker's socket, but not before [`Worker::ready`].
    pub shares: Option<&'a Worker>,
    /// Its number, and whom it passes requests to.
    pub number: u16,
    pub fellows: Option<Arc<Fellows>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: 1,
            body_memory: 256 * 1024,
            body_file: 128 << 20,
            drain_limit: 1 << 20,
            write_file: 256 << 20,
            min_rate: 100,
            write_buffer: 1 << 20,
            io_timeout: Duration::from_secs(30),
            harakiri: None,
            harakiri_queue: None,
            protocol: Protocol::Http,
            proxy_protocol: false,
            forwarded_allow: Trust::Private,
            files: None,
            name: "old",
            shares: None,
            number: 1,
            fellows: None,
        }
    }
}

fn settings(options: &Options<'_>) -> Settings {
    let mut settings = Settings::default();
    settings.process.threads = options.threads;
    settings.process.harakiri = options.harakiri;
    settings.process.harakiri_queue = options.harakiri_queue;
    settings.http.body_memory = options.body_memory;
    settings.http.body_file = options.body_file;
    settings.http.min_rate = options.min_rate;
    settings.http.write_file = options.write_file;
    settings.http.drain_limit = options.drain_limit;
    settings.http.write_buffer = options.write_buffer;
    settings.http.head_timeout = options.io_timeout;
    settings.http.body_timeout = options.io_timeout;
    settings.http.write_timeout = options.io_timeout;
    settings.http.proxy_protocol = options.proxy_protocol;
    settings.http.forwarded_allow = options.forwarded_allow.clone();
    settings.log.disable_requests = true;
    settings.static_files.maps = options.files.iter().map(|root| ("/static".into(), root.clone())).collect();
    settings
}

pub struct Worker {
    address: String,
    listener: OwnedFd,
    control: Channel,
    heirs: Channel,
    liveness: Mutex<Option<PipeWriter>>,
    words: SharedWords,
    layout: Layout,
    threads: usize,
    sleepers: Arc<Sleepers>,
    running: Vec<JoinHandle<Ending>>,
    server: Arc<Server>,
}

impl Worker {
    pub fn start(options: Options<'_>) -> Self {
        let mut settings = settings(&options);
        let listener = ListenerSettings {
            protocol: options.protocol,
            address: Address::Tcp { host: "127.0.0.1".into(), port: 0 },
            option: "http-socket".into(),
            origin: String::new(),
        };
        let (fd, address) = match options.shares {
            Some(other) => (other.listener.try_clone().unwrap(), other.address.clone()),
            None => net::bind(&listener, &ListenSettings::default()).unwrap(),
        };
        settings.listen.listeners.push(listener);
        let layout = Layout { slots: 2, threads: usize::from(options.threads), listeners: 1 };
        let (words, _memory) = SharedWords::create(layout.words()).unwrap();
        let (control, control_end) = Channel::pair().unwrap();
        let (heirs, adoption) = Channel::pair().unwrap();
        let (alive, liveness) = std::io::pipe().unwrap();
        let server = Server::new(WorkerParts {
            settings: Arc::new(settings),
            listeners: vec![(ListenerInfo { index: 0, address: address.clone() }, fd.try_clone().unwrap())],
            control: control_end.into_fd(),
            liveness: alive.into(),
            adoption: adoption.into_fd(),
            fellows: options.fellows.clone(),
            scoreboard: words,
            layout,
            slot: 1,
            worker: options.number,
            watchdog: None,
        })
        .unwrap();
        let server = Arc::new(server);
        let gil = Arc::new(Gil::default());
        let sleepers = Arc::<Sleepers>::default();
        let threads = usize::from(options.threads);
        let running = (0..threads)
            .map(|thread| {
                let server = Arc::clone(&server);
                let mut app =
                    App { gil: Arc::clone(&gil), name: options.name, sleepers: Arc::clone(&sleepers) };
                std::thread::spawn(move || server.run_thread(thread, &mut app))
            })
            .collect();
        if options.shares.is_none() {
            server.ready(Vec::new()).unwrap();
        }
        Self {
            address,
            listener: fd,
            control,
            heirs,
            liveness: Mutex::new(Some(liveness)),
            words,
            layout,
            threads,
            sleepers,
            running,
            server,
        }
    }

    pub fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn slot(&self) -> Slot<'static> {
        Slot::new(self.words.words(), self.layout, 1).unwrap()
    }

    pub fn accepted(&self) -> u64 {
        self.slot().counter(Counter::Accepted).load(Relaxed)
    }

    pub fn open_requests(&self) -> u64 {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let open = self.slot().counter(Counter::InFlight).load(Relaxed);
            if open == 0 || std::time::Instant::now() > deadline {
                return open;
            }
            std::thread::yield_now();
        }
    }

    /// Requests that have been answered.
    pub fn requests(&self) -> u64 {
        self.slot().counter(Counter::Requests).load(Relaxed)
    }

    /// Waits until so many requests for `/sleep` sleep in the application. What the scoreboard calls busy would not do: an
    /// answer is there before the thread that gave it counts as free again.
    pub fn wait_until_asleep(&self, count: usize) {
        drop(self.sleepers.wait_until_asleep(count));
    }

    /// Ends the sleep of so many requests for `/sleep`, once they are there.
    pub fn wake(&self, count: usize) {
        self.sleepers.wait_until_asleep(count).wakes += 1;
        self.sleepers.changed.notify_all();
    }

    /// How often the watcher has stopped to wait so far. Tests run in a process each.
    pub fn watchers_pauses(&self) -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let is_watcher = |task: &PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("margrave-watche"))
        };
        let watcher = tasks.into_iter().find(is_watcher).unwrap();
        let status = std::fs::read_to_string(watcher.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// What all threads have counted.
    pub fn of_threads(&self, word: ThreadWord) -> u64 {
        (0..self.threads).map(|thread| self.slot().thread(thread, word).load(Relaxed)).sum()
    }

    /// What the threads that run requests have had of a processor so far.
    pub fn cpu_time(&self) -> Duration {
        let time = |thread| {
            let id = self.slot().thread(thread, ThreadWord::Tid).load(Relaxed);
            let text = std::fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).unwrap();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).map(Duration::from_nanos).unwrap()
        };
        (0..self.threads).map(time).sum()
    }

    pub fn drain(&self, heir: Option<&Worker>) {
        let message = ToWorker::Drain { mercy_ms: 10_000, adopt: heir.is_some() };
        let heirs: Vec<_> = heir.iter().map(|heir| heir.heirs.as_fd()).collect();
        self.control.send(&encode(&message).unwrap(), &heirs).unwrap();
    }

    /// It must not serve before its generation has taken over.
    pub fn shut(&self) {
        self.control.send(&encode(&ToWorker::Shut).unwrap(), &[]).unwrap();
    }

    pub fn ready(&self) {
        self.server.ready(Vec::new()).unwrap();
    }

    pub fn lose_master(&self) {
        drop(self.liveness.lock().unwrap().take());
    }

    pub fn end(self) -> Vec<Ending> {
        let endings = self.running.into_iter().map(|thread| thread.join().unwrap()).collect();
        drop(self.server);
        endings
    }
}

/// A lock that a thread keeps while it computes and gives up while it sleeps.
#[derive(Default)]
pub struct Gil {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Gil {
    fn take(&self) {
        let taken = self.taken.lock().unwrap();
        *self.free.wait_while(taken, |taken| *taken).unwrap() = true;
    }

    fn give(&self) {
        *self.taken.lock().unwrap() = false;
        self.free.notify_one();
    }
}

/// Requests that sleep until a test wakes them, so that what must not wait for them can be seen without a clock.
#[derive(Default)]
struct Sleepers {
    night: Mutex<Night>,
    changed: Condvar,
}

#[derive(Default)]
struct Night {
    asleep: usize,
    wakes: usize,
}

impl Sleepers {
    /// Longer than a client waits for its answer.
    const LONGEST: Duration = Duration::from_secs(60);

    fn sleep(&self) {
        let mut night = self.night.lock().unwrap();
        night.asleep += 1;
        self.changed.notify_all();
        let wakes = night.wakes;
        night =
            self.changed.wait_timeout_while(night, Self::LONGEST, |night| night.wakes == wakes).unwrap().0;
        night.asleep -= 1;
    }

    fn wait_until_asleep(&self, count: usize) -> MutexGuard<'_, Night> {
        let night = self.night.lock().unwrap();
        let (night, waited) =
            self.changed.wait_timeout_while(night, PATIENCE, |night| night.asleep < count).unwrap();
        assert!(!waited.timed_out(), "fewer than {count} requests sleep");
        night
    }
}

struct App {
    gil: Arc<Gil>,
    name: &'static str,
    sleepers: Arc<Sleepers>,
}

impl Executor for App {
    fn attach(&mut self) {
        self.gil.take();
    }

    fn detach(&mut self) {
        self.gil.give();
    }

    fn release(&mut self) {}

    fn handle(&mut self, exchange: &mut Exchange<'_>) {
        let var =
            |known| String::from_utf8_lossy(exchange.request().var(known).unwrap_or_default()).into_owned();
        let (path, query) = (var(Known::PathInfo), var(Known::QueryString));
        let number: u64 = query.parse().unwrap_or(0);
        let target = var(Known::RequestUri);
        let result = match path.as_str() {
            // Until it is woken, or so many milliseconds.
            "/sleep" => {
                self.gil.give();
                match query.parse() {
                    Ok(time) => std::thread::sleep(Duration::from_millis(time)),
                    Err(_) => self.sleepers.sleep(),
                }
                self.gil.take();
                whole(exchange, b"slept")
            }
            "/burn" => {
                let began = std::time::Instant::now();
                while began.elapsed() < Duration::from_micros(number) {}
                whole(exchange, b"hello")
            }
            "/echo" => {
                let mut body = Vec::new();
                exchange.body().read_to_end(&mut body).unwrap();
                match self.rest_of(exchange, &mut body) {
                    Ok(()) => whole(exchange, &body),
                    Err(_) => return exchange.fail(),
                }
            }
            "/echo-target" => whole(exchange, target.as_bytes()),
            "/client" => whole(exchange, var(Known::RemoteAddr).as_bytes()),
            "/length" => whole(exchange, var(Known::ContentLength).as_bytes()),
            "/fail" => return exchange.fail(),
            "/name" => whole(exchange, self.name.as_bytes()),
            "/big" => self.big(exchange, number),
            "/file" => file(exchange, number),
            "/cut" => {
                exchange.start(b"200 OK", &mut std::iter::empty(), None).unwrap();
                exchange.write(b"some").unwrap();
                return exchange.fail();
            }
            _ => whole(exchange, b"hello"),
        };
        match result {
            Ok(()) | Err(SendError::Gone) => exchange.finish(),
            Err(error) => panic!("{error}"),
        }
    }
}

impl App {
    /// Reads what was not there when the request began, in small parts.
    fn rest_of(&self, exchange: &mut Exchange<'_>, body: &mut Vec<u8>) -> Result<(), BodyFault> {
        while exchange.body().is_pending() {
            self.gil.give();
            let arrived = exchange.await_body(1);
            self.gil.take();
            arrived?;
            exchange.body().read_to_end(body).unwrap();
        }
        Ok(())
    }

    fn big(&self, exchange: &mut Exchange<'_>, length: u64) -> Result<(), SendError> {
        exchange.start(b"200 OK", &mut std::iter::empty(), None)?;
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        for piece in bytes.chunks(50_000) {
            if exchange.write(piece)? == Written::Full {
                self.gil.give();
                let drained = exchange.wait_drained();
                self.gil.take();
                drained?;
            }
        }
        Ok(())
    }
}

fn whole(exchange: &mut Exchange<'_>, body: &[u8]) -> Result<(), SendError> {
    exchange.start(b"200 OK", &mut std::iter::empty(), Some(body.len() as u64))?;
    exchange.write(body).map(drop)
}

fn file(exchange: &mut Exchange<'_>, length: u64) -> Result<(), SendError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'f'; usize::try_from(length).unwrap()]).unwrap();
    exchange.start(b"200 OK", &mut std::iter::empty(), Some(length))?;
    exchange.send_file(file, 0, length).map(drop)
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Reads one answer, framed by Content-Length or chunks.
pub fn read_answer(client: &mut TcpStream) -> Answer {
    try_read_answer(client).expect("an answer")
}

pub fn try_read_answer(client: &mut TcpStream) -> std::io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head[9..12].parse().unwrap();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let mut body = Vec::new();
    if field("Transfer-Encoding").as_deref() == Some("chunked") {
        loop {
            let size = usize::from_str_radix(read_line(client)?.trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            client.read_exact(&mut piece)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&piece[..size]);
        }
    } else {
        body = vec![0; field("Content-Length").map_or(0, |length| length.parse().unwrap())];
        client.read_exact(&mut body)?;
    }
    Ok(Answer { status, head, body })
}

fn read_line(client: &mut TcpStream) -> std::io::Result<String> {
    let mut line = String::new();
    loop {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        line.push(char::from(byte[0]));
        if byte[0] == b'\n' {
            return Ok(line);
        }
    }
}
