//! Which line goes where: drains, routes, encoders, targets; as uWSGI's master decides.
//!
//! A target that fails loses its line and nothing else: the loss is counted, and said when lines pass again.

use super::encode::Encoders;
use super::target::{Target, without_end};
use crate::error::StartError;
use margrave_config::settings::{LogEncoder, LogEncoding, LogRoute, LogSettings, Logger};
use margrave_sys::clock;
use regex_lite::Regex;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What `log-json` makes of lines that are not request lines.
const JSON_LINE: &str = r#"{"isotime":"${strftime:%Y-%m-%dT%H:%M:%S%z}","message":"${msg}"}"#;

/// Shortest time between two sentences about lost lines.
const LOSS_PAUSE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug)]
pub struct Dispatcher {
    ordinary: Lane,
    requests: Lane,
    /// Request lines have a lane of their own.
    sorts: bool,
    /// For ordinary lines when request lines are documents by themselves.
    json: Encoders,
    filters: Vec<Regex>,
    /// Lines lost in all, and those not told of yet.
    lost: u64,
    untold: u64,
    next_told: Duration,
}

/// Loggers of one kind of lines.
#[derive(Debug, Default)]
struct Lane {
    loggers: Vec<(Option<String>, Target)>,
    encoders: Encoders,
    drains: Vec<Regex>,
    /// Patterns and names of loggers.
    routes: Vec<(Regex, String)>,
}

impl Dispatcher {
    /// Writes to standard error.
    #[must_use]
    pub fn plain() -> Self {
        Self::with(Lane { loggers: vec![(None, Target::StandardError)], ..Lane::default() })
    }

    fn with(ordinary: Lane) -> Self {
        Self {
            ordinary,
            requests: Lane::default(),
            sorts: false,
            json: Encoders::default(),
            filters: Vec::new(),
            lost: 0,
            untold: 0,
            next_told: Duration::ZERO,
        }
    }

    /// Opens what the configuration says. `file` is what standard error has been redirected to, if anything.
    ///
    /// # Errors
    /// When a target cannot be opened.
    pub fn open(settings: &LogSettings, file: Option<PathBuf>) -> Result<Self, StartError> {
        let main = || match file {
            Some(path) => Target::main_file(path, settings),
            None => Ok(Target::StandardError),
        };
        let mut ordinary = Lane {
            loggers: open(&settings.loggers, settings)?,
            encoders: Encoders::new(&settings.encoders),
            drains: patterns(&settings.drains),
            routes: routes(&settings.routes),
        };
        // Named loggers get what is routed to them; the rest needs a place too.
        if ordinary.loggers.iter().all(|(name, _)| name.is_some()) {
            ordinary.loggers.push((None, main()?));
        }
        let requests = Lane {
            loggers: open(&settings.request_loggers, settings)?,
            encoders: Encoders::new(&settings.request_encoders),
            drains: patterns(&settings.request_drains),
            routes: routes(&settings.request_routes),
        };
        let own = |encoding| LogEncoder { logger: None, encoding };
        let json = settings.json && settings.encoders.is_empty();
        let document = [own(LogEncoding::Json(JSON_LINE.to_owned())), own(LogEncoding::Newline)];
        Ok(Self {
            sorts: !settings.request_loggers.is_empty(),
            requests,
            json: if json { Encoders::new(&document) } else { Encoders::default() },
            filters: patterns(&settings.filters),
            ..Self::with(ordinary)
        })
    }

    /// What to warn of at the start.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let all = self.ordinary.loggers.iter().chain(&self.requests.loggers);
        all.filter_map(|(_, target)| target.trouble()).collect()
    }

    /// Passes lines on, each with its end. `true` when standard error has become another file.
    pub fn pass_on(&mut self, lines: &[u8], is_request: bool) -> bool {
        let now = clock::wall();
        let mut moved = false;
        if self.untold > 0 && clock::monotonic() >= self.next_told {
            self.next_told = clock::monotonic() + LOSS_PAUSE;
            let count = std::mem::take(&mut self.untold);
            let text = format!(
                "margrave: warning: {count} log lines were lost, because they could not be written\n"
            );
            moved = self.send(text.as_bytes(), false, now);
        }
        self.send(lines, is_request, now) | moved
    }

    /// Lines that nothing looks into go to their targets together.
    fn send(&mut self, lines: &[u8], is_request: bool, now: Duration) -> bool {
        let separate = is_request && self.sorts;
        let lane = if separate { &mut self.requests } else { &mut self.ordinary };
        let changes = !separate && !self.filters.is_empty() || !is_request && !self.json.is_empty();
        if changes || !lane.is_plain() {
            let mut moved = false;
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                moved |= self.send_line(line, is_request, now);
            }
            return moved;
        }
        let (moved, lost) = lane.write_lines(lines);
        self.lose(lost);
        moved
    }

    fn send_line(&mut self, line: &[u8], is_request: bool, now: Duration) -> bool {
        let separate = is_request && self.sorts;
        let lane = if separate { &mut self.requests } else { &mut self.ordinary };
        let mut names = Vec::new();
        if !(lane.drains.is_empty() && lane.routes.is_empty() && self.filters.is_empty()) {
            let text = String::from_utf8_lossy(without_end(line));
            let matches = |pattern: &Regex| pattern.is_match(&text);
            let filtered = !separate && !self.filters.is_empty() && !self.filters.iter().any(matches);
            if filtered || lane.drains.iter().any(matches) {
                return false;
            }
            let routes = lane.routes.iter().filter(|(pattern, _)| matches(pattern));
            names.extend(routes.map(|(_, name)| name.clone()));
        }
        let json = (!is_request).then_some(&self.json);
        let (moved, lost) = lane.write(line, &names, json, now);
        self.lose(lost);
        moved
    }

    /// Counts lines that never came here.
    pub fn lose(&mut self, count: u64) {
        self.lost += count;
        self.untold += count;
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Renames the log files and goes on with new ones. `true` when standard error has become another file.
    pub fn rotate(&mut self) -> bool {
        self.each_target("rotated", Target::rotate)
    }

    /// Opens the log files anew. `true` when standard error has become another file.
    pub fn reopen(&mut self) -> bool {
        self.each_target("opened anew", Target::reopen)
    }

    fn each_target(&mut self, what: &str, act: impl Fn(&mut Target) -> io::Result<bool>) -> bool {
        let (mut moved, mut troubles) = (false, Vec::new());
        for (_, target) in self.ordinary.loggers.iter_mut().chain(&mut self.requests.loggers) {
            match act(target) {
                Ok(changed) => moved |= changed,
                Err(error) => troubles.push(format!(
                    "margrave: error: a log file cannot be {what}: {error}; it goes on as it was\n"
                )),
            }
        }
        for trouble in troubles {
            moved |= self.pass_on(trouble.as_bytes(), false);
        }
        moved
    }
}

impl Lane {
    /// Its lines go to the loggers without a name as they are.
    fn is_plain(&self) -> bool {
        self.drains.is_empty() && self.routes.is_empty() && self.encoders.is_empty()
    }

    /// Writes lines as they are. Whether standard error has become another file, and how many lines were lost.
    fn write_lines(&mut self, lines: &[u8]) -> (bool, u64) {
        let (mut moved, mut lost) = (false, 0);
        for (_, target) in self.loggers.iter_mut().filter(|(name, _)| name.is_none()) {
            let (changed, missing) = target.write_lines(lines);
            moved |= changed;
            lost += missing;
        }
        (moved, lost)
    }

    /// Writes a line to the loggers of these names, or, when there are none, to those without a name. Whether standard error
    /// has become another file, and how often a line was lost.
    fn write(
        &mut self,
        line: &[u8],
        names: &[String],
        json: Option<&Encoders>,
        now: Duration,
    ) -> (bool, u64) {
        let (mut moved, mut lost) = (false, 0);
        for (name, target) in &mut self.loggers {
            let meant = match name {
                Some(name) => names.contains(name),
                None => names.is_empty(),
            };
            if !meant {
                continue;
            }
            let mut text = Vec::with_capacity(line.len() + 128);
            text.extend_from_slice(line);
            if let Some(json) = json {
                json.encode(&mut text, name.as_deref(), now);
            }
            self.encoders.encode(&mut text, name.as_deref(), now);
            match target.write(&text) {
                Ok(changed) => moved |= changed,
                Err(_) => lost += 1,
            }
        }
        (moved, lost)
    }
}

/// Ends of lines in `text`.
pub fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

fn open(loggers: &[Logger], settings: &LogSettings) -> Result<Vec<(Option<String>, Target)>, StartError> {
    let opened =
        loggers.iter().map(|logger| Ok((logger.name.clone(), Target::open(&logger.target, settings)?)));
    opened.collect()
}

/// The configuration has checked them.
fn patterns(list: &[String]) -> Vec<Regex> {
    list.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
}

fn routes(list: &[LogRoute]) -> Vec<(Regex, String)> {
    let routes = list.iter().map(|route| Some((Regex::new(&route.pattern).ok()?, route.logger.clone())));
    routes.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_config::settings::LogTarget;
    use std::fs;
    use std::path::Path;

    fn logger(name: Option<&str>, path: &Path) -> Logger {
        Logger { name: name.map(str::to_owned), target: LogTarget::File(path.into()) }
    }

    #[test]
    fn lines_follow_routes_drains_and_filters() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let route = |logger: &str, pattern: &str| LogRoute { logger: logger.into(), pattern: pattern.into() };
        let settings = LogSettings {
            loggers: vec![logger(None, &path("all")), logger(Some("db"), &path("db"))],
            request_loggers: vec![logger(None, &path("req")), logger(Some("api"), &path("api"))],
            routes: vec![route("db", "(?i)sql")],
            request_routes: vec![route("api", " /api/")],
            drains: vec!["^debug".into()],
            request_drains: vec!["healthz".into()],
            filters: vec!["keep|SQL".into()],
            ..LogSettings::default()
        };
        let mut log = Dispatcher::open(&settings, None).unwrap();
        for (line, is_request) in [
            ("keep 1", false),
            ("debug keep", false),
            ("other", false),
            ("SQL 2", false),
            ("GET / 3", true),
            ("GET /api/x 4", true),
            ("GET /healthz 5", true),
        ] {
            log.pass_on(format!("{line}\n").as_bytes(), is_request);
        }
        let read = |name| fs::read_to_string(path(name)).unwrap();
        assert_eq!(
            [read("all"), read("db"), read("req"), read("api")],
            ["keep 1\n", "SQL 2\n", "GET / 3\n", "GET /api/x 4\n"]
        );
    }

    #[test]
    fn a_lost_line_is_counted_and_told_when_lines_pass_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let full = Logger { name: None, target: LogTarget::File("/dev/full".into()) };
        let settings = LogSettings { loggers: vec![logger(None, &path), full], ..LogSettings::default() };
        let mut log = Dispatcher::open(&settings, None).unwrap();
        log.pass_on(b"one\n", false);
        log.pass_on(b"two\n", false);
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "one\nmargrave: warning: 1 log lines were lost, because they could not be written\ntwo\n"
        );
        assert_eq!(log.lost(), 3);
        log.pass_on(b"three\nfour\n", false);
        assert_eq!(log.lost(), 5, "lines that go together are counted one by one");
    }
}
