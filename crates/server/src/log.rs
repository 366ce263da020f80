//! What a worker writes to the log: one line a request, and what goes wrong on the wire.
//!
//! Lines are formed by the thread that ran the request, gathered in the reactor, and left in batches to the thread of
//! [`LogWriter`]. Standard error is the log: the master has made it so.

use crate::log_writer::LogWriter;
use crate::site::Site;
use margrave_config::settings::{LogSettings, ProcessSettings};
use margrave_stats::date::DateCache;
use margrave_stats::log_format::{FormatOptions, LogFormat, Lookup, Record};
use margrave_stats::scoreboard::{Counter, Slot};
use margrave_sys::{clock, process};
use margrave_wire::{Known, Request, ResponseEncoder, WireError};
use std::cell::RefCell;
use std::fmt::Arguments;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Begins a request line where request lines have a destination of their own: the master sorts them by it.
const REQUEST_MARK: u8 = 0x1e;
/// Refused requests logged within a second; the rest is only counted.
const REFUSALS_A_SECOND: u64 = 5;
/// How long the end of a worker waits for its last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the local time's distance from UTC is believed.
const OFFSET_SECONDS: u64 = 60;

/// Decides which requests are logged, and how.
pub(crate) struct RequestLog {
    settings: LogSettings,
    format: LogFormat,
    writer: LogWriter,
    /// Lines show memory, so somebody has to sample it.
    pub(crate) shows_memory: bool,
    worker: u16,
    pid: i32,
    /// The second, shifted left by 16, and the refusals logged in it.
    refusals: AtomicU64,
}

/// What is known of a finished request.
pub(crate) struct Line<'a> {
    pub(crate) request: &'a Request,
    pub(crate) encoder: &'a ResponseEncoder,
    pub(crate) variables: &'a [(Vec<u8>, Vec<u8>)],
    pub(crate) micros: u64,
    /// Number of the application; `None` when none was asked.
    pub(crate) app: Option<u16>,
    pub(crate) core: usize,
    /// Pieces of body that the application gave.
    pub(crate) pieces: u64,
    pub(crate) via_file: bool,
    pub(crate) failed_writes: bool,
    /// Reading the request or its body failed.
    pub(crate) failed_reads: bool,
    /// The request's deadline took the answer from the application: the client got this status instead.
    pub(crate) overdue: Option<u16>,
}

impl Line<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.overdue.unwrap_or_else(|| self.encoder.status())
    }

    fn body_bytes(&self) -> u64 {
        if self.overdue.is_some() { 0 } else { self.encoder.body_sent() }
    }
}

impl RequestLog {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When threads are exhausted.
    pub(crate) fn new(
        settings: &LogSettings,
        process: &ProcessSettings,
        worker: u16,
        counters: Slot<'static>,
    ) -> io::Result<Self> {
        let options = FormatOptions {
            date: settings.date.as_deref(),
            strftime: settings.format_strftime,
            json: settings.format_is_json,
            micros: settings.micros,
            memory_report: process.memory_report,
        };
        let format = match &settings.format {
            Some(format) => LogFormat::parse(format, &options),
            None => LogFormat::standard(&options),
        };
        Ok(Self {
            writer: LogWriter::start(counters)?,
            shows_memory: process.memory_report || format.needs_memory(),
            format,
            settings: settings.clone(),
            worker,
            pid: process::id(),
            refusals: AtomicU64::new(0),
        })
    }

    /// Leaves gathered lines to be written.
    pub(crate) fn write(&self, lines: &[u8]) {
        if !lines.is_empty() {
            self.writer.push(lines);
        }
    }

    /// Waits for the last lines to be written, within bounds.
    pub(crate) fn flush(&self) {
        self.writer.flush(LAST_WORDS);
    }

    /// A line of our own, and something to do once it has been written.
    pub(crate) fn say_then(&self, what: Arguments<'_>, then: impl FnOnce() + Send + 'static) {
        self.writer.push_then(format!("margrave: {what}\n").as_bytes(), Some(Box::new(then)));
    }

    /// Writes a line of our own.
    pub(crate) fn say(&self, what: Arguments<'_>) {
        self.write(format!("margrave: {what}\n").as_bytes());
    }

    /// A request that was refused before any application saw it; `detail` ends the sentence.
    pub(crate) fn refusal(&self, now: Duration, client: &str, error: &WireError, detail: &str) {
        let second = now.as_secs();
        let before = self.refusals.load(Relaxed);
        let count = if before >> 16 == second { before & 0xffff } else { 0 };
        self.refusals.store(second << 16 | (count + 1).min(0xffff), Relaxed);
        if count < REFUSALS_A_SECOND {
            let client = if client.is_empty() { "a local client" } else { client };
            self.say(format_args!("request of {client} refused with {}: {error}{detail}", error.status()));
        }
    }

    /// Appends the line of a finished request to `out`, if it is to be logged.
    pub(crate) fn record(&self, site: &Site, line: &Line<'_>, always: bool, out: &mut Vec<u8>) {
        if !always && !self.wants(line) {
            return;
        }
        if self.settings.marks_requests() {
            out.push(REQUEST_MARK);
        }
        CLOCK.with_borrow_mut(|clock| {
            let end = clock::wall();
            let record = self.facts(site, line, end, clock.offset(end.as_secs()));
            self.format.render(&record, &mut clock.dates, out);
        });
    }

    fn wants(&self, line: &Line<'_>) -> bool {
        let settings = &self.settings;
        if !settings.disable_requests {
            return true;
        }
        let status = line.status();
        let slow = settings.log_slow.is_some_and(|slow| u128::from(line.micros) >= slow.as_micros());
        let big = settings.log_big.is_some_and(|big| line.body_bytes() >= big);
        (settings.log_4xx && (400..500).contains(&status))
            || (settings.log_5xx && status >= 500)
            || (settings.log_zero && line.body_bytes() == 0)
            || (settings.log_sendfile && line.via_file)
            || (settings.log_io_error && (line.failed_writes || line.failed_reads))
            || slow
            || big
    }

    fn facts<'a>(&self, site: &Site, line: &'a Line<'a>, end: Duration, offset: i64) -> Record<'a> {
        let var = |known| line.request.var(known).unwrap_or_default();
        let (vars, vars_bytes) = line.request.vars_bytes();
        let end = u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
        let requests = site.slot.counter(Counter::Requests).load(Relaxed);
        Record {
            method: var(Known::RequestMethod),
            uri: var(Known::RequestUri),
            protocol: var(Known::ServerProtocol),
            addr: self.client(line.request),
            user: var(Known::RemoteUser),
            host: var(Known::HttpHost),
            user_agent: var(Known::HttpUserAgent),
            referer: var(Known::HttpReferer),
            vars,
            vars_bytes,
            content_length: number(var(Known::ContentLength)),
            status: line.status(),
            headers: if line.overdue.is_some() { 0 } else { line.encoder.field_count() },
            headers_bytes: if line.overdue.is_some() { 0 } else { line.encoder.head_len() as u64 },
            body_bytes: line.body_bytes(),
            via_sendfile: line.via_file,
            start_unix_micros: end.saturating_sub(line.micros),
            end_unix_micros: end,
            duration_micros: line.micros,
            offset_seconds: i32::try_from(offset).unwrap_or(0),
            pid: self.pid,
            worker: self.worker,
            core: line.core,
            app: line.app.map_or(-1, i32::from),
            app_requests: line.app.map_or(-1, |_| i64::try_from(requests).unwrap_or(i64::MAX)),
            total_requests: site.instance.counter(Counter::Requests).load(Relaxed),
            switches: line.pieces,
            rss_bytes: site.slot.counter(Counter::Rss).load(Relaxed),
            vsz_bytes: site.slot.counter(Counter::Vsz).load(Relaxed),
            write_errors: line.failed_writes.into(),
            read_errors: line.failed_reads.into(),
            lookup: line,
            ..Record::empty()
        }
    }

    /// The address to show: with `log-x-forwarded-for` what a trusted proxy says there, else in `Forwarded`.
    fn client<'a>(&self, request: &'a Request) -> &'a [u8] {
        let direct = request.var(Known::RemoteAddr).unwrap_or_default();
        if !self.settings.x_forwarded_for || !request.is_trusted() {
            return direct;
        }
        request
            .var(Known::HttpXForwardedFor)
            .filter(|address| !address.is_empty())
            .or(request.forwarded_client())
            .unwrap_or(direct)
    }
}

impl Lookup for Line<'_> {
    fn var(&self, name: &[u8]) -> Option<&[u8]> {
        self.request.find(name)
    }

    fn log_variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    fn metric(&self, _name: &[u8]) -> Option<i64> {
        None
    }
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Dates as text, and the distance of local time from UTC, kept for a while.
struct LocalClock {
    dates: DateCache,
    offset: i64,
    good_until: u64,
}

impl LocalClock {
    fn offset(&mut self, now: u64) -> i64 {
        if now >= self.good_until {
            self.offset = clock::utc_offset(i64::try_from(now).unwrap_or(0));
            self.good_until = now + OFFSET_SECONDS;
        }
        self.offset
    }
}

thread_local! {
    static CLOCK: RefCell<LocalClock> =
        RefCell::new(LocalClock { dates: DateCache::new(), offset: 0, good_until: 0 });
}
