//! From options to [`Settings`]: what wins, what adds up, what each value becomes.

use crate::{run, run_options};
use margrave_config::settings::{
    Address, AppTarget, ExpiresSubject, LogEncoder, LogEncoding, LogRoute, LogTarget, Logger, Protocol,
    RemoteSyslog, Trust,
};
use margrave_config::{Command, MemoryWorld, Settings};
use std::path::PathBuf;
use std::time::Duration;

#[track_caller]
fn settings(options: &str) -> Settings {
    run_options(options).unwrap_or_else(|error| panic!("{options}: {error}")).settings
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

#[test]
fn last_scalar_wins_across_aliases_and_lists_add_up() {
    assert_eq!(settings("workers = 1\nprocesses = 3").process.workers, 3);
    assert_eq!(settings("processes = 3\nworkers = 1").process.workers, 1);
    assert_eq!(
        settings("env = A=1\nenv = A=2\nenv = B = 3").host.env,
        [
            ("A".to_owned(), "1".to_owned()),
            ("A".to_owned(), "2".to_owned()),
            ("B".to_owned(), "3".to_owned())
        ]
    );
}

#[test]
fn command_line_comes_before_positional_files_and_after_the_environment() {
    let mut world = MemoryWorld::with_files(&[("a.ini", "[uwsgi]\nprocesses = 2\nmodule = m\n")]);
    world.set_env("UWSGI_PROCESSES", "7");
    world.set_env("UWSGI_THREADS", "5");
    let workers = |command: &str| run(&world, command).unwrap().settings.process.workers;
    assert_eq!(workers("margrave --module m"), 7);
    assert_eq!(workers("margrave --module m -p 3"), 3);
    assert_eq!(workers("margrave a.ini -p 3"), 2, "a positional file is read after all options");
    assert_eq!(workers("margrave --ini a.ini -p 3"), 3);
    assert_eq!(workers("margrave -p 3 --ini a.ini"), 2);
    assert_eq!(run(&world, "margrave a.ini").unwrap().settings.process.threads, 5);
}

#[test]
fn listeners_are_in_order_with_their_protocol() {
    let listen = settings(
        "uwsgi-socket = /run/a.sock\nhttp = :8000\nsocket = 127.0.0.1:3031\nhttp-socket = [::1]:80\nsocket = @name\nhttp11-socket = :0\nlisten = 200\nchmod-socket = 660\nchown-socket = a:b",
    )
    .listen;
    let found: Vec<(Protocol, Address)> =
        listen.listeners.iter().map(|listener| (listener.protocol, listener.address.clone())).collect();
    assert_eq!(
        found,
        [
            (Protocol::Uwsgi, Address::Unix("/run/a.sock".into())),
            (Protocol::Http, tcp("", 8000)),
            (Protocol::Uwsgi, tcp("127.0.0.1", 3031)),
            (Protocol::Http, tcp("::1", 80)),
            (Protocol::Uwsgi, Address::Abstract("name".to_owned())),
            (Protocol::Http, tcp("", 0)),
        ]
    );
    assert_eq!(listen.listeners[1].origin, "site.ini:3");
    assert_eq!(
        (listen.backlog, listen.chmod, listen.chown.as_deref()),
        (Some(200), Some(0o660), Some("a:b"))
    );
}

#[test]
fn protocol_changes_sockets_named_plainly_wherever_it_stands() {
    let listen = settings("socket = :1\nuwsgi-socket = :2\nprotocol = http").listen;
    assert_eq!(
        listen.listeners.iter().map(|one| one.protocol).collect::<Vec<_>>(),
        [Protocol::Http, Protocol::Uwsgi]
    );
}

#[test]
fn fastcgi_and_scgi_sockets_are_named_by_option_or_protocol() {
    let listen =
        settings("fastcgi-socket = :1\nfastcgi-nph-socket = :2\nscgi-socket = :3\nscgi-nph-socket = :4")
            .listen;
    assert_eq!(
        listen.listeners.iter().map(|one| one.protocol).collect::<Vec<_>>(),
        [Protocol::Fastcgi, Protocol::FastcgiNph, Protocol::Scgi, Protocol::ScgiNph]
    );
    for protocol in Protocol::ALL {
        let listen = settings(&format!("socket = :1\nprotocol = {}", protocol.name())).listen;
        assert_eq!(listen.listeners[0].protocol, protocol);
    }
}

#[test]
fn proxy_protocol_is_read_when_either_option_says_so() {
    assert!(!settings("http = :1").http.proxy_protocol);
    assert!(settings("http = :1\nenable-proxy-protocol = true").http.proxy_protocol);
    assert!(settings("http = :1\nhttp-enable-proxy-protocol = true").http.proxy_protocol);
}

#[test]
fn an_application_without_a_socket_is_served_on_a_local_port() {
    let listen = settings("").listen;
    assert_eq!(listen.listeners.len(), 1);
    assert_eq!(listen.listeners[0].address, tcp("127.0.0.1", 8000));
    assert_eq!(listen.listeners[0].origin, "");
}

#[test]
fn start_forms_name_the_application() {
    let world =
        MemoryWorld::with_files(&[("app.py", ""), ("site.ini", "[uwsgi]\nmodule = a.b:c\ncallable = d\n")]);
    let app = |command: &str| {
        let settings = run(&world, command).unwrap().settings;
        assert_eq!(settings.python.apps.len(), 1, "{command}");
        (settings.python.apps[0].target.clone(), settings.python.apps[0].callable.clone())
    };
    let module = |text: &str| AppTarget::Module(text.to_owned());
    assert_eq!(app("margrave site.ini"), (module("a.b:c"), Some("d".to_owned())));
    assert_eq!(app("margrave mysite.wsgi:application"), (module("mysite.wsgi:application"), None));
    assert_eq!(app("margrave pkg:create_app()"), (module("pkg:create_app()"), None));
    assert_eq!(app("margrave app.py --http :1"), (AppTarget::File("app.py".into()), None));
    assert_eq!(app("margrave app.py:flask"), (AppTarget::File("app.py".into()), Some("flask".to_owned())));
    assert_eq!(app("margrave -w x -H /venv"), (module("x"), None));
}

#[test]
fn mounts_are_files_or_modules() {
    let apps =
        settings("mount = /api=pkg:app\nmount = /old/=legacy.py\nmount = /x = y\nmanage-script-name = true")
            .python
            .apps;
    let mounts: Vec<(&str, AppTarget)> =
        apps.iter().map(|app| (app.mountpoint.as_str(), app.target.clone())).collect();
    let module = |text: &str| AppTarget::Module(text.to_owned());
    assert_eq!(
        mounts,
        [
            ("", module("app")),
            ("/api", module("pkg:app")),
            ("/old", AppTarget::File("legacy.py".into())),
            ("/x", module("y"))
        ]
    );
}

#[test]
fn files_are_below_mount_points_that_move_to_script_name() {
    let mounts = |line: &str| {
        let text = format!("mount = /api=pkg:app\nmount = /old/=legacy.py\nmodule = m\n{line}");
        settings(&text).static_files.mounts
    };
    assert_eq!(mounts("manage-script-name = true"), ["/api", "/old"]);
    assert_eq!(mounts(""), [""; 0]);
}

#[test]
fn patterns_in_the_module_search_path_are_expanded() {
    let world = MemoryWorld::with_files(&[
        ("lib/b/x.py", ""),
        ("lib/a/x.py", ""),
        ("site/eggs/one.egg", ""),
        (
            "site.ini",
            "[uwsgi]\nmodule = m\nchdir = site\npythonpath = lib/*\npythonpath = eggs/*.egg\npythonpath = none/*\npp = .\n",
        ),
    ]);
    let path = run(&world, "margrave site.ini").unwrap().settings.python.path;
    let expected = ["lib/a/", "lib/b/", "site/eggs/one.egg", "none/*", "."];
    assert_eq!(path, expected.map(PathBuf::from));
}

#[test]
fn units_of_values() {
    let found = settings(
        "harakiri = 20\nmax-requests = 1000\nmax-requests-delta = 5\nreload-on-rss = 1.5\nlog-slow = 250\nswitch-interval = 1ms\nbuffer-size = 32768\npost-buffering = 8192\nmax-worker-lifetime = 0\nhttp-timeout = 300\nsocket-timeout = 30\nhttp-keepalive = 5\numask = 022\n",
    );
    assert_eq!(found.process.harakiri, Some(Duration::from_secs(20)));
    assert_eq!((found.process.max_requests, found.process.max_requests_delta), (Some(1000), Some(5)));
    assert_eq!(found.process.reload_on_rss, Some(1_572_864));
    assert_eq!(found.process.max_worker_lifetime, None);
    assert_eq!(found.log.log_slow, Some(Duration::from_millis(250)));
    assert_eq!(found.python.switch_interval, Duration::from_millis(1));
    assert_eq!((found.http.buffer_size, found.http.body_memory), (32_768, 8192));
    let timeouts = (found.http.head_timeout, found.http.body_timeout, found.http.write_timeout);
    assert_eq!(timeouts, (Duration::from_secs(300), Duration::from_secs(300), Duration::from_secs(300)));
    assert_eq!(found.http.keepalive, Some(Duration::from_secs(5)));
    assert_eq!(found.host.umask, Some(0o22));
}

#[test]
fn limits_of_requests_have_names() {
    let found = settings(
        "max-vars = 90\nmax-field-size = 8190\nmax-target-size = 4094\nmax-chunk-line = 99\nmax-trailers-size = 98\nkeepalive-requests = 97\n\
         http-headers-timeout = 10\nhttp-timeout = 20\nwrite-timeout = 30\nmin-rate = 0\nbody-file-limit = 96\nwrite-file-limit = 0\n\
         drain-limit = 95\nbody-read-warning = 3\n",
    )
    .http;
    assert_eq!((found.max_vars, found.max_field_size), (Some(90), Some(8190)));
    assert_eq!((found.max_target_size, found.max_chunk_line, found.max_trailers_size), (4094, 99, 98));
    let seconds = [found.head_timeout, found.body_timeout, found.write_timeout].map(|time| time.as_secs());
    assert_eq!((seconds, found.keepalive_requests, found.min_rate), ([10, 20, 30], 97, 0));
    assert_eq!((found.body_file, found.write_file, found.drain_limit), (96, 0, 95));
    assert_eq!(found.body_read_warning, 3 << 20);
}

#[test]
fn keep_alive_has_words_and_numbers() {
    let default = Settings::default().http.keepalive;
    for (options, expected) in [
        ("", default),
        ("http-keepalive", default),
        ("http-keepalive = 1", default),
        ("http-keepalive = true", default),
        ("http-keepalive = 0", None),
        ("http-keepalive = off", None),
        ("http-keepalive = 9", Some(Duration::from_secs(9))),
    ] {
        assert_eq!(settings(options).http.keepalive, expected, "{options}");
    }
}

fn unnamed(target: LogTarget) -> Logger {
    Logger { name: None, target }
}

#[test]
fn logs_go_where_they_are_sent() {
    let log = settings(
        "logger = file:/a\nlogger = stdio\nreq-logger = main socket:127.0.0.1:1\nlog-syslog\nlog-maxsize = 9\nlog-date\nlog-format = %(addr) %(uri)\n",
    )
    .log;
    assert_eq!(
        log.loggers,
        [LogTarget::File("/a".into()), LogTarget::Stdio, LogTarget::Syslog(String::new())].map(unnamed)
    );
    let keyed = settings("logger = main file:maxsize=9,logfile=/a").log.loggers;
    assert_eq!(keyed, [Logger { name: Some("main".to_owned()), target: LogTarget::File("/a".into()) }]);
    let socket = LogTarget::Socket { address: "127.0.0.1:1".to_owned(), prefix: String::new() };
    assert_eq!(log.request_loggers, [Logger { name: Some("main".to_owned()), target: socket }]);
    assert!(log.is_collected());
    assert_eq!(log.max_size, Some(9));
    assert_eq!(log.date.as_deref(), Some("%a %b %e %H:%M:%S %Y"));
    assert_eq!(log.format.as_deref(), Some("%(addr) %(uri)"), "names that are nothing stay");
    assert_eq!(settings("log-date = %%Y").log.date.as_deref(), Some("%Y"));
    assert!(!settings("logto = /x").log.is_collected());
}

#[test]
fn loggers_have_names_routes_and_encoders() {
    let log = settings(
        "logger = db file:/db\nlogger = pipe:cat > x\nlogger = rsyslog:h,me\nlog-route = db (?i)sql\nlog-encoder = json:db {\"m\":\"${msg}\"}\n\
         log-encoder = nl\nlog-drain = ^debug\nlog-filter = keep\nlog-req-drain = healthz\n",
    )
    .log;
    let remote = RemoteSyslog {
        address: "h:514".into(),
        ident: Some("me".into()),
        priority: 29,
        packet: 1024,
        splits: false,
    };
    let named = Logger { name: Some("db".into()), target: LogTarget::File("/db".into()) };
    assert_eq!(
        log.loggers,
        [named, unnamed(LogTarget::Pipe("cat > x".into())), unnamed(LogTarget::RemoteSyslog(remote))]
    );
    assert_eq!(log.routes, [LogRoute { logger: "db".into(), pattern: "(?i)sql".into() }]);
    let json =
        LogEncoder { logger: Some("db".into()), encoding: LogEncoding::Json("{\"m\":\"${msg}\"}".into()) };
    assert_eq!(log.encoders, [json, LogEncoder { logger: None, encoding: LogEncoding::Newline }]);
    assert_eq!(
        (log.drains, log.filters, log.request_drains),
        (vec!["^debug".to_owned()], vec!["keep".to_owned()], vec!["healthz".to_owned()])
    );
}

#[test]
fn json_request_lines_are_known_by_their_format() {
    for (options, is_json, format) in [
        ("", false, None),
        (
            "log-format = {\"a\": \"%(uri)\", \"b\": %(status)}",
            true,
            Some("{\"a\": \"%(uri)\", \"b\": %(status)}"),
        ),
        ("log-format = {%(uri)}", false, Some("{%(uri)}")),
        ("log-format = %(uri)", false, Some("%(uri)")),
        ("log-json = uri, my\"var", true, Some("{\"uri\":%(uri),\"my\\\"var\":%(my\"var)}")),
        ("log-json = false", false, None),
    ] {
        let log = settings(options).log;
        assert_eq!((log.format_is_json, log.format.as_deref()), (is_json, format), "{options}");
    }
    assert!(settings("log-json").log.is_collected());
}

#[test]
fn defaults_are_the_safe_ones() {
    let found = settings("");
    assert!(found.python.need_app && found.host.vacuum);
    let found = settings("need-app = false\nvacuum = off");
    assert!(!found.python.need_app && !found.host.vacuum);
}

#[test]
fn trusted_peers() {
    let trust = |options: &str| settings(options).http.forwarded_allow;
    assert_eq!(trust(""), Trust::Private);
    assert_eq!(trust("forwarded-allow = *"), Trust::Everyone);
    assert_eq!(trust("forwarded-allow = none"), Trust::Nobody);
    let networks = vec![("10.0.0.0".parse().unwrap(), 8), ("::1".parse().unwrap(), 128)];
    assert_eq!(trust("forwarded-allow = 10.0.0.0/8, ::1"), Trust::Networks(networks));
    let mapped = vec![("10.0.0.0".parse().unwrap(), 8)];
    assert_eq!(trust("forwarded-allow = ::ffff:10.0.0.0/104"), Trust::Networks(mapped));
    let Trust::Networks(networks) = trust("forwarded-allow = private, 203.0.113.7") else { panic!() };
    assert_eq!((networks.len(), networks[8]), (9, ("203.0.113.7".parse().unwrap(), 32)));
}

#[test]
fn static_files_and_names_of_processes() {
    let found = settings(
        "static-map = /s=/srv/s\nstatic-map2 = /m=/srv\ncheck-static = /pub\nstatic-expires = /* 60\nprocname-prefix-spaced = my\nchdir = /a\nchdir2 = b\n",
    );
    let maps = [("/s".to_owned(), PathBuf::from("/srv/s")), ("/m".to_owned(), PathBuf::from("/srv/m"))];
    assert_eq!(found.static_files.maps, maps);
    let rule = &found.static_files.expires[0];
    assert_eq!((rule.subject, rule.pattern.as_str(), rule.seconds), (ExpiresSubject::File, "/*", 60));
    assert_eq!(found.process.procname_prefix, "my ");
    assert!(found.process.auto_procname, "naming a part of the names asks for names");
    assert_eq!((found.host.chdir, found.host.chdir_late), (Some("/a".into()), Some("b".into())));
}

#[test]
fn blocks_may_stand_within_blocks() {
    let mut world = MemoryWorld::with_files(&[(
        "site.ini",
        "[uwsgi]\nmodule = m\nif-env = A\nif-env = NOPE\nprint = wrong\nelse =\nprint = inner %(_)\nendif =\nfor = x y\nfor = 1 2\nprint = %(_)\nendfor =\nprint = outer %(_)\nendfor =\nelse =\nprint = wrong\nendif =\nif-not-env = A\nprint = wrong\nelse =\nprint = else\nendif =\n",
    )]);
    world.set_env("A", "a");
    let printed = run(&world, "margrave site.ini").unwrap().output;
    assert_eq!(printed, ["inner a", "1", "2", "1", "2", "outer x", "outer y", "else"]);
}

#[test]
fn declared_options_take_effect_before_the_table() {
    let found =
        settings("processes = 2\ndeclare-option = size=processes=$1;threads=$2\nsize = 8 4\n").process;
    assert_eq!((found.workers, found.threads), (2, 4), "the table is applied later, as in uWSGI");
    let found = settings("processes = 2\ndeclare-option2 = size=processes=$1\nsize = 8\n").process;
    assert_eq!(found.workers, 8);
}

#[test]
fn commands_are_recognized() {
    let world = MemoryWorld::with_files(&[("a.ini", "[uwsgi]\nprint = p\nprocesses = 4\nprocesses = 5\n")]);
    for (command, wanted, printed) in [
        ("margrave --version", Command::Version, vec![]),
        ("margrave --help", Command::Help(None), vec![]),
        ("margrave --help processes", Command::Help(Some("processes".to_owned())), vec![]),
        ("margrave --stop /run/x.pid", Command::Stop("/run/x.pid".into()), vec![]),
        ("margrave --reload /run/x.pid", Command::Reload("/run/x.pid".into()), vec![]),
        ("margrave --pause /run/x.pid", Command::Pause("/run/x.pid".into()), vec![]),
        ("margrave --resume /run/x.pid", Command::Pause("/run/x.pid".into()), vec![]),
        ("margrave --ini a.ini --get processes --get nope", Command::Exit(0), vec!["p", "4"]),
        ("margrave --exit=7 --ini a.ini", Command::Exit(7), vec![]),
        ("margrave --exit", Command::Exit(1), vec![]),
        ("margrave --iprint x --ini a.ini --exit=0", Command::Exit(0), vec!["x"]),
    ] {
        let loaded = run(&world, command).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert_eq!(
            (loaded.command, loaded.output),
            (wanted, printed.into_iter().map(str::to_owned).collect()),
            "{command}"
        );
    }
}

#[test]
fn a_reload_is_seen_by_if_reload() {
    let mut world =
        MemoryWorld::with_files(&[("a.ini", "[uwsgi]\nmodule = m\nif-reload =\nprocesses = 2\nendif =\n")]);
    assert_eq!(run(&world, "margrave a.ini").unwrap().settings.process.workers, 1);
    world.set_env("UWSGI_RELOADS", "1");
    assert_eq!(run(&world, "margrave a.ini").unwrap().settings.process.workers, 2);
}

#[test]
fn environment_directories_are_read_as_in_uwsgi() {
    let mut world = MemoryWorld::with_files(&[
        ("d/A", "val1\nsecond\n"),
        ("d/EMPTY", ""),
        ("d/.HIDDEN", "x"),
        ("d/TRAIL", "x  \n"),
        ("d/sub/B", "x"),
        ("d/NUL", "v\0w\n"),
        ("e/A", "late\n"),
        ("e/OWN", "\n"),
        (
            "s.ini",
            "[uwsgi]\nmodule = app\nprint = <$(A)> <$(EMPTY)> <$(OWN)>\nearly-envdir = d\nienv = Q=1\n\
             if-env = Q\nprint = Q is %(_)\nendif =\nenv = OWN=1\nenv = EMPTY=2\nenvdir = e/\n",
        ),
    ]);
    world.set_env("EMPTY", "there");
    let loaded = crate::run(&world, "margrave s.ini").unwrap();
    assert_eq!(loaded.output, ["<val1\nsecond> <$(EMPTY)> <$(OWN)>", "Q is 1"]);
    let host = loaded.settings.host;
    let env: Vec<(&str, &str)> =
        host.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("NUL", "v"), ("TRAIL", "x"), ("Q", "1"), ("EMPTY", "2"), ("A", "late")]);
    assert_eq!(host.unenv, ["OWN"]);
    for option in ["envdir = none", "early-envdir = none"] {
        let error = crate::run_options(option).unwrap_err().to_string();
        assert!(error.ends_with("there is no directory `none`; create it, or correct the path"), "{error}");
    }
}

#[test]
fn fallback_is_known_to_whoever_starts_again() {
    let loaded = crate::run_options("fallback-config = a.ini\nfallback-config = b.ini").unwrap();
    assert_eq!(loaded.fallback.as_deref(), Some("b.ini"));
    let error = crate::run_options("fallback-config = a.ini\nprocesses = x").unwrap_err();
    assert_eq!(error.fallback.as_deref(), Some("a.ini"));
    assert_eq!(crate::run_options("").unwrap().fallback, None);
}

#[test]
fn relative_sockets_and_watched_files_count_from_chdir_and_the_first_files_do_not() {
    let found = settings(
        "chdir = /srv/app\nsocket = r.sock\nhttp-socket = /run/h.sock\nstats = s.sock\npidfile = p.pid\n\
         pidfile2 = p2.pid\nlogto = l.log\ntouch-reload = t\nlogger = file:g.log\nsocket = :1",
    );
    let addresses: Vec<_> = found.listen.listeners.iter().map(|listener| listener.address.clone()).collect();
    assert_eq!(
        addresses,
        [Address::Unix("/srv/app/r.sock".into()), Address::Unix("/run/h.sock".into()), tcp("", 1)]
    );
    assert_eq!(found.stats.address, Some(Address::Unix("/srv/app/s.sock".into())));
    assert_eq!(found.process.touch_reload, [std::path::PathBuf::from("/srv/app/t")]);
    assert_eq!(found.log.loggers, [unnamed(LogTarget::File("/srv/app/g.log".into()))]);
    assert_eq!(found.host.pidfile2, Some("/srv/app/p2.pid".into()));
    assert_eq!(found.host.pidfile, Some("p.pid".into()));
    assert_eq!(found.log.logto, Some("l.log".into()));
}
