//! What the operator is told: each finding names file, line and option, and what to do.

use crate::{findings, run, run_options};
use margrave_config::MemoryWorld;

/// The options of a file, and what must be said about them; nothing at all for an empty text.
#[track_caller]
fn check(options: &str, wanted: &str) {
    let outcome = run_options(options);
    let said = findings(&outcome);
    if wanted.is_empty() {
        assert!(said.is_empty(), "{options:?}: {said:?}");
    } else {
        assert!(said.iter().any(|text| text.contains(wanted)), "{options:?} lacks {wanted:?}: {said:?}");
    }
}

/// The same, and it is an error.
#[track_caller]
fn check_error(options: &str, wanted: &str) {
    let error = run_options(options).expect_err(options);
    assert!(error.to_string().contains(wanted), "{options:?} lacks {wanted:?}: {error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn correct_files_give_no_warning() {
    check("master = true\nprocesses = 4\nthreads = 2\nvacuum = 1\nlazy-apps = on\n", "");
    check("base = /srv\nchdir = %(base)/x\n", "");
    check("die-on-term = true\nthunder-lock = true\nplugins = python3,http\n", "");
    check("log-date = %%Y-%%m-%%d\nlog-format = %(addr) \"%(method) %(uri)\" ; %(status)\n", "");
    check("# 50% of all %q\nenv = A=b;c\n", "");
    check("set = mine=1\nset-ph = other=2\n", "");
    check("chmod-socket\nneed-app\nenable-threads\n", "");
}

#[test]
fn unknown_keys_are_named_with_a_suggestion() {
    check("vaccum = true", "site.ini:2: vaccum: there is no such option; did you mean `vacuum`?");
    check(
        "vacuum = true\n\nproesses = 4",
        "site.ini:4: proesses: there is no such option; did you mean `processes`?",
    );
    check(
        "my-thing = 1",
        "site.ini:2: my-thing: there is no such option and nothing refers to %(my-thing); if the application reads it from uwsgi.opt write `set-placeholder = my-thing=...`, else remove it",
    );
    check("chmod_socket = 660", "did you mean `chmod-socket`?");
}

#[test]
fn slips_of_typing_are_recognized() {
    check("static-map /a = /b", "it is read as `static-map = /a=/b`");
    check("env DJANGO = x", "site.ini:2: env: `=` is missing behind `env`, so that uWSGI ignores the line");
    check("master true", "`=` is missing behind `master`, write `master = true`");
    check("socket /tmp/x.sock", "write `socket = /tmp/x.sock`");
    check("processes: 4", "write `processes = 4`, with `=`");
    check("--http = :8000", "options in files have no dashes; write `http = :8000`");
    check("// comment", "comments begin with `;` or `#`");
}

#[test]
fn strict_turns_unknown_keys_into_errors() {
    check_error("strict = true\nfoo = 1\nbar = %(foo)", "site.ini:3: foo: there is no such option");
    check_error(
        "foo = 1\nstrict = true\n",
        "`strict` allows placeholders only by `set-placeholder = foo=...`",
    );
    check("strict = true\nset-ph = foo=1\nchdir = /%(foo)\n", "");
    check("strict = false\nfoo = 1\n", "site.ini:3: foo: there is no such option");
}

#[test]
fn inline_comments_are_kept_and_named() {
    check(
        "processes = 2 ; two",
        "site.ini:2: processes: only 2 is read, `; two` behind it is not; put the comment on a line of its own",
    );
    check(
        "disable-logging = false ; keep",
        "`false ; keep` counts as true, since the comment is part of the value",
    );
    check(
        "umask = 022 ; mine",
        "only 022 is read, `; mine` behind it is not; put the comment on a line of its own",
    );
    check(
        "http = :8000 ; a: b",
        "only :8000 is read, `; a: b` behind it is not; put the comment on a line of its own",
    );
    check("chdir = /srv # here", "`# here` is part of the value; put the comment on a line of its own");
    check("socket = /run/a.sock ; x", "`; x` is part of the value");
    check("master = flase", "");
    check("vacuum = flase", "site.ini:2: vacuum: `flase` counts as true; write true or false");
}

#[test]
fn expressions_that_nothing_replaces_are_named() {
    check(
        "chdir = $(NOT_SET)/x",
        "site.ini:2: chdir: `$(NOT_SET)` stays as it is, since the environment has no NOT_SET",
    );
    check(
        "chdir = /srv/%(project)",
        "site.ini:2: chdir: `%(project)` stays as it is, since nothing sets project",
    );
    check("log-format = %(addr) $(x)", "");
}

#[test]
fn quotes_are_named_and_left_out_where_they_cannot_be_meant() {
    let left_out = "for a part of the value, here they are left out; write `";
    for option in [
        "chdir = \"/srv\"",
        "env=\"A=1\"",
        "socket = '/run/a.sock'",
        "http = \":8000\"",
        "processes = \"4\"",
        "module = \"app:app\"",
        "uid = \"nobody\"",
    ] {
        check(option, left_out);
        let mut settings = run_options(option).unwrap().settings;
        settings.opt.clear();
        let shown = format!("{settings:?}");
        let value = option.split_once('=').unwrap().1.trim().trim_matches(['"', '\'']);
        assert!(!shown.contains(&format!("\\\"{value}")), "{shown}");
    }
    check("env = A='1'", "the quotes in `A='1'` are part of the value; remove them");
    check("procname = \"site\"", "the quotes in `\"site\"` are part of the value; remove them");
    check("disable-logging = \"false\"", "\"false\" counts as true because of its quotes; write false");
    check_error("processes = \"many\"", "`many` is no number");
}

#[test]
fn strict_refuses_what_misleads_and_nothing_else() {
    for option in [
        "vaccum = 1",
        "static-map /a = /b",
        "procname = site ; main",
        "chdir = \"/srv\"",
        "disable-logging = false ; keep",
        "listen = 1k",
        "[other",
    ] {
        check_error(&format!("strict = true\n{option}"), "site.ini:3: ");
    }
    for option in [
        "processes = 2 ; two",
        "master = true ; always",
        "hook-master-start = unix_signal:15 gracefully_kill_them_all",
        "plugins = python3",
        "post-buffering = true",
        "chdir = $(NOT_SET)/x",
    ] {
        let outcome = run_options(&format!("strict = true\n{option}"));
        assert!(outcome.is_ok(), "{option}: {outcome:?}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_errors_with_a_remedy() {
    check_error("processes = many", "site.ini:2: processes: `many` is no number; write a whole number");
    check_error("processes = 0", "0 is out of range; write a number from 1 to");
    check_error("processes = 1000\nthreads = 1000", "1000 workers of 1000 threads are 1000000");
    check_error("harakiri = -1", "`-1` is negative; write 0 or more");
    check_error("workers = $(WORKERS)", "set the environment variable, or give a default as $(NAME:-4)");
    check_error("buffer-size = 32k", "no request fits into 32 bytes");
    check_error("chmod-socket = rw", "write exactly three octal digits such as 660");
    check_error("chmod-socket = 999", "write three octal digits such as 660");
    check_error("umask = 99", "is no mode");
    check_error("http = localhost:http", "`http` is no port");
    check_error("http = :$(PORT)", "set the environment variable, or give a default as $(PORT:-8000)");
    check_error("http = http://localhost:8000", "leave `http://` out and write `localhost:8000`");
    check_error("socket = =0", "`=0` stands for a `shared-socket`, and there is none");
    check_error(
        "http = :80\nhttp-socket = :80",
        "is taken already by `http` at site.ini:2; remove one of them",
    );
    check_error("mount = /api", "`/api` has no `=`; write it as /path=module:callable");
    check_error("env = =A", "`=A` has no `=`; write it as NAME=value");
    check_error("protocol = ajp", "Margrave does not speak `ajp`; write one of uwsgi, http, fastcgi,");
    check_error("https = :443,a,b", "Margrave does not speak TLS yet");
    check_error("logger = nolog:x", "is no logger that Margrave has");
    check_error("logger = rsyslog:h,me,192", "`192` is no priority");
    check_error("log-route = db x", "no logger is named `db`");
    check_error("logger = db stdio\nlog-route = db", "`db` has no pattern");
    check_error("log-drain = (", "is no regular expression");
    check_error("log-encoder = base64", "is no encoder that Margrave has");
    check_error("log-encoder = format", "`format` needs a template");
    for mode in ["66", "6660", "1234", "0", "66 ; x"] {
        check_error(&format!("chmod-socket = {mode}"), "write exactly three octal digits such as 660");
    }
    check_error("logto = 127.0.0.1:514", "written as `log-socket = 127.0.0.1:514`");
    check_error("forwarded-allow = 10.0.0.0/99", "is no network");
    check_error("forwarded-allow = ::ffff:10.0.0.0/90", "is no network");
    check_error("forwarded-allow = 10.0.0.0/8, none", "`none` stands alone");
    check_error("forwarded-allow = *\nforwarded-allow = 10.0.0.0/8", "`*` stands alone");
    check_error("add-header = X", "`X` is no field; write it as Name: value");
    check_error("switch-interval = soon", "is no time");
}

#[test]
fn what_uwsgi_starts_with_starts_here_with_a_warning() {
    check("http = :80\nhttp = :80", "is taken already by `http` at site.ini:2; remove one of them");
    check(
        "stats = :1717 --stats-http",
        "only :1717 is read, `--stats-http` behind it is not; remove the rest",
    );
    check("mount = /a=x\nmount = /a=y", "an application is mounted at `/a/` already, so this has no effect");
    check("static-map = static=/x", "`static` is no path, so no request gets there; write /static=/x");
    check("env = A", "`A` has no `=`, so the variable is removed; write NAME=value, or `unenv = A`");
    check("emperor = /etc\nhttp = :80", "an emperor serves nothing itself here, so this has no effect");
    check_error("http = :80,127.0.0.1:90", "names more than one address; write the option once for each");
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let error = run_options("processes = x\nthreads = y\n").unwrap_err().to_string();
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn numbers_are_read_as_uwsgi_reads_them_with_a_warning() {
    check(
        "limit-post = 10M",
        "only 10 is read, `M` behind it is not; units are not understood, write 10485760 if that is meant",
    );
    check("post-buffering = true", "means off in uWSGI; bodies are read ahead anyway");
    check("http-keepalive = true", "");
    check("reload-on-rss = 512M", "");
    check("py-autoreload = true", "it is taken as 1, write 1");
    check("socket = 3031", "is a UNIX socket in the working directory; write `:3031` for a port");
}

#[test]
fn file_where_a_module_belongs_is_named() {
    let world = MemoryWorld::default();
    let said = findings(&run(&world, "margrave --module app.py:app"));
    assert_eq!(
        said,
        [
            "command line: module: `app.py` looks like a file; write `wsgi-file = app.py`, or the module as package.module"
        ]
    );
}

#[test]
fn options_without_effect_say_why() {
    check("mules = 2", "site.ini:2: mules: Margrave knows this option, but it is not built yet");
    check("php-index = x", "belongs to uWSGI's support for PHP");
    check("plugins = php", "Margrave has nothing like the plugin `php`");
    check("hook-master-start = unix_signal:15 gracefully_kill_them_all", "");
    check("hook-master-start = exec:date", "");
    check("hook-master-start = alarm:x y", "the action `alarm:x y` is not built yet");
    let notices = run_options("master = true").unwrap().notices;
    let said: String = notices.iter().map(ToString::to_string).collect();
    assert!(
        said.contains("site.ini:2: master: accepted without effect: there is always a master process"),
        "{said}"
    );
}

#[test]
fn what_uwsgi_starts_with_is_no_reason_to_refuse() {
    check("mount = example.com|/a=app", "mounting at a host is not built yet, so this has no effect");
    check("mount = example.com|/a=app", "write `mount = /a=...`, without `example.com|`");
    check("mount = a=app", "`a` is no path, so no request gets there and this has no effect");
    check("logger = redislog:127.0.0.1:6379,x", "Margrave has no logger `redislog`");
    for mode in ["660", "0660", "0o660", "660 ; x"] {
        let loaded = run_options(&format!("socket = /a\nchmod-socket = {mode}")).expect(mode);
        assert_eq!(loaded.settings.listen.chmod, Some(0o660), "{mode}");
    }
}

#[test]
fn text_of_a_file_is_fit_for_a_terminal() {
    let text = format!("[uwsgi]\n\x1b[2J{}\x07 = 1\nproc\resses = 2\n", "x".repeat(10_000));
    let world = MemoryWorld::with_files(&[("s.ini", &text)]);
    let said = findings(&run(&world, "margrave s.ini --module app")).join("\n");
    assert!(said.contains(r"s.ini:2: \u{1b}[2Jxxx") && said.contains(r"proc\resses"), "{said:?}");
    assert!(!said.contains(['\x1b', '\x07', '\r']) && said.len() < 3_000, "{said:?}");
}

#[test]
fn blocks_that_do_not_fit_are_named() {
    check_error(
        "if-env = A\nmaster = true",
        "site.ini:2: if-env: this block has no end and would swallow all that follows; add `endif =`",
    );
    check_error("for = a b\nmaster = true", "add `endfor =`");
    check_error("else =", "site.ini:2: else: there is no `if` that this belongs to");
    check_error("set = if-env=A\nmaster = true", "site.ini:2: if-env: this block has no end");
    check_error(
        "if-file = site.ini\nset = for=a b\nendif =",
        "set: a block cannot be opened from within another",
    );
    check("for-times = 2x\nendfor =", "for-times: `2x` is read as 2; write a whole number");
    check("for-readline = none\nendfor =", "for-readline: nothing is repeated, since `none` cannot be read");
    check("if-uid = 0\nmaster = true\nendif =", "site.ini:4: endif: there is no block to end here");
}

#[test]
fn sources_that_cannot_be_read_are_named() {
    check_error("ini = no.ini", "site.ini:2: cannot read no.ini: there is no such file");
    check_error("include = conf", "its suffix is none of .ini");
    check_error("yaml = x.yaml", "site.ini:2: cannot read x.yaml: there is no such file");
    check_error("config = x", "its suffix is none of .ini");
    check_error("chdir = @(none)", "site.ini:2: cannot read none: there is no such file");
    check_error(
        "ini = http://host/x.ini",
        "cannot read http://host/x.ini: connection refused; ask for it with curl",
    );
    check_error("ini = https://host:443", "cannot read https://host: an address needs a path");
    check_error("ini = fd://x", "a number is wanted behind `://`");
    check_error("ini = fd://9", "let the parent process leave it open");
    check_error("print = @(sym://x)", "append the text to the executable and write data://0");
    check_error("print = @(call://x)", "write exec://command");
    check_error("ini = emperor://x", "use `margrave --emperor`");
    check_error("ini = foo://x", "there is no such file");
    check_error("sqlite = x.db", "cannot read x.db: there is no such file");
    let world = MemoryWorld::default();
    for (command, wanted) in [
        ("margrave --ini no.ini", "command line: cannot read no.ini: there is no such file"),
        ("margrave no.ini", "command line: cannot read no.ini: there is no such file"),
        ("margrave :prod.ini", "no file"),
        ("margrave", "there is nothing to serve; name an application"),
        ("margrave --proceses 4", "there is no option --proceses; did you mean --processes?"),
    ] {
        let error = run(&world, command).unwrap_err().to_string();
        assert!(error.contains(wanted) || wanted == "no file", "{command}: {error}");
    }
}

#[test]
fn every_format_is_read_by_option_by_suffix_and_as_a_template() {
    let files = [
        ("s.ini", "[uwsgi]\nvaccum = %n\n[p]\nprint = p %n\n"),
        ("s.xml", "<uwsgi>\n<vaccum>%n</vaccum>\n<print id=\"p\">p %n</print></uwsgi>"),
        ("s.yaml", "uwsgi:\n  vaccum: %n\np:\n  print: p %n\n"),
        ("s.yml", "uwsgi:\n  vaccum: %n\np:\n  print: p %n\n"),
        ("s.json", "{\"uwsgi\": {\n\"vaccum\": \"%n\"}, \"p\": {\"print\": \"p %n\"}}"),
        ("s.js", "{\"uwsgi\": {\n\"vaccum\": \"%n\"}, \"p\": {\"print\": \"p %n\"}}"),
        ("s.toml", "[uwsgi]\nvaccum = '%n'\n[p]\nprint = 'p %n'\n"),
    ];
    for (name, _) in files {
        let format = match name.trim_start_matches("s.") {
            "yml" => "yaml",
            "js" => "json",
            suffix => suffix,
        };
        for how in [
            name.to_owned(),
            format!("--{format} {name}"),
            format!("--include {name}"),
            format!("--inherit {name}"),
            format!("--config {name}"),
        ] {
            let said =
                findings(&run(&MemoryWorld::with_files(&files), &format!("margrave {how} --module app")));
            let wanted = format!("{name}:2: vaccum: there is no such option; did you mean `vacuum`?");
            assert_eq!(said, [wanted], "{how}");
        }
        let loaded =
            run(&MemoryWorld::with_files(&files), &format!("margrave {name}:p --module app")).unwrap();
        assert_eq!(loaded.output, ["p s"], "{name}");
    }
}

#[test]
fn missing_section_is_named_with_those_that_exist() {
    let world = MemoryWorld::with_files(&[("s.ini", "[prod]\nmaster = true\n[dev]\n")]);
    let said = findings(&run(&world, "margrave --ini s.ini:test --module app"));
    assert_eq!(
        said,
        [
            "s.ini: there is no section [test], so nothing is read; name one of those in the file: [prod], [dev]"
        ]
    );
}

#[test]
fn missing_section_is_an_error_when_nothing_else_is_served() {
    let world = MemoryWorld::with_files(&[("s.ini", "[uwsgi]\nmodule = app\n")]);
    let error = run(&world, "margrave s.ini:prod").unwrap_err();
    assert_eq!(
        error.to_string(),
        "s.ini: there is no section [prod], so nothing is read; name one of those in the file: [uwsgi]"
    );
    assert!(error.diagnostics.is_empty());
}

#[test]
fn warnings_are_in_the_order_of_lines() {
    let said = findings(&run_options("processes = 2 ; x\nvaccum = 1\nchdir = /a ; b\nmules = 1\n"));
    let lines: Vec<&str> = said.iter().map(|text| &text[..10]).collect();
    assert_eq!(lines, ["site.ini:2", "site.ini:3", "site.ini:4", "site.ini:5"]);
}

#[test]
fn traps_of_percent_signs_are_named() {
    check("log-date = %Y-%m-%d", "site.ini:2: log-date: `%Y` is no magic variable");
    check("log-date = %Y-%m-%d", "write `%%d`");
    check(
        "env = A=100%\nmaster = true",
        "site.ini:2: env: `%` at the end of this line joins it with the next one",
    );
}

#[test]
fn environment_options_are_named_as_variables() {
    let mut world = MemoryWorld::default();
    world.set_env("UWSGI_PROCESES", "4");
    let said = findings(&run(&world, "margrave --module app"));
    assert_eq!(said, ["environment: proceses: UWSGI_PROCESES names no option; did you mean `processes`?"]);
}

#[test]
fn templates_that_come_too_late_for_expansion_are_named() {
    let world = MemoryWorld::with_files(&[
        ("a.ini", "[uwsgi]\nname = x\ninherit = t.ini\nmodule = %(name)\n"),
        ("t.ini", "[uwsgi]\nchdir = /%(name)\nvaccum = 1\n"),
    ]);
    let said = findings(&run(&world, "margrave a.ini")).join("\n");
    assert!(
        said.contains("t.ini:2: chdir: `/%(name)` is not expanded in a file read by `inherit`"),
        "{said}"
    );
    assert!(said.contains("t.ini:3: vaccum: there is no such option"), "{said}");
}
