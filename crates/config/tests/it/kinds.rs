//! The kinds of values: of every option that works, values of another kind are named with file and line.

use crate::{findings, run_options};
use margrave_config::options::{self, Kind, OptionRow, Status};

/// Values that are none of the kind, whatever the option.
fn wrong(row: &OptionRow) -> &'static [&'static str] {
    match row.kind {
        Kind::Flag => &["false ; why", "maybe", "\"false\"", "off # x"],
        Kind::Integer | Kind::Bytes | Kind::Seconds | Kind::Milliseconds | Kind::Megabytes => {
            &["many", "-1", "four", "$(NOT_SET)", "%(not-set)", "x4", "99999999999999999999"]
        }
        Kind::Signed => &["many", "x4"],
        Kind::Duration => &["soon", "-1", "5 weeks", ""],
        Kind::Address => &["", "localhost:http", ":70000", "http://localhost:80/", "::1:80", ":$(NOT_SET)"],
        Kind::Mode => &["rw-rw----", "888", "12345"],
        Kind::KeyValue => &["nothing", "=x", ""],
        Kind::Choice(_) => &["gopher", "uwsgi2", ""],
        Kind::Regex => &["", "(", "[a"],
        Kind::Module => &["", "two words", ":app"],
        Kind::Name => &["", "two words"],
        Kind::User => &["", "two words", "a:b"],
        Kind::Owner => &["a:b:c", ":x"],
        Kind::Path => &["", "/srv/x ; y", "true"],
        Kind::Text => &[],
    }
}

/// Options that are right to take what their kind does not name.
fn is_excepted(row: &OptionRow, value: &str) -> bool {
    let takes_nothing = row.argument != options::Argument::Required && value.is_empty();
    // A path of its own kind: a pattern, a comment mark in a name or an address of UDP is theirs to judge.
    takes_nothing || row.directive.is_some()
}

#[test]
fn values_of_another_kind_are_named_with_their_line() {
    let mut silent = Vec::new();
    let mut asked = 0;
    for row in options::rows().filter(|row| row.status == Status::Works) {
        for value in wrong(row) {
            if is_excepted(row, value) {
                continue;
            }
            asked += 1;
            let line = format!("{} = {value}", row.name());
            let said = findings(&run_options(&format!("; a note\n{line}")));
            let place = format!("site.ini:3: {}: ", row.name());
            if !said.iter().any(|text| text.contains(&place)) {
                silent.push(format!("{line}   {said:?}"));
            }
        }
    }
    assert!(asked > 400, "only {asked} values");
    assert!(silent.is_empty(), "{} of {asked} say nothing:\n{}", silent.len(), silent.join("\n"));
}

#[test]
fn value_that_a_later_one_overrides_is_checked_too() {
    let said = findings(&run_options("processes = many\nprocesses = 2\n"));
    assert_eq!(said, ["site.ini:2: processes: `many` is no number; write a whole number"]);
}

#[test]
fn usual_values_of_every_kind_are_silent() {
    for line in [
        "master = TRUE",
        "lazy-apps",
        "listen = 0100",
        "threads =  2 ",
        "reload-on-rss = 1.5",
        "reload-on-rss = 512M",
        "switch-interval = 20ms",
        "http = [::1]:0",
        "http = *:80",
        "static-map = /a=/b",
        "socket = @site",
        "chmod-socket = 1",
        "chmod-socket =",
        "umask = 0022",
        "env = A=",
        "env = A=b=c",
        "protocol = http11",
        "module = a.b:c.d(\"x\")",
        "uid = 1000",
        "chown-socket = www-data",
        "chown-socket = www-data:1000",
        "py-autoreload = 0",
        "http-keepalive",
    ] {
        let outcome = run_options(line);
        assert!(outcome.is_ok(), "{line}: {outcome:?}");
        assert_eq!(findings(&outcome), Vec::<String>::new(), "{line}");
    }
}
