//! The typed result of configuration: one slice per part of the program, handed out by value.
//!
//! Nothing here parses. Every field is already checked and in its unit; defaults are Margrave's
//! (see `Default`), not uWSGI's. Serializable, because the master passes the slices to the zygote.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Everything one instance needs to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sockets to listen on.
    pub listen: ListenSettings,
    /// Limits and timeouts of the wire protocols.
    pub http: HttpSettings,
    /// Interpreter and applications.
    pub python: PythonSettings,
    /// Workers, threads, recycling, reloads.
    pub process: ProcessSettings,
    /// The instance as a Unix program: pidfile, user, daemonizing.
    pub host: HostSettings,
    /// Log destinations and formats.
    pub log: LogSettings,
    /// Files answered without Python.
    pub static_files: StaticSettings,
    /// Emperor mode.
    pub emperor: EmperorSettings,
    /// Stats server.
    pub stats: StatsSettings,
    /// What Python sees as `uwsgi.opt`, in order of first appearance.
    pub opt: Vec<(String, OptValue)>,
    /// What Python sees as `uwsgi.magic_table`: magic letter and its text; only non-empty entries.
    pub magic: Vec<(char, String)>,
}

/// One value of `uwsgi.opt`: uWSGI gives `True` for an option without value, else bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptValue {
    /// The option stood alone.
    Flag,
    /// The option's last value.
    Text(String),
}

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The uwsgi protocol (`socket`, `uwsgi-socket`).
    Uwsgi,
    /// HTTP/1.1 (`http`, `http-socket`, `http11-socket`).
    Http,
    /// FastCGI, answered with a CGI head (`fastcgi-socket`).
    Fastcgi,
    /// FastCGI, answered with an HTTP head (`fastcgi-nph-socket`).
    FastcgiNph,
    /// SCGI, answered with a CGI head (`scgi-socket`).
    Scgi,
    /// SCGI, answered with an HTTP head (`scgi-nph-socket`).
    ScgiNph,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 6] =
        [Self::Uwsgi, Self::Http, Self::Fastcgi, Self::FastcgiNph, Self::Scgi, Self::ScgiNph];

    /// Its name, as `protocol` takes it and the stats server gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uwsgi => "uwsgi",
            Self::Http => "http",
            Self::Fastcgi => "fastcgi",
            Self::FastcgiNph => "fastcgi-nph",
            Self::Scgi => "scgi",
            Self::ScgiNph => "scgi-nph",
        }
    }
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// Host as written (name, IPv4, IPv6 without brackets; empty = every IPv4 address) and port (0 = any free).
    Tcp {
        /// Host as written, without brackets.
        host: String,
        /// Port; 0 lets the system choose.
        port: u16,
    },
    /// A socket file.
    Unix(PathBuf),
    /// A name in the abstract namespace, without the `@`.
    Abstract(String),
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSettings {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is bound.
    pub address: Address,
    /// The option that asked for it, for messages (`http-socket`).
    pub option: String,
    /// `file:line` of that option, for messages; empty for defaults.
    pub origin: String,
}

/// Sockets to listen on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListenSettings {
    /// In configuration order; an index here is the listener's number everywhere.
    pub listeners: Vec<ListenerSettings>,
    /// `listen`: backlog; `None` = min(somaxconn, 4096).
    pub backlog: Option<u32>,
    /// `chmod-socket`: permission bits for UNIX sockets.
    pub chmod: Option<u32>,
    /// `chown-socket`: `user[:group]`, as written.
    pub chown: Option<String>,
    /// `reuse-port`.
    pub reuse_port: bool,
}

/// Limits and timeouts of the wire protocols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpSettings {
    /// `buffer-size`: cap on a request head in bytes.
    pub buffer_size: usize,
    /// `limit-post`: cap on a request body in bytes; `None` = no cap.
    pub limit_post: Option<u64>,
    /// `post-buffering`: bytes of body kept in memory before a temporary file is used.
    pub body_memory: usize,
    /// `http-keepalive`: idle time of a connection between requests; `None` = keep-alive off.
    pub keepalive: Option<Duration>,
    /// `http-timeout`/`socket-timeout`: longest silence while reading a head or body or writing.
    pub io_timeout: Duration,
    /// Bytes of response kept per connection before the app is made to wait.
    pub write_buffer: usize,
    /// `forwarded-allow`: peers whose `X-Forwarded-Proto` is believed.
    pub forwarded_allow: Trust,
    /// `enable-proxy-protocol`: peers that are believed may begin an HTTP connection with the PROXY protocol.
    pub proxy_protocol: bool,
    /// `underscore-headers`: pass fields whose name has an underscore.
    pub underscore_headers: bool,
    /// `add-header`: `Name: value` lines added to every response.
    pub add_header: Vec<(String, String)>,
    /// `dynamic-apps`: honour `UWSGI_FILE`, `UWSGI_MODULE` … from the wire.
    pub dynamic_apps: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            buffer_size: 64 * 1024,
            limit_post: None,
            body_memory: 256 * 1024,
            keepalive: Some(Duration::from_secs(75)),
            io_timeout: Duration::from_secs(60),
            write_buffer: 1024 * 1024,
            forwarded_allow: Trust::Private,
            proxy_protocol: false,
            underscore_headers: false,
            add_header: Vec::new(),
            dynamic_apps: false,
        }
    }
}

/// Whose forwarding fields are believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trust {
    /// Loopback, UNIX sockets and private ranges.
    Private,
    /// Everybody (`*`).
    Everyone,
    /// Nobody (`none`).
    Nobody,
    /// These networks: address and prefix length.
    Networks(Vec<(std::net::IpAddr, u8)>),
}

/// How one application is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppTarget {
    /// `module = pkg.mod`, `pkg.mod:name` or `pkg.mod:factory()`, as written.
    Module(String),
    /// `wsgi-file = path.py`, as written.
    File(PathBuf),
}

/// One application and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// Mount point such as `/api`; empty for the default application.
    pub mountpoint: String,
    /// Where its code is.
    pub target: AppTarget,
    /// `callable`: name of the object; `None` = `application` (then `app` and others are looked at). May end in `()`.
    pub callable: Option<String>,
    /// `file:line` of the option, for messages.
    pub origin: String,
}

/// Interpreter and applications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PythonSettings {
    /// `python`: interpreter to exec; `None` = from `home`, `$VIRTUAL_ENV`, beside the executable, PATH.
    pub interpreter: Option<PathBuf>,
    /// `home`/`virtualenv`/`venv`.
    pub home: Option<PathBuf>,
    /// `pythonpath`, in order; glob patterns are already expanded.
    pub path: Vec<PathBuf>,
    /// Applications in order; the default one has an empty mount point.
    pub apps: Vec<AppSettings>,
    /// `manage-script-name`.
    pub manage_script_name: bool,
    /// `pyargv`: words of `sys.argv[1..]`.
    pub argv: Vec<String>,
    /// `need-app`.
    pub need_app: bool,
    /// `import`, `pyimport`, `python-import`: modules imported in each worker.
    pub imports: Vec<String>,
    /// `shared-import` and relatives: modules imported before the fork.
    pub shared_imports: Vec<String>,
    /// `py-autoreload`: seconds between scans.
    pub autoreload: Option<Duration>,
    /// `wsgi-env-behaviour`, `catch-exceptions`: show the traceback in the answer.
    pub catch_exceptions: bool,
    /// `warmup`: path requested once in the zygote before the first fork.
    pub warmup: Option<String>,
    /// `switch-interval`: the interpreter's thread switch interval.
    pub switch_interval: Duration,
    /// `optimize` / `py-optimize`.
    pub optimize: u8,
}

impl Default for PythonSettings {
    fn default() -> Self {
        Self {
            interpreter: None,
            home: None,
            path: Vec::new(),
            apps: Vec::new(),
            manage_script_name: false,
            argv: Vec::new(),
            need_app: true,
            imports: Vec::new(),
            shared_imports: Vec::new(),
            autoreload: None,
            catch_exceptions: false,
            warmup: None,
            switch_interval: Duration::from_micros(500),
            optimize: 0,
        }
    }
}

/// Workers, threads, recycling, reloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSettings {
    /// `processes`/`workers`.
    pub workers: u16,
    /// `threads`: Python threads per worker.
    pub threads: u16,
    /// `lazy-apps`: each worker loads the applications itself.
    pub lazy_apps: bool,
    /// `max-requests`: recycle a worker after so many; `None` = never.
    pub max_requests: Option<u64>,
    /// `max-requests-delta`: spread between workers, as a number of requests; `None` = 10 %.
    pub max_requests_delta: Option<u64>,
    /// `max-worker-lifetime`.
    pub max_worker_lifetime: Option<Duration>,
    /// `min-worker-lifetime`.
    pub min_worker_lifetime: Duration,
    /// `reload-on-rss`, bytes.
    pub reload_on_rss: Option<u64>,
    /// `reload-on-as`, bytes.
    pub reload_on_as: Option<u64>,
    /// `worker-reload-mercy`: longest drain of one worker.
    pub worker_mercy: Duration,
    /// `reload-mercy`: longest drain of the instance at stop.
    pub mercy: Duration,
    /// `harakiri`: deadline of one request.
    pub harakiri: Option<Duration>,
    /// `harakiri-kill`: kill the worker at the deadline instead of ending the request.
    pub harakiri_kill: bool,
    /// `touch-reload`.
    pub touch_reload: Vec<PathBuf>,
    /// `term-reloads`: SIGTERM reloads instead of stopping.
    pub term_reloads: bool,
    /// `exit-on-reload`.
    pub exit_on_reload: bool,
    /// `auto-procname`.
    pub auto_procname: bool,
    /// `procname`.
    pub procname: Option<String>,
    /// `procname-master`.
    pub procname_master: Option<String>,
    /// `procname-prefix`, `procname-prefix-spaced` (the blank is already in it).
    pub procname_prefix: String,
    /// `procname-append`.
    pub procname_append: String,
    /// `locks`: user locks beyond lock 0.
    pub locks: u16,
    /// `memory-report`.
    pub memory_report: bool,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            threads: 1,
            lazy_apps: false,
            max_requests: None,
            max_requests_delta: None,
            max_worker_lifetime: None,
            min_worker_lifetime: Duration::from_secs(10),
            reload_on_rss: None,
            reload_on_as: None,
            worker_mercy: Duration::from_secs(60),
            mercy: Duration::from_secs(60),
            harakiri: None,
            harakiri_kill: false,
            touch_reload: Vec::new(),
            term_reloads: false,
            exit_on_reload: false,
            auto_procname: false,
            procname: None,
            procname_master: None,
            procname_prefix: String::new(),
            procname_append: String::new(),
            locks: 0,
            memory_report: false,
        }
    }
}

/// The instance as a Unix program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostSettings {
    /// `chdir`, in order; each relative to the one before.
    pub chdir: Vec<PathBuf>,
    /// `env`: set before Python starts, in order.
    pub env: Vec<(String, String)>,
    /// `unenv`: removed before Python starts.
    pub unenv: Vec<String>,
    /// `uid`: number or name.
    pub uid: Option<String>,
    /// `gid`: number or name.
    pub gid: Option<String>,
    /// `umask`.
    pub umask: Option<u32>,
    /// `pidfile`, written before privileges are dropped.
    pub pidfile: Option<PathBuf>,
    /// `pidfile2`, written after.
    pub pidfile2: Option<PathBuf>,
    /// `safe-pidfile`: written only once the application is loaded.
    pub safe_pidfile: Option<PathBuf>,
    /// `daemonize`: detach and log to this file.
    pub daemonize: Option<PathBuf>,
    /// `daemonize2`: the same, after the applications are loaded.
    pub daemonize2: Option<PathBuf>,
    /// `vacuum`: remove sockets and pidfiles that we created.
    pub vacuum: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            chdir: Vec::new(),
            env: Vec::new(),
            unenv: Vec::new(),
            uid: None,
            gid: None,
            umask: None,
            pidfile: None,
            pidfile2: None,
            safe_pidfile: None,
            daemonize: None,
            daemonize2: None,
            vacuum: true,
        }
    }
}

/// Where one log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogTarget {
    /// `file:/path` or a bare path.
    File(PathBuf),
    /// `stdio`.
    Stdio,
    /// `syslog[:ident[,facility]]`.
    Syslog(String),
    /// `fd:N`.
    Fd(i32),
    /// `socket:host:port` or `socket:/path`.
    Socket(String),
}

/// Log destinations and formats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogSettings {
    /// `logto`: everything goes to this file.
    pub logto: Option<PathBuf>,
    /// `logto2`: the same, opened after privileges are dropped.
    pub logto2: Option<PathBuf>,
    /// `logger`, in order.
    pub loggers: Vec<LogTarget>,
    /// `req-logger`, in order: request lines go there instead.
    pub request_loggers: Vec<LogTarget>,
    /// `log-format`; `None` = uWSGI's default line.
    pub format: Option<String>,
    /// `disable-logging`: no request lines except those asked for below.
    pub disable_requests: bool,
    /// `log-4xx`.
    pub log_4xx: bool,
    /// `log-5xx`.
    pub log_5xx: bool,
    /// `log-slow`, from so long on.
    pub log_slow: Option<Duration>,
    /// `log-big`, from so many bytes on.
    pub log_big: Option<u64>,
    /// `log-zero`.
    pub log_zero: bool,
    /// `log-x-forwarded-for`.
    pub x_forwarded_for: bool,
    /// `log-date`: strftime pattern put before each line of the master; `None` = none.
    pub date: Option<String>,
    /// `log-maxsize`, bytes: rotate past it.
    pub max_size: Option<u64>,
    /// `log-backupname`.
    pub backup_name: Option<String>,
    /// `log-master`: lines pass through the master.
    pub through_master: bool,
    /// `logfile-chmod`.
    pub file_mode: Option<u32>,
}

/// Files answered without Python.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StaticSettings {
    /// `static-map`: mount point and path (file or directory), in order.
    pub maps: Vec<(String, PathBuf)>,
    /// `check-static`: roots tried with the whole path.
    pub check: Vec<PathBuf>,
    /// `static-index`.
    pub index: Vec<String>,
    /// `static-skip-ext`.
    pub skip_ext: Vec<String>,
    /// `static-safe`: further roots that links may lead to.
    pub safe: Vec<PathBuf>,
    /// `mime-file`.
    pub mime_files: Vec<PathBuf>,
    /// `static-expires` with a pattern `/*`: seconds of `Expires` on every file.
    pub expires: Option<u64>,
}

/// Emperor mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmperorSettings {
    /// `emperor`: directories or glob patterns.
    pub sources: Vec<String>,
    /// `vassal-set`: passed to each vassal as `--set`.
    pub vassal_set: Vec<String>,
    /// `vassals-include`.
    pub vassals_include: Vec<PathBuf>,
    /// `vassals-inherit`.
    pub vassals_inherit: Vec<PathBuf>,
}

/// Stats server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatsSettings {
    /// `stats`: where it listens.
    pub address: Option<Address>,
    /// `stats-http`: prefix the JSON with an HTTP head.
    pub http: bool,
    /// `stats-minified`.
    pub minified: bool,
}
