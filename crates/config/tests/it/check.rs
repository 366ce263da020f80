//! `margrave check`: what it finds, how it says so, what it comes to.

use margrave_config::MemoryWorld;
use margrave_config::check::{CheckReport, CheckRequest, check};

fn report(files: &[(&str, &str)], arguments: &str) -> (CheckReport, MemoryWorld) {
    let world = MemoryWorld::with_files(files);
    let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    (check(&CheckRequest::parse(&words).unwrap(), &world), world)
}

/// Each finding of one file as `severity kind line option`.
fn kinds(options: &str, strict: bool) -> (Vec<String>, i32) {
    let text = format!("[uwsgi]\nmodule = app\n{options}");
    let arguments = if strict { "--strict site.ini" } else { "site.ini" };
    let (report, _) = report(&[("site.ini", &text)], arguments);
    let shown = report.files[0].findings.iter().map(|finding| {
        assert!(!finding.reason.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        let line = finding.line.unwrap_or(0);
        format!("{} {} {line} {}", finding.severity, finding.kind, finding.option)
    });
    (shown.collect(), report.exit_code)
}

#[test]
fn each_kind_of_finding_has_its_line_and_its_exit_code() {
    for (options, expected, code) in [
        ("processes = 2\n", "", 0),
        ("master = true\n", "note no-effect 3 master", 0),
        ("vaccum = 1\n", "warning unknown 3 vaccum", 1),
        ("\nmules = 1\n", "warning not-built-yet 4 mules", 1),
        ("php-index = x\n", "warning no-effect 3 php-index", 1),
        ("processes = 2 ; two\n", "warning trap 3 processes", 1),
        ("if-env = A\nelse =\nendif =\n", "note differs 4 else", 1),
        ("if-env = A\nif-env = B\nendif =\nendif =\n", "note differs 4 if-env", 1),
        ("[other] # x\n", "warning differs 3 ", 1),
        ("ssl-enable3 = 1\n", "error refused 3 ssl-enable3", 2),
        ("for = A=1 B=2\nenv = %(_)\nend =\nenv =\n", "warning trap 6 env", 1),
        ("logger = file:logfile=/a,maxsize=9\n", "warning trap 3 logger", 1),
        ("emperor-tyrant = false\n", "note no-effect 3 emperor-tyrant", 0),
        ("mules = 0\ngreenlet = off\n", "warning not-built-yet 3 mules\nnote no-effect 4 greenlet", 1),
        ("processes = x\n", "error invalid 3 processes", 2),
        ("include = none.ini\n", "error invalid 3 include", 2),
        ("if-env = A\n", "error invalid 3 if-env", 2),
    ] {
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(kinds(options, false), (expected.iter().map(|line| (*line).to_owned()).collect(), code));
    }
}

#[test]
fn strict_makes_errors_of_warnings() {
    assert_eq!(kinds("vaccum = 1\n", true), (vec!["error unknown 3 vaccum".to_owned()], 2));
    assert_eq!(kinds("master = 1\n", true).1, 0);
}

#[test]
fn report_shows_the_line_and_underlines_the_part_in_question() {
    let (report, world) =
        report(&[("site.ini", "[uwsgi]\nmodule = app\n\tprocesses = 2 ; two\r\n")], "site.ini");
    assert_eq!(
        report.render(&world, false),
        "\
warning[trap]: processes: only 2 is read, `; two` behind it is not
  --> site.ini:3
  |
3 |     processes = 2 ; two
  |                   ^^^^^
  = fix: put the comment on a line of its own

site.ini: runs, with differences worth reading (0 errors, 1 warning, 0 notes)
"
    );
    let colored = report.render(&world, true);
    assert!(colored.contains("\u{1b}[1;33mwarning[trap]\u{1b}[0m"), "{colored}");
}

#[test]
fn included_files_and_other_formats_are_shown_too() {
    let files = [
        ("a.yaml", "uwsgi:\n  module: app\n  include: b.xml\n"),
        ("b.xml", "<uwsgi>\n  <vaccum/></uwsgi>"),
        ("c.json", "{\"uwsgi\": {\"module\": \"app\",\n \"processes\": \"x\"}}"),
        ("d", "[uwsgi]\nmodule = app\n"),
    ];
    let (report, world) = report(&files, "a.yaml c.json d");
    let text = report.render(&world, false);
    for part in [
        "  --> b.xml:2\n  |\n2 |   <vaccum/></uwsgi>\n  |    ^^^^^^\n  = fix: did you mean `vacuum`?\n",
        "a.yaml: runs, with differences worth reading",
        "2 |  \"processes\": \"x\"}}\n  |                ^\n",
        "c.json: does not run",
        "d: runs as it is (0 errors, 0 warnings, 0 notes)",
        "3 files: 1 as they are, 1 with differences, 1 not at all; 1 error, 1 warning, 0 notes",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(report.exit_code, 2);
}

#[test]
fn source_lines_are_fit_for_a_terminal() {
    let text = format!("[uwsgi]\nmodule = app\nx\u{1b}[2J = {}\n", "y".repeat(5_000));
    let (report, world) = report(&[("site.ini", &text)], "site.ini");
    let shown = report.render(&world, false);
    assert!(!shown.contains('\u{1b}') && shown.lines().all(|line| line.chars().count() < 300), "{shown:?}");
}

#[test]
fn json_report_has_every_field() {
    let (report, _) = report(&[("s.ini", "[uwsgi]\nmodule = app\nvaccum = 1\n")], "s.ini");
    let value: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "files": [{
                "file": "s.ini",
                "verdict": "differs",
                "findings": [{
                    "file": "s.ini", "line": 3, "option": "vaccum", "severity": "warning", "kind": "unknown",
                    "reason": "there is no such option", "fix": "did you mean `vacuum`?", "fixable": true,
                }],
            }],
            "errors": 0, "warnings": 1, "notes": 0, "exit_code": 1,
        })
    );
}

#[test]
fn commands_in_a_file_are_no_silent_end() {
    assert_eq!(kinds("exit = 3\nvaccum = 1\n", false).1, 1);
}

#[test]
fn thousands_of_unknown_keys_are_checked_quickly() {
    let text: String = (0..5_000).map(|at| format!("unknown-thing-{at} = 1\n")).collect();
    assert_eq!(kinds(&text, false).0.len(), 5_000);
}

#[test]
fn directory_stands_for_the_configuration_files_in_it() {
    let files = [
        ("sites/b.ini", "[uwsgi]\nmodule = app\n"),
        ("sites/a.yaml", "uwsgi:\n  module: app\n"),
        ("sites/app.py", ""),
        ("sites/deeper/c.ini", ""),
        ("none/app.py", ""),
    ];
    let (all, _) = report(&files, "sites/");
    let names: Vec<&str> = all.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!((names, all.exit_code), (vec!["sites/a.yaml", "sites/b.ini"], 0));
    let (none, _) = report(&files, "none");
    assert!(none.files[0].findings[0].reason.contains("it is a directory"), "{none:?}");
}

#[test]
fn reading_goes_on_behind_what_would_end_a_start() {
    let options = "if-not-env = A\ninclude = none.ini\nset = x\nexit = 3\nblacklist = lazy\nlazy = 1\n\
                   end-blacklist =\nenv = A=@(none)\nversion = 1\nif-env = A\nendfor =\nif-env = PATH\n\
                   processes = x\nvaccum = 1\n";
    let (found, code) = kinds(options, false);
    let expected = "error invalid 3 if-not-env\nerror invalid 4 include\nerror invalid 5 set\nwarning trap 6 exit\n\
                    error invalid 8 lazy\nerror invalid 10 env\nwarning trap 11 version\nnote differs 12 if-env\n\
                    note differs 14 if-env\nerror invalid 14 if-env\nwarning trap 15 processes\nwarning unknown 16 vaccum";
    assert_eq!((found.join("\n").as_str(), code), (expected, 2));
}

#[test]
fn lines_that_are_not_read_here_are_checked_all_the_same() {
    let (found, code) = kinds(
        "if-env = LIVE\nvaccum = 1\nprocesses = many\nthreads = $(N)\nssl-enable3 = 1\nown = 1\n\
         chdir = %(own)\nelse =\nlisten = x\nendif =\n",
        false,
    );
    let expected = [
        "warning unknown 4 vaccum",
        "warning trap 5 processes",
        "warning refused 7 ssl-enable3",
        "note differs 10 else",
        "error invalid 11 listen",
    ];
    assert_eq!((found.iter().map(String::as_str).collect::<Vec<_>>(), code), (expected.to_vec(), 2));
    let start = crate::run_options("if-env = LIVE\nvaccum = 1\nprocesses = many\nendif =\n").unwrap();
    assert!(start.diagnostics.is_empty(), "{:?}", start.diagnostics);
}

#[test]
fn what_a_start_here_needs_is_looked_for() {
    let check = |options: &str, arguments: &str| {
        let text = format!("[uwsgi]\n{options}");
        let files = [
            ("site.ini", text.as_str()),
            ("app.py", ""),
            ("there/app.py", ""),
            ("venv/bin/python", ""),
            ("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        ];
        let (report, _) = report(&files, arguments);
        let findings = &report.files[0].findings;
        let lines = findings
            .iter()
            .map(|finding| format!("{} {} {}", finding.severity, finding.line.unwrap_or(0), finding.option));
        (lines.collect::<Vec<_>>().join("\n"), report.exit_code)
    };
    for (options, expected, code) in [
        ("module = app\nchdir = there\n", "", 0),
        ("module = app\nchdir = /none\n", "error 3 chdir", 2),
        ("module = app\nhome = /none/venv\n", "error 3 home", 2),
        ("module = app\nhome = there\n", "error 3 home", 2),
        ("module = app\nhome = venv\n", "", 0),
        ("wsgi-file = app.py\nchdir = there\n", "", 0),
        ("wsgi-file = other.py\nchdir = there\n", "error 2 wsgi-file", 2),
        ("module = app\nsocket = /none/site.sock\n", "error 3 socket", 2),
        ("module = app\nsocket = x.sock\nchdir = there\n", "", 0),
        ("module = app\nchdir = /none\nsocket = x/x.sock\n", "error 3 chdir", 2),
        ("module = app\nlogto = /none/site.log\n", "error 3 logto", 2),
        ("module = app\npidfile = site.pid\n", "", 0),
        ("module = app\nuid = nobody-here\n", "warning 3 uid", 1),
        ("module = app\nuid = root\n", "", 0),
        ("module = app\nuid = 1000\n", "", 0),
        ("module = app\nlogger = file:/none/x\n", "error 3 logger", 2),
        ("module = app\nmount = /x=none.py\n", "error 3 mount", 2),
        ("emperor = /none\n", "error 2 emperor", 2),
        ("module = app\nchdir = /none\nchdir = there\n", "", 0),
    ] {
        assert_eq!(check(options, "site.ini"), (expected.to_owned(), code), "{options}");
        assert_eq!(check(options, "--elsewhere site.ini"), (String::new(), 0), "{options}");
    }
}
