//! What is known of options beside their rows: defaults here and in uWSGI 2.0.31, and examples.
//!
//! Beside the rows, since most options need neither: a flag is off, everything else is not set, and the example of the
//! kind will do. A test sets every option that works to its default and finds the settings unchanged.

use super::{Argument, Kind, OptionRow, Status};

/// An option, its value here when nobody gives it, and in uWSGI.
type Default = (&'static str, &'static str, &'static str);

/// What an option is when it is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Here; nothing for an option without effect.
    pub here: Option<&'static str>,
    /// In uWSGI.
    pub uwsgi: &'static str,
}

const NOT_SET: &str = "not set";
const OFF: &str = "off";

#[rustfmt::skip] // One option a line: a table.
const DEFAULTS: &[Default] = &[
    ("processes", "1", "1"),
    ("threads", "1", "1"),
    ("listen", "4096, or net.core.somaxconn when that is less", "100"),
    ("protocol", "uwsgi", "uwsgi"),
    ("buffer-size", "65536", "4096"),
    ("post-buffering", "1048576", "0 (bodies are not read ahead)"),
    ("post-buffering-bufsize", NOT_SET, "8192"),
    ("write-buffer", "1048576", "no such option"),
    ("honour-range", "on", "off"),
    ("static-memory", "8388608", "no such option"),
    ("static-memory-file", "65536", "no such option"),
    ("http-keepalive", "75", OFF),
    ("http-timeout", "60", "60"),
    ("http-headers-timeout", "60", "that of http-timeout"),
    ("http-connect-timeout", NOT_SET, "that of http-timeout"),
    ("socket-timeout", "60", "4"),
    ("forwarded-allow", "private", "no such option (everyone is believed)"),
    ("underscore-headers", OFF, "no such option (always on)"),
    ("callable", "application", "application"),
    ("need-app", "on", OFF),
    ("switch-interval", "500us", "no such option (Python's own 5ms)"),
    ("optimize", "0", "0"),
    ("preload-urls", "on", "no such option"),
    ("vacuum", "on", OFF),
    ("enable-threads", "on", "on (off before 2.0.27)"),
    ("single-interpreter", "on", OFF),
    ("master", "on", OFF),
    ("die-on-term", "on", OFF),
    ("close-on-exec", "on", OFF),
    ("thunder-lock", NOT_SET, OFF),
    ("min-worker-lifetime", "10", "10"),
    ("worker-reload-mercy", "60", "60"),
    ("reload-mercy", "60", "60"),
    ("mule-reload-mercy", NOT_SET, "60"),
    ("max-requests-delta", "a tenth of max-requests", "0"),
    ("harakiri-graceful-signal", "15", "15"),
    ("locks", "0", "0"),
    ("max-apps", NOT_SET, "64"),
    ("max-vars", NOT_SET, "64"),
    ("check-interval", NOT_SET, "1"),
    ("forkbomb-delay", NOT_SET, "2"),
    ("backtrace-depth", NOT_SET, "64"),
    ("cheaper-algo", "spare", "spare"),
    ("cheaper-step", "1", "1"),
    ("cheaper-overload", "3", "3"),
    ("cheaper-idle", "10", "10"),
    ("cheaper-busyness-max", "50", "50"),
    ("cheaper-busyness-min", "25", "25"),
    ("cheaper-busyness-multiplier", "10", "10"),
    ("cheaper-busyness-penalty", "2", "2"),
    ("cheaper-busyness-backlog-alert", "33", "33"),
    ("cheaper-busyness-backlog-multiplier", "3", "3"),
    ("cheaper-busyness-backlog-step", "1", "1"),
    ("cheaper-busyness-backlog-nonzero", "60", "60"),
    ("log-format", "uWSGI's line: pid, counters, client, request, size, time, status", "the same"),
    ("log-maxsize", "0 (no rotation)", "0 (no rotation)"),
    ("log-master-bufsize", NOT_SET, "8192"),
    ("logfile-chmod", "640", "640"),
    ("memory-report", OFF, OFF),
    ("limit-post", "0 (no limit)", "0 (no limit)"),
    ("emperor-freq", "3", "3"),
    ("emperor-required-heartbeat", "30", "30"),
    ("emperor-curse-tolerance", "30", "30"),
    ("emperor-throttle", "1000", "1000"),
    ("emperor-max-throttle", "180000", "180000"),
    ("stats-pusher-default-freq", "3", "3"),
    ("alarm-freq", "3", "3"),
    ("alarm-msg-size", "8192", "8192"),
    ("carbon-freq", "60", "60"),
    ("carbon-timeout", "3", "3"),
    ("carbon-max-retry", "1", "1"),
    ("carbon-retry-delay", "7", "7"),
    ("carbon-root", "uwsgi", "uwsgi"),
    ("cache-blocksize", "65536", "65536"),
    ("cache-expire-freq", "3", "3"),
    ("queue-blocksize", "8192", "8192"),
    ("spooler-processes", "1", "1"),
    ("spooler-frequency", "30", "30"),
    ("mule-msg-size", "65536", "65536"),
    ("rpc-max", NOT_SET, "64"),
    ("chunked-input-limit", "1048576", "1048576"),
    ("chunked-input-timeout", "60", "4"),
    ("websockets-ping-freq", "30", "30"),
    ("websockets-pong-tolerance", "3", "3"),
    ("websockets-max-size", "1024", "1024"),
    ("subscribe-freq", "10", "10"),
    ("subscription-tolerance", "17", "17"),
    ("subscription-tolerance-inactive", "17", "17"),
    ("legion-freq", "3", "3"),
    ("legion-tolerance", "15", "15"),
    ("legion-skew-tolerance", "60", "60"),
    ("ping-timeout", "3", "3"),
    ("http-processes", NOT_SET, "1"),
    ("http-events", NOT_SET, "64"),
    ("fastrouter-timeout", "60", "60"),
    ("rawrouter-timeout", "60", "60"),
    ("sslrouter-timeout", "60", "60"),
    ("ssl-sessions-timeout", "300", "300"),
    ("reload-check", NOT_SET, "no such option"),
    ("warmup", NOT_SET, "no such option"),
    ("toml", NOT_SET, "no such option"),
    ("harakiri-kill", OFF, "no such option (always on)"),
    ("term-reloads", OFF, "no such option (on without die-on-term)"),
];

#[rustfmt::skip] // One example a line: a table.
const EXAMPLES: &[(&str, &str)] = &[
    ("readiness", "readiness = /ready"),
    ("socket", "socket = /run/site/site.sock"),
    ("uwsgi-socket", "uwsgi-socket = 127.0.0.1:3031"),
    ("http", "http = :8000"),
    ("http-socket", "http-socket = 127.0.0.1:8000"),
    ("fastcgi-socket", "fastcgi-socket = /run/site/fastcgi.sock"),
    ("chown-socket", "chown-socket = www-data:www-data"),
    ("listen", "listen = 1024"),
    ("map-socket", "map-socket = 0:1,2"),
    ("shared-socket", "shared-socket = 0.0.0.0:443"),
    ("buffer-size", "buffer-size = 32768"),
    ("limit-post", "limit-post = 104857600"),
    ("http-keepalive", "http-keepalive = 30"),
    ("add-header", "add-header = X-Frame-Options: DENY"),
    ("forwarded-allow", "forwarded-allow = 10.0.0.0/8, ::1"),
    ("module", "module = mysite.wsgi:application"),
    ("wsgi-file", "wsgi-file = app.py"),
    ("callable", "callable = app"),
    ("mount", "mount = /shop=shop.wsgi:application"),
    ("home", "home = /srv/site/venv"),
    ("python", "python = python3.12"),
    ("pythonpath", "pythonpath = /srv/site/src"),
    ("pyargv", "pyargv = --settings live"),
    ("import", "import = site.tasks"),
    ("shared-import", "shared-import = site.models"),
    ("py-autoreload", "py-autoreload = 1"),
    ("warmup", "warmup = /"),
    ("optimize", "optimize = 2"),
    ("switch-interval", "switch-interval = 1ms"),
    ("env", "env = DJANGO_SETTINGS_MODULE=mysite.settings"),
    ("unenv", "unenv = SECRET"),
    ("envdir", "envdir = /etc/site/env"),
    ("chdir", "chdir = /srv/site"),
    ("processes", "processes = 4"),
    ("threads", "threads = 2"),
    ("pidfile", "pidfile = /run/site/site.pid"),
    ("daemonize", "daemonize = /var/log/site.log"),
    ("procname-prefix", "procname-prefix = site-"),
    ("max-requests", "max-requests = 5000"),
    ("max-worker-lifetime", "max-worker-lifetime = 86400"),
    ("reload-on-rss", "reload-on-rss = 512"),
    ("harakiri", "harakiri = 60"),
    ("reload-check", "reload-check = /healthz"),
    ("touch-reload", "touch-reload = /srv/site/reload"),
    ("cheaper", "cheaper = 2"),
    ("cheaper-algo", "cheaper-algo = busyness"),
    ("hook-master-start", "hook-master-start = unix_signal:15 gracefully_kill_them_all"),
    ("threads-stacksize", "threads-stacksize = 1024"),
    ("reload-on-fd", "reload-on-fd = 3"),
    ("brutal-reload-on-fd", "brutal-reload-on-fd = 3"),
    ("hook-touch", "hook-touch = /srv/site/reload exec:/srv/site/prepare"),
    ("touch-exec", "touch-exec = /srv/site/reload /srv/site/prepare"),
    ("attach-daemon", "attach-daemon = celery -A site worker"),
    ("cron", "cron = 30 4 -1 -1 -1 /srv/site/nightly"),
    ("cron2", "cron2 = minute=30,hour=4 /srv/site/nightly"),
    ("uid", "uid = www-data"),
    ("gid", "gid = www-data"),
    ("umask", "umask = 027"),
    ("cap", "cap = setgid,setuid,net_bind_service"),
    ("cpu-affinity", "cpu-affinity = 1"),
    ("logto", "logto = /var/log/site.log"),
    ("logger", "logger = syslog:site"),
    ("req-logger", "req-logger = file:/var/log/site-requests.log"),
    ("log-format", "log-format = %(addr) \"%(method) %(uri)\" %(status) %(msecs) ms"),
    ("log-date", "log-date = %%Y-%%m-%%d %%H:%%M:%%S"),
    ("log-maxsize", "log-maxsize = 20971520"),
    ("log-slow", "log-slow = 1000"),
    ("worker-logger", "worker-logger = file:/var/log/site-workers.log"),
    ("worker-logger-req", "worker-logger-req = file:/var/log/site-requests.log"),
    ("log-encoder", "log-encoder = json"),
    ("stats-push", "stats-push = statsd:127.0.0.1:8125,shop"),
    ("control-socket", "control-socket = /run/shop.control"),
    ("instance-name", "instance-name = shop"),
    ("log-req-encoder", "log-req-encoder = nl"),
    ("worker-log-encoder", "worker-log-encoder = nl"),
    ("worker-log-req-encoder", "worker-log-req-encoder = nl"),
    ("log-route", "log-route = errors (error|Traceback)"),
    ("log-req-route", "log-req-route = slow msecs"),
    ("static-map", "static-map = /static=/srv/site/static"),
    ("static-map2", "static-map2 = /media=/srv/site"),
    ("check-static", "check-static = /srv/site/public"),
    ("static-index", "static-index = index.html"),
    ("static-skip-ext", "static-skip-ext = .php"),
    ("static-expires", "static-expires = /* 86400"),
    ("static-expires-mtime", "static-expires-mtime = [.]css$ 86400"),
    ("static-expires-type", "static-expires-type = text/css=86400"),
    ("static-expires-type-mtime", "static-expires-type-mtime = text/css=86400"),
    ("static-expires-uri", "static-expires-uri = [?]v= 31536000"),
    ("static-expires-uri-mtime", "static-expires-uri-mtime = [?]v= 31536000"),
    ("static-expires-path-info", "static-expires-path-info = ^/static/ 86400"),
    ("static-expires-path-info-mtime", "static-expires-path-info-mtime = ^/static/ 86400"),
    ("static-gzip-dir", "static-gzip-dir = /srv/site/static"),
    ("static-gzip-ext", "static-gzip-ext = .css"),
    ("file-serve-mode", "file-serve-mode = x-accel-redirect"),
    ("ini", "ini = common.ini:production"),
    ("include", "include = common.ini"),
    ("inherit", "inherit = template.ini"),
    ("set", "set = base=/srv/site"),
    ("set-placeholder", "set-placeholder = base=/srv/site"),
    ("declare-option", "declare-option = site=http=:$1;chdir=$2"),
    ("if-env", "if-env = PORT"),
    ("if-not-env", "if-not-env = PORT"),
    ("if-opt", "if-opt = stage=live"),
    ("if-not-opt", "if-not-opt = stage=live"),
    ("if-exists", "if-exists = /etc/site/local.ini"),
    ("if-not-exists", "if-not-exists = /etc/site/local.ini"),
    ("if-file", "if-file = /etc/site/local.ini"),
    ("if-not-file", "if-not-file = /etc/site/local.ini"),
    ("if-dir", "if-dir = /srv/site/venv"),
    ("if-not-dir", "if-not-dir = /srv/site/venv"),
    ("if-hostname", "if-hostname = web1"),
    ("if-not-hostname", "if-not-hostname = web1"),
    ("if-hostname-match", "if-hostname-match = ^web[0-9]+$"),
    ("if-not-hostname-match", "if-not-hostname-match = ^web[0-9]+$"),
    ("if-plugin", "if-plugin = python3"),
    ("if-not-plugin", "if-not-plugin = python3"),
    ("for", "for = 8001 8002"),
    ("for-glob", "for-glob = /srv/sites/*/static"),
    ("for-times", "for-times = 3"),
    ("for-readline", "for-readline = /etc/site/hosts"),
    ("endif", "endif ="),
    ("else", "else ="),
    ("plugins", "plugins = python3"),
    ("need-plugins", "need-plugins = python3"),
    ("fallback-config", "fallback-config = /etc/site/maintenance.ini"),
    ("exit", "exit = 3"),
    ("get", "get = chdir"),
    ("print", "print = starting %n"),
    ("stats", "stats = 127.0.0.1:9191"),
    ("emperor", "emperor = /etc/margrave/vassals"),
    ("vassals-set", "vassals-set = processes=2"),
    ("master-fifo", "master-fifo = /run/site/fifo"),
    ("route", "route = ^/health donotlog:"),
    ("cache2", "cache2 = name=pages,items=100"),
    ("spooler", "spooler = /var/spool/site"),
    ("mule", "mule = tasks.py"),
    ("alarm", "alarm = mail cmd:mail -s alarm admin"),
    ("subscribe-to", "subscribe-to = 192.0.2.1:7000:example.com"),
    ("gevent", "gevent = 100"),
    ("hook-asap", "hook-asap = exec:touch /run/app/there"),
    ("hook-pre-jail", "hook-pre-jail = exec:touch /run/app/there"),
    ("hook-post-jail", "hook-post-jail = exec:touch /run/app/there"),
    ("hook-in-jail", "hook-in-jail = exec:touch /run/app/there"),
    ("hook-as-root", "hook-as-root = exec:touch /run/app/there"),
    ("hook-as-user", "hook-as-user = exec:touch /run/app/there"),
    ("hook-as-user-atexit", "hook-as-user-atexit = exec:touch /run/app/there"),
    ("hook-pre-app", "hook-pre-app = exec:touch /run/app/there"),
    ("hook-post-app", "hook-post-app = exec:touch /run/app/there"),
    ("hook-post-fork", "hook-post-fork = exec:touch /run/app/there"),
    ("hook-accepting", "hook-accepting = exec:touch /run/app/there"),
    ("hook-accepting1", "hook-accepting1 = exec:touch /run/app/there"),
    ("hook-accepting-once", "hook-accepting-once = exec:touch /run/app/there"),
    ("hook-accepting1-once", "hook-accepting1-once = exec:touch /run/app/there"),
    ("mount-asap", "mount-asap = tmpfs none /srv/app/tmp nosuid,size=10m"),
    ("umount-asap", "umount-asap = /srv/app/tmp detach"),
    ("mount-pre-jail", "mount-pre-jail = tmpfs none /srv/app/tmp nosuid,size=10m"),
    ("umount-pre-jail", "umount-pre-jail = /srv/app/tmp detach"),
    ("mount-post-jail", "mount-post-jail = tmpfs none /srv/app/tmp nosuid,size=10m"),
    ("umount-post-jail", "umount-post-jail = /srv/app/tmp detach"),
    ("mount-in-jail", "mount-in-jail = tmpfs none /srv/app/tmp nosuid,size=10m"),
    ("umount-in-jail", "umount-in-jail = /srv/app/tmp detach"),
    ("mount-as-root", "mount-as-root = tmpfs none /srv/app/tmp nosuid,size=10m"),
    ("umount-as-root", "umount-as-root = /srv/app/tmp detach"),
    ("file-write", "file-write = /run/app/version=1.0"),
    ("unique-cron", "unique-cron = -5 -1 -1 -1 -1 python3 poll.py"),
    ("attach-daemon2", "attach-daemon2 = cmd=celery -A app worker,stopsignal=TERM"),
    ("attach-control-daemon", "attach-control-daemon = celery -A app worker"),
    ("smart-attach-daemon", "smart-attach-daemon = /run/app/redis.pid redis-server redis.conf"),
    ("smart-attach-daemon2", "smart-attach-daemon2 = /run/app/redis.pid redis-server"),
    ("prio", "prio = -5"),
    ("immediate-uid", "immediate-uid = www-data"),
    ("immediate-gid", "immediate-gid = www-data"),
    ("add-gid", "add-gid = ssl-cert"),
];

/// Examples of options whose names begin alike.
const FAMILIES: &[(&str, &str)] = &[
    ("hook-", "exec:/srv/site/prepare"),
    ("mount-", "tmpfs none /srv/site/cache"),
    ("umount-", "/srv/site/cache"),
    ("exec-", "/srv/site/prepare"),
    ("call-", "prepare"),
];

impl OptionRow {
    /// What the option is when nobody gives it.
    pub fn defaults(&self) -> Defaults {
        let known = DEFAULTS.iter().find(|(name, ..)| *name == self.name());
        let usual = if self.kind == Kind::Flag { OFF } else { NOT_SET };
        let (here, uwsgi) = known.map_or((usual, usual), |(_, here, uwsgi)| (*here, *uwsgi));
        let has_effect = self.status == Status::Works || here == "on";
        Defaults { here: has_effect.then_some(here), uwsgi }
    }

    /// A line of an ini file.
    pub fn example(&self) -> String {
        if let Some((_, line)) = EXAMPLES.iter().find(|(name, _)| *name == self.name()) {
            return (*line).to_owned();
        }
        if let Some((_, value)) = FAMILIES.iter().find(|(family, _)| self.name().starts_with(family)) {
            return format!("{} = {value}", self.name());
        }
        let value = match self.kind {
            Kind::Flag => "true",
            _ if self.argument == Argument::None => return format!("{} =", self.name()),
            Kind::Integer => "4",
            Kind::Signed => "-5",
            Kind::Bytes => "65536",
            Kind::Megabytes => "512",
            Kind::Seconds => "30",
            Kind::Duration => "500ms",
            Kind::Milliseconds => "1000",
            Kind::Address => "127.0.0.1:8000",
            Kind::Mode => "660",
            Kind::Path => "/srv/site",
            Kind::KeyValue => "NAME=value",
            Kind::Choice(words) => words.first().copied().unwrap_or("word"),
            Kind::Regex => "^/static/",
            Kind::Module => "mysite.wsgi:application",
            Kind::Name => "site",
            Kind::User => "www-data",
            Kind::Owner => "www-data:www-data",
            Kind::Text => "text",
        };
        format!("{} = {value}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options;

    #[test]
    fn tables_name_options_by_their_usual_names_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, ..) in DEFAULTS {
            assert!(seen.insert(*name), "{name} has two defaults");
        }
        let mut examples = std::collections::BTreeSet::new();
        for (name, line) in EXAMPLES {
            assert!(examples.insert(*name), "{name} has two examples");
            assert!(line.starts_with(&format!("{name} =")), "{line}");
        }
        for name in seen.union(&examples) {
            // Some options are known to the table before they are built.
            let row = options::find(name);
            assert!(row.is_none_or(|row| row.name() == *name), "{name} is not the usual name");
        }
    }
}
