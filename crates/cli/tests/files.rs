//! What the executable does with configuration files when nothing is started: check, options, fallback.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::process::{Command, Output};

/// Runs the executable in a directory with these files.
fn margrave(files: &[(&str, &str)], args: &[&str]) -> Output {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(root.path().join(name), text).unwrap();
    }
    Command::new(env!("CARGO_BIN_EXE_margrave"))
        .current_dir(root.path())
        .args(args)
        .env_remove("UWSGI_RELOADS")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_exits_with_what_the_worst_file_comes_to() {
    let files = [
        ("good.ini", "[uwsgi]\nmodule = app\nprocesses = 2\n"),
        ("typo.toml", "[uwsgi]\nmodule = 'app'\nproceses = 2\n"),
        ("bad.yaml", "uwsgi:\n  module: app\n  processes: x\n"),
    ];
    for (args, code, said) in [
        (vec!["check", "good.ini"], 0, "good.ini: runs as it is"),
        (vec!["check", "good.ini", "typo.toml"], 1, "  --> typo.toml:3\n"),
        (vec!["check", "--strict", "typo.toml"], 2, "error[unknown]: proceses"),
        (vec!["check", "bad.yaml", "good.ini"], 2, "  --> bad.yaml:3\n"),
        (vec!["check", "--json", "bad.yaml"], 2, "\"exit_code\": 2"),
    ] {
        let output = margrave(&files, &args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let printed = text(&output.stdout);
        assert!(printed.contains(said) && !printed.contains('\u{1b}'), "{args:?}: {printed}");
    }
    let wrong = margrave(&files, &["check"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("usage: margrave check FILE..."));
}

#[test]
fn options_are_explained() {
    let output = margrave(&[], &["options", "chmod-socket"]);
    assert!(output.status.success() && text(&output.stdout).starts_with("--chmod-socket"), "{output:?}");
}

#[test]
fn help_on_nothing_is_an_error() {
    let output = margrave(&[], &["--help", "nosuch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("no option or subject nosuch"));
    assert!(margrave(&[], &["--help", "http"]).status.success());
}

#[test]
fn fallback_is_started_when_the_configuration_or_the_start_fails() {
    let fallback = "[uwsgi]\nif-reload =\nprint = fallback %n\nendif =\nexit = 7\n";
    for trouble in [
        "processes = x\n",
        "module = app\nhttp = 127.0.0.1:0\nchown-socket = nobody-of-this-name\nuid = nobody-of-this-name\n",
    ] {
        // `exit` acts before `print`, so the code alone tells.
        let main = format!("[uwsgi]\nfallback-config = fb.ini\n{trouble}");
        let output = margrave(&[("m.ini", &main), ("fb.ini", fallback), ("app.py", "")], &["--ini", "m.ini"]);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(text(&output.stderr).contains("starting with the fallback configuration fb.ini"));
    }
}

#[test]
fn files_that_fall_back_on_one_another_come_to_an_end() {
    let files = [
        ("a.ini", "[uwsgi]\nfallback-config = b.ini\nprocesses = x\n"),
        ("b.ini", "[uwsgi]\nfallback-config = a.ini\nprocesses = x\n"),
    ];
    let output = margrave(&files, &["--ini", "a.ini"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("gave up after 10 fallbacks"), "{output:?}");
}
