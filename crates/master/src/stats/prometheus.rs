//! `/metrics`: the figures in Prometheus's text format 0.0.4, which OpenMetrics readers take too.

use super::ledger::Ledger;
use super::report::{Report, View};
use margrave_stats::histogram::{self, BUCKETS, CLASSES, Measure};
use margrave_sys::clock;
use std::fmt::{Display, Write};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the text is made from besides the document.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The document.
    pub report: &'a Report<'a>,
    /// Sums over all processes that there have been.
    pub totals: &'a Ledger,
    /// Reloads so far.
    pub reloads: u32,
    /// Seconds since 1970 at which the master started.
    pub started: u64,
    /// Lines that the master could not write.
    pub lost_lines: u64,
    /// The version.
    pub version: &'a str,
}

/// The text.
#[must_use]
pub fn text(view: &View<'_>, facts: &Facts<'_>) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    page.instance(view, facts);
    page.workers(facts);
    page.sockets(facts);
    for (measure, name, help) in [
        (
            Measure::Duration,
            "margrave_request_duration_seconds",
            "Time from a thread taking a request to its end.",
        ),
        (Measure::Queue, "margrave_queue_wait_seconds", "Time of complete requests without a thread."),
        (
            Measure::Gil,
            "margrave_gil_wait_seconds",
            "Time of requests that have a thread and wait for the interpreter's lock.",
        ),
    ] {
        page.histograms(facts.totals, measure, name, help);
    }
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let text = text.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if number == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, &[], value);
    }

    fn instance(&mut self, view: &View<'_>, facts: &Facts<'_>) {
        self.head("margrave_info", "gauge", "The version, as a label.");
        self.value("margrave_info", &[("version", &facts.version)], 1);
        self.one(
            "margrave_start_time_seconds",
            "gauge",
            "Start of the master, seconds since 1970.",
            facts.started,
        );
        self.one("margrave_generation", "gauge", "The generation of workers that serves.", view.number);
        self.one("margrave_reloads_total", "counter", "Reloads that were begun.", facts.reloads);
        let [requests, exceptions, tx, accepted, aborted, refused, lost, files, _] = facts.totals.counters;
        for (name, help, value) in [
            ("margrave_requests_total", "Requests answered, files included.", requests),
            ("margrave_static_requests_total", "Requests answered with a file, without Python.", files),
            (
                "margrave_exceptions_total",
                "Requests that ended in an exception of the application.",
                exceptions,
            ),
            ("margrave_sent_bytes_total", "Bytes of answers.", tx),
            ("margrave_connections_total", "Connections accepted.", accepted),
            ("margrave_aborted_total", "Clients that left before the end of their request.", aborted),
            (
                "margrave_refused_total",
                "Requests that were refused before any application saw them.",
                refused,
            ),
            ("margrave_harakiri_total", "Requests ended by their deadline.", facts.totals.harakiri()),
            (
                "margrave_log_lines_lost_total",
                "Log lines that could not be written.",
                lost + facts.lost_lines,
            ),
        ] {
            self.one(name, "counter", help, value);
        }
        self.one(
            "margrave_scrape_time_seconds",
            "gauge",
            "The time of these figures.",
            clock::wall().as_secs_f64(),
        );
    }

    fn workers(&mut self, facts: &Facts<'_>) {
        let workers = &facts.report.workers;
        self.head("margrave_workers", "gauge", "Workers by state.");
        for state in ["idle", "busy", "cheap"] {
            let count = workers.iter().filter(|worker| worker.status == state).count();
            self.value("margrave_workers", &[("state", &state)], count);
        }
        type Figure = fn(&super::report::WorkerReport<'_>) -> u64;
        let figures: [(&str, &str, &str, Figure); 7] = [
            ("margrave_worker_requests_total", "counter", "Requests answered.", |worker| worker.requests),
            (
                "margrave_worker_exceptions_total",
                "counter",
                "Requests that ended in an exception.",
                |worker| worker.exceptions,
            ),
            ("margrave_worker_spawns_total", "counter", "Processes that have had this number.", |worker| {
                worker.respawn_count.into()
            }),
            ("margrave_worker_resident_bytes", "gauge", "Resident memory.", |worker| worker.rss),
            ("margrave_worker_address_space_bytes", "gauge", "Address space.", |worker| worker.vsz),
            ("margrave_worker_connections", "gauge", "Connections open now.", |worker| worker.connections),
            (
                "margrave_worker_requests_in_flight",
                "gauge",
                "Requests read and not yet answered.",
                |worker| worker.in_flight,
            ),
        ];
        for (name, kind, help, figure) in figures {
            self.head(name, kind, help);
            for worker in workers {
                self.value(name, &[("worker", &worker.id)], figure(worker));
            }
        }
    }

    fn sockets(&mut self, facts: &Facts<'_>) {
        let sockets = &facts.report.sockets;
        self.head("margrave_listen_queue", "gauge", "Connections that wait in the backlog.");
        for socket in sockets {
            self.value("margrave_listen_queue", &[("listener", &socket.name)], socket.queue);
        }
        self.head("margrave_listen_queue_limit", "gauge", "Connections that may wait in the backlog.");
        for socket in sockets {
            self.value("margrave_listen_queue_limit", &[("listener", &socket.name)], socket.max_queue);
        }
    }

    fn histograms(&mut self, totals: &Ledger, measure: Measure, name: &str, help: &str) {
        self.head(name, "histogram", help);
        for (listener, words) in &totals.listeners {
            for class in 0..CLASSES {
                self.histogram(name, listener, class, measure, words);
            }
        }
    }

    fn histogram(&mut self, name: &str, listener: &str, class: usize, measure: Measure, words: &[u64]) {
        let of = |measure| words.get(histogram::offset(class, measure)..).unwrap_or_default();
        let count: u64 = of(Measure::Duration).iter().take(BUCKETS).sum();
        if count == 0 {
            return;
        }
        let found = of(measure);
        let recorded: u64 = found.iter().take(BUCKETS).sum();
        // Waits of nothing are not recorded; their number is that of all requests less the others.
        let mut below = count.saturating_sub(recorded);
        let status = format!("{}xx", class + 1);
        let bucket = format!("{name}_bucket");
        for (place, recorded) in found.iter().take(BUCKETS).enumerate() {
            below += recorded;
            let bound =
                histogram::bound(place).map_or("+Inf".to_owned(), |micros| (micros as f64 / 1e6).to_string());
            self.value(&bucket, &[("listener", &listener), ("status", &status), ("le", &bound)], below);
        }
        let sum = found.get(BUCKETS).copied().unwrap_or(0) as f64 / 1e6;
        self.value(&format!("{name}_sum"), &[("listener", &listener), ("status", &status)], sum);
        self.value(&format!("{name}_count"), &[("listener", &listener), ("status", &status)], below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_stats::histogram::{LISTENER_WORDS, bucket, offset};

    #[test]
    fn waits_of_nothing_are_in_the_first_bucket() {
        let mut words = vec![0; LISTENER_WORDS];
        words[offset(1, Measure::Duration) + bucket(100)] = 3;
        words[offset(1, Measure::Duration) + BUCKETS] = 300;
        words[offset(1, Measure::Gil) + bucket(200)] = 1;
        words[offset(1, Measure::Gil) + BUCKETS] = 200;
        let mut totals = Ledger::default();
        totals.listeners.insert("a\"b".into(), words);
        let mut page = Page(String::new());
        page.histograms(&totals, Measure::Gil, "m", "h");
        let lines: Vec<&str> = page.0.lines().collect();
        assert_eq!(lines[..2], ["# HELP m h", "# TYPE m histogram"]);
        assert_eq!(lines[2], r#"m_bucket{listener="a\"b",status="2xx",le="0.000064"} 2"#);
        assert_eq!(lines[4], r#"m_bucket{listener="a\"b",status="2xx",le="0.000256"} 3"#);
        assert_eq!(
            lines[lines.len() - 3..],
            [
                r#"m_bucket{listener="a\"b",status="2xx",le="+Inf"} 3"#,
                r#"m_sum{listener="a\"b",status="2xx"} 0.0002"#,
                r#"m_count{listener="a\"b",status="2xx"} 3"#,
            ]
        );
    }
}
