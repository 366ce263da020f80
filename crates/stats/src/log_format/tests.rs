//! Lines as uWSGI 2.0.31 printed them for the same facts, and lines that nobody can forge.

use super::{FormatOptions, LogFormat, Lookup, Record, push_escaped};
use crate::date::DateCache;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

struct Names;

impl Lookup for Names {
    fn var(&self, name: &[u8]) -> Option<&[u8]> {
        match name {
            b"HTTP_X_A" => Some(b"av"),
            b"EMPTY" => Some(b""),
            _ => None,
        }
    }
    fn log_variable(&self, name: &[u8]) -> Option<&[u8]> {
        match name {
            b"myvar" => Some(b"mv"),
            b"evil" => Some(b"a\nb\"c"),
            _ => None,
        }
    }
    fn metric(&self, name: &[u8]) -> Option<i64> {
        (name == b"worker.1.requests").then_some(-7)
    }
}

/// The request whose lines uWSGI's log has.
fn hello() -> Record<'static> {
    Record {
        method: b"GET",
        uri: b"/hello?x=1",
        protocol: b"HTTP/1.1",
        addr: b"127.0.0.1",
        vars: 24,
        vars_bytes: 263,
        status: 200,
        headers: 2,
        headers_bytes: 57,
        body_bytes: 3,
        start_unix_micros: 1_795_341_081_489_612,
        end_unix_micros: 1_795_341_082_000_000,
        duration_micros: 220,
        pid: 1670,
        worker: 1,
        app: 0,
        app_requests: 1,
        total_requests: 1,
        switches: 1,
        lookup: &Names,
        ..Record::empty()
    }
}

fn render(format: &LogFormat, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    format.render(record, &mut DateCache::new(), &mut out);
    let line = String::from_utf8(out).unwrap();
    let line = line.strip_suffix('\n').unwrap();
    assert_eq!(line.lines().count().max(1), 1);
    line.into()
}

fn standard(options: &FormatOptions<'_>, record: &Record<'_>) -> String {
    render(&LogFormat::standard(options), record)
}

fn check(format: &str, expected: &str) {
    assert_eq!(render(&LogFormat::parse(format, &FormatOptions::default()), &hello()), expected, "{format}");
}

#[test]
fn the_default_line_is_uwsgi_s() {
    let plain = FormatOptions::default();
    assert_eq!(
        standard(&plain, &hello()),
        "[pid: 1670|app: 0|req: 1/1] 127.0.0.1 () {24 vars in 263 bytes} [Sun Nov 22 09:51:21 2026] GET /hello?x=1 \
         => generated 3 bytes in 0 msecs (HTTP/1.1 200) 2 headers in 57 bytes (1 switches on core 0)"
    );
    let sendfile = Record { via_sendfile: true, user: b"joe", core: 9, duration_micros: 300_999, ..hello() };
    assert_eq!(
        standard(&plain, &sendfile),
        "[pid: 1670|app: 0|req: 1/1] 127.0.0.1 (joe) {24 vars in 263 bytes} [Sun Nov 22 09:51:21 2026] GET /hello?x=1 \
         => generated 3 bytes in 300 msecs via sendfile() (HTTP/1.1 200) 2 headers in 57 bytes (1 switches on core 9)"
    );
    let no_app = Record { app: -1, app_requests: -1, status: 500, ..hello() };
    assert!(standard(&plain, &no_app).starts_with("[pid: 1670|app: -1|req: -1/1] 127.0.0.1 () {"));
    let micros = FormatOptions { micros: true, ..plain };
    assert!(standard(&micros, &hello()).contains(" generated 3 bytes in 220 micros (HTTP/1.1 200) "));
    let memory = FormatOptions { memory_report: true, ..plain };
    let used = Record { vsz_bytes: 59_555_840, rss_bytes: 11_337_728, ..hello() };
    assert!(standard(&memory, &used).starts_with(
        "{address space usage: 59555840 bytes/56MB} {rss usage: 11337728 bytes/10MB} [pid: 1670|"
    ));
    let east = Record { offset_seconds: 7200, ..hello() };
    assert!(standard(&plain, &east).contains(" [Sun Nov 22 11:51:21 2026] "));
}

#[test]
fn every_name_has_its_value() {
    // tidy: table: one row for each name
    let record = Record {
        uri: b"/post",
        method: b"POST",
        user: b"joe",
        host: b"h:1",
        user_agent: b"curl/7.88.1",
        referer: b"http://r/",
        content_length: 4,
        vsz_bytes: 3 << 20,
        rss_bytes: (2 << 20) + 5,
        modifier1: 30,
        modifier2: 4,
        read_errors: 2,
        write_errors: 3,
        core: 6,
        worker: 5,
        ..hello()
    };
    for (name, expected) in [
        ("uri", "/post"),
        ("method", "POST"),
        ("user", "joe"),
        ("addr", "127.0.0.1"),
        ("host", "h:1"),
        ("proto", "HTTP/1.1"),
        ("uagent", "curl/7.88.1"),
        ("referer", "http://r/"),
        ("status", "200"),
        ("rsize", "3"),
        ("hsize", "57"),
        ("size", "60"),
        ("cl", "4"),
        ("micros", "220"),
        ("msecs", "0"),
        ("secs", "0.000220"),
        ("tmsecs", "1795341081489"),
        ("tmicros", "1795341081489612"),
        ("time", "1795341081"),
        ("epoch", "1795341082"),
        ("ctime", "Sun Nov 22 09:51:21 2026"),
        ("ltime", "22/Nov/2026:09:51:21 +0000"),
        ("ftime", "22/Nov/2026:09:51:21 +0000"),
        ("pid", "1670"),
        ("wid", "5"),
        ("core", "6"),
        ("switches", "1"),
        ("vars", "24"),
        ("headers", "2"),
        ("pktsize", "263"),
        ("modifier1", "30"),
        ("modifier2", "4"),
        ("vsz", "3145728"),
        ("rss", "2097157"),
        ("vszM", "3"),
        ("rssM", "2"),
        ("werr", "3"),
        ("rerr", "2"),
        ("ioerr", "5"),
        ("var.HTTP_X_A", "av"),
        ("var.EMPTY", "-"),
        ("var.NONE", "-"),
        ("var.", "-"),
        ("metric.worker.1.requests", "-7"),
        ("metric.none", "0"),
        ("myvar", "mv"),
        ("nosuch", "-"),
        ("URI", "-"),
        ("uri ", "-"),
        ("evil", r"a\x0ab\x22c"),
    ] {
        let format = LogFormat::parse(&format!("<%({name})>"), &FormatOptions::default());
        assert_eq!(render(&format, &record), format!("<{expected}>"), "{name}");
    }
}

#[test]
fn formats_keep_their_text() {
    check("", "");
    check("plain", "plain");
    check("%(uri)", "/hello?x=1");
    check("%(uri)%(uri)", "/hello?x=1/hello?x=1");
    check("a%(status)b%(status)c", "a200b200c");
    check("%(user) %(host)", "- -");
    check("%", "%");
    check("100%", "100%");
    check("%%(status)", "%200");
    check("%d %s %n", "%d %s %n");
    check("%()", "%()");
    check("a%()b%(status)", "a%()b200");
    check("%(status", "%(status");
    check("%(status) %(uri", "200 %(uri");
    check("(%(status))", "(200)");
    check("%(a(b)", "-");
    check("caf\u{e9} \"%(method)\"", "caf\u{e9} \"GET\"");
    check(
        "%(addr) - %(user) [%(ltime)] \"%(method) %(uri) %(proto)\" %(status) %(size) \"%(referer)\" \"%(uagent)\"",
        "127.0.0.1 - - [22/Nov/2026:09:51:21 +0000] \"GET /hello?x=1 HTTP/1.1\" 200 60 \"-\" \"-\"",
    );
}

#[test]
fn dates_follow_the_options() {
    let render = |format: &str, options| render(&LogFormat::parse(format, &options), &hello());
    let date = FormatOptions { date: Some("%Y-%m-%d %H:%M:%S"), ..FormatOptions::default() };
    assert_eq!(render("%(ftime) %(ltime)", date), "2026-11-22 09:51:21 22/Nov/2026:09:51:21 +0000");
    let strftime = FormatOptions { strftime: true, ..FormatOptions::default() };
    assert_eq!(render("%Y %(uri) %H%%", strftime), "2026 /hello?x=1 09%");
    assert_eq!(render("%Y %(uri)", FormatOptions::default()), "%Y /hello?x=1");
    // What a client sends is not a pattern.
    let format = LogFormat::parse("%(uri)", &strftime);
    assert_eq!(super::tests::render(&format, &Record { uri: b"/%Y", ..hello() }), "/%Y");
}

#[test]
fn nobody_but_the_operator_writes_a_line() {
    let evil =
        b"a\r\n[pid: 1] \x1b[2J\x07\"\\\x00\x7f\xff\xc2\x9b\xe2\x80\xa8\xe2\x80\xae caf\xc3\xa9 \xe2\x82\xac";
    let shown = r"a\x0d\x0a[pid: 1] \x1b[2J\x07\x22\x5c\x00\x7f\xff\xc2\x9b\xe2\x80\xa8\xe2\x80\xae caf"
        .to_owned()
        + "\u{e9} \u{20ac}";
    let record = Record {
        method: evil,
        uri: evil,
        protocol: evil,
        addr: evil,
        user: evil,
        host: evil,
        user_agent: evil,
        referer: evil,
        ..hello()
    };
    assert_eq!(standard(&FormatOptions::default(), &record).matches(&shown).count(), 5);
    for name in ["method", "uri", "proto", "addr", "user", "host", "uagent", "referer"] {
        let format = LogFormat::parse(&format!("\"%({name})\""), &FormatOptions::default());
        assert_eq!(render(&format, &record), format!("\"{shown}\""));
    }
}

#[test]
fn escaping_leaves_one_printable_line_for_every_byte() {
    for byte in 0..=255_u8 {
        for text in [&[byte][..], &[b'a', byte], &[byte, b'a', byte], &[0xc3, byte], &[0xe2, 0x80, byte]] {
            let mut out = Vec::new();
            push_escaped(text, &mut out);
            let line = core::str::from_utf8(&out).unwrap();
            assert!(line.chars().all(|c| !c.is_control() && c != '"' && c != '\u{2028}'), "{text:?}");
        }
    }
}

#[test]
fn memory_is_looked_at_only_when_shown() {
    let plain = FormatOptions::default();
    for (format, needs) in
        [("%(rss)", true), ("%(vszM)", true), ("a %(rssM)", true), ("%(uri)", false), ("", false)]
    {
        assert_eq!(LogFormat::parse(format, &plain).needs_memory(), needs);
    }
    assert!(!LogFormat::standard(&plain).needs_memory());
    assert!(LogFormat::standard(&FormatOptions { memory_report: true, ..plain }).needs_memory());
}

#[test]
fn a_json_format_is_valid_whatever_the_request_holds() {
    let record = Record { uri: b"/a\"b\\c\x01\xff\xe2\x80\xa8", user: b"", referer: b"\x1b[31m", ..hello() };
    let options = FormatOptions { json: true, ..FormatOptions::default() };
    for (format, expected) in [
        (
            r#"{"uri":"%(uri)","user":"%(user)","status":%(status)}"#,
            "{\"uri\":\"/a\\\"b\\\\c\\u0001\u{fffd}\\u2028\",\"user\":\"-\",\"status\":200}",
        ),
        (
            r#"{"referer":%(referer),"user":%(user),"t":%(ltime),"x":%(nope),"s":%(secs)}"#,
            "{\"referer\":\"\\u001b[31m\",\"user\":null,\"t\":\"22/Nov/2026:09:51:21 +0000\",\"x\":null,\"s\":0.000220}",
        ),
        (r#"{"a\"b %(method)":1}"#, "{\"a\\\"b GET\":1}"),
    ] {
        assert_eq!(render(&LogFormat::parse(format, &options), &record), expected);
    }
}
