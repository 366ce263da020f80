//! Sends figures at times: StatsD, Graphite, datagrams, a file; and keeps a file for each metric.
//!
//! The master renders what is to be sent; a thread sends it, since Graphite may be slow. What finds no room in the
//! thread's short queue is left out: newer figures come soon.

use super::metrics::{Kind, Metric};
use super::report::Report;
use margrave_config::settings::{Carbon, Pusher, Sink, StatsSettings};
use margrave_sys::{clock, net};
use std::fs;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Sendings that may wait for the thread.
const WAITING: usize = 8;

/// How often the files of `metrics-dir` are written.
const FILES_EVERY: Duration = Duration::from_secs(1);

/// One sending.
enum Job {
    /// A datagram each.
    Datagrams { address: String, packets: Vec<String> },
    /// A connection of its own.
    Stream { carbon: Carbon, text: String },
    /// Behind what the file holds.
    Append { path: PathBuf, text: String },
    /// A file for each metric.
    Files { directory: PathBuf, values: Vec<(String, u64)> },
}

/// Everybody to whom figures are sent.
#[derive(Debug, Default)]
pub struct Pushers {
    due: Vec<(Pusher, Duration)>,
    files: Option<(PathBuf, Duration)>,
    sender: Option<SyncSender<Job>>,
}

impl Pushers {
    /// Sends as these settings say, from the next [`Self::push`] on.
    #[must_use]
    pub fn new(settings: &StatsSettings) -> Self {
        let due = settings.pushers.iter().map(|pusher| (pusher.clone(), Duration::ZERO)).collect();
        let files = settings.metrics_dir.clone().map(|directory| (directory, Duration::ZERO));
        Self { due, files, sender: None }
    }

    /// When something is to be sent next.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let due = self.due.iter().map(|(_, at)| *at);
        due.chain(self.files.iter().map(|(_, at)| *at)).min()
    }

    /// Sends what is due.
    pub fn push(&mut self, report: &Report<'_>, metrics: &[Metric], now: Duration) {
        let mut jobs = Vec::new();
        for (pusher, at) in self.due.iter_mut().filter(|(_, at)| *at <= now) {
            *at = now + pusher.every;
            jobs.push(job(&pusher.sink, report, metrics));
        }
        if let Some((directory, at)) = self.files.as_mut().filter(|(_, at)| *at <= now) {
            *at = now + FILES_EVERY;
            let values = metrics.iter().map(|metric| (metric.name.clone(), metric.value)).collect();
            jobs.push(Job::Files { directory: directory.clone(), values });
        }
        for job in jobs {
            self.hand_over(job);
        }
    }

    fn hand_over(&mut self, job: Job) {
        let sender = match &self.sender {
            Some(sender) => sender,
            None => match start() {
                Ok(sender) => self.sender.insert(sender),
                // Without a thread now, the next time may have one.
                Err(_) => return,
            },
        };
        if let Err(TrySendError::Disconnected(_)) = sender.try_send(job) {
            self.sender = None;
        }
    }
}

/// The thread ends with its sender.
fn start() -> io::Result<SyncSender<Job>> {
    let (sender, receiver) = sync_channel::<Job>(WAITING);
    let builder = std::thread::Builder::new().name("margrave-push".into()).stack_size(256 * 1024);
    builder.spawn(move || {
        for job in receiver {
            // Figures that could not be sent are sent again, newer, soon.
            let _ = job.run();
        }
    })?;
    Ok(sender)
}

fn job(sink: &Sink, report: &Report<'_>, metrics: &[Metric]) -> Job {
    match sink {
        Sink::Statsd { address, prefix, no_workers, all_gauges } => {
            let wanted = metrics.iter().filter(|metric| !*no_workers || !metric.name.starts_with("worker."));
            let packets = wanted.map(|metric| statsd(prefix, metric, *all_gauges));
            Job::Datagrams { address: address.clone(), packets: packets.collect() }
        }
        Sink::Socket { address, prefix } => {
            let packet =
                |metric: &Metric| format!("{prefix}.{} {} {}", metric.name, metric.kind as u32, metric.value);
            Job::Datagrams { address: address.clone(), packets: metrics.iter().map(packet).collect() }
        }
        Sink::File(path) => {
            let text = serde_json::to_string(report).unwrap_or_default();
            Job::Append { path: path.clone(), text: format!("{text}\n") }
        }
        Sink::Carbon(carbon) => {
            let text = graphite(carbon, report, metrics);
            Job::Stream { carbon: carbon.clone(), text }
        }
    }
}

/// Counters are sent as the values they have, as uWSGI does, so StatsD must not add them up: gauges suit them better.
fn statsd(prefix: &str, metric: &Metric, all_gauges: bool) -> String {
    let is_gauge = all_gauges || metric.kind == Kind::Gauge || metric.kind == Kind::Alias;
    format!("{prefix}.{}:{}|{}", metric.name, metric.value, if is_gauge { "g" } else { "c" })
}

fn graphite(carbon: &Carbon, report: &Report<'_>, metrics: &[Metric]) -> String {
    let mut host = net::host_name();
    if let Some(dots) = &carbon.hostname_dots {
        host = host.replace('.', dots);
    }
    let first = || report.sockets.first().map_or_else(String::new, |socket| socket.name.replace('.', "_"));
    let id = carbon.id.clone().unwrap_or_else(first);
    let (start, time) = (format!("{}.{host}.{id}", carbon.root), clock::wall().as_secs());
    let mut text = String::new();
    let mut line = |name: &str, value: u64| text.push_str(&format!("{start}.{name} {value} {time}\n"));
    if carbon.use_metrics {
        let wanted =
            metrics.iter().filter(|metric| !carbon.no_workers || !metric.name.starts_with("worker."));
        wanted.for_each(|metric| line(&metric.name, metric.value));
        return text;
    }
    let workers = &report.workers;
    let sum = |value: fn(&super::report::WorkerReport<'_>) -> u64| workers.iter().map(value).sum::<u64>();
    let (requests, running) = (sum(|worker| worker.requests), sum(|worker| worker.running_time));
    line("requests", requests);
    for worker in workers.iter().filter(|_| !carbon.no_workers) {
        let mut line = |name: &str, value| line(&format!("worker{}.{name}", worker.id), value);
        line("requests", worker.requests);
        line("rss_size", worker.rss);
        line("vsz_size", worker.vsz);
        line("avg_rt", worker.avg_rt);
        line("tx", worker.tx);
        line("busyness", if worker.status == "busy" { 100 } else { 0 });
        line("harakiri", worker.harakiri_count.into());
    }
    let active = workers.iter().filter(|worker| worker.status != "cheap").count() as u64;
    let busy = workers.iter().filter(|worker| worker.status == "busy").count() as u64;
    line("rss_size", sum(|worker| worker.rss));
    line("vsz_size", sum(|worker| worker.vsz));
    line("avg_rt", running.checked_div(requests).unwrap_or(0));
    line("tx", sum(|worker| worker.tx));
    line("busyness", (busy * 100).checked_div(active).unwrap_or(0));
    line("active_workers", active);
    line("harakiri", sum(|worker| worker.harakiri_count.into()));
    text
}

impl Job {
    fn run(self) -> io::Result<()> {
        match self {
            Self::Datagrams { address, packets } if address.contains('/') => {
                let socket = UnixDatagram::unbound()?;
                packets.iter().try_for_each(|packet| socket.send_to(packet.as_bytes(), &address).map(drop))
            }
            Self::Datagrams { address, packets } => {
                let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
                let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
                packets.iter().try_for_each(|packet| socket.send_to(packet.as_bytes(), address).map(drop))
            }
            Self::Stream { carbon, text } => send_stream(&carbon, &text),
            Self::Append { path, text } => {
                let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
                file.write_all(text.as_bytes())
            }
            Self::Files { directory, values } => write_files(&directory, &values),
        }
    }
}

fn send_stream(carbon: &Carbon, text: &str) -> io::Result<()> {
    let mut attempt = 0;
    loop {
        let sent = connect(carbon).and_then(|mut stream| stream.write_all(text.as_bytes()));
        if sent.is_ok() || attempt >= carbon.retries {
            return sent;
        }
        attempt += 1;
        std::thread::sleep(carbon.retry_delay);
    }
}

fn connect(carbon: &Carbon) -> io::Result<TcpStream> {
    let address = carbon.address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, carbon.timeout)?;
    stream.set_write_timeout(Some(carbon.timeout))?;
    Ok(stream)
}

/// A reader sees the old or the new number, never half of one.
fn write_files(directory: &Path, values: &[(String, u64)]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, value) in values {
        let temporary = directory.join(format!(".{name}"));
        fs::write(&temporary, format!("{value}\n"))?;
        fs::rename(temporary, directory.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_types_of_statsd() {
        let metric = |kind| Metric { name: "a.b".into(), oid: String::new(), kind, value: 7 };
        for (kind, all_gauges, expected) in [
            (Kind::Counter, false, "p.a.b:7|c"),
            (Kind::Gauge, false, "p.a.b:7|g"),
            (Kind::Alias, false, "p.a.b:7|g"),
            (Kind::Counter, true, "p.a.b:7|g"),
        ] {
            assert_eq!(statsd("p", &metric(kind), all_gauges), expected);
        }
    }

    #[test]
    fn each_metric_has_a_file_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("m");
        let values = |value| vec![("worker.1.requests".to_owned(), value), ("core.total_tx".to_owned(), 9)];
        write_files(&directory, &values(1)).unwrap();
        write_files(&directory, &values(2)).unwrap();
        assert_eq!(fs::read_to_string(directory.join("worker.1.requests")).unwrap(), "2\n");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    }
}
