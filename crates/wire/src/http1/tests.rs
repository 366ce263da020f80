//! Heads, each with what becomes of it, in tables by the rule they are about.

mod framing;

use super::{decode, encode_request, path_info_and_query};
use crate::request::{BodyLength, Decoded, Known, Request, Version};
use crate::{Limits, Peer, WireError};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

fn peer() -> Peer<'static> {
    Peer { server_name: b"server", server_port: b"80", remote_addr: b"192.0.2.1", ..Peer::default() }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.escape_ascii().to_string())
}

/// One line that says what became of a head.
fn outcome(result: Result<Decoded, WireError>, request: &Request) -> String {
    match result {
        Err(error) => format!("{} {:?}", error.status(), error.fault),
        Ok(Decoded::Incomplete) => "incomplete".to_owned(),
        Ok(Decoded::Complete { .. }) => {
            let body = match request.body {
                BodyLength::None => String::new(),
                BodyLength::Known(length) => format!(" length={length}"),
                BodyLength::Chunked => " chunked".to_owned(),
            };
            let var = |known| text(request.var(known));
            format!(
                "{} {} path={} query={} host={}{}{}{}{}",
                var(Known::RequestMethod),
                var(Known::RequestUri),
                var(Known::PathInfo),
                var(Known::QueryString),
                var(Known::HttpHost),
                body,
                if request.version == Version::Http10 { " 1.0" } else { "" },
                if request.keep_alive { "" } else { " close" },
                if request.expect_continue { " expect" } else { "" },
            )
        }
    }
}

fn outcome_of(input: &[u8], limits: &Limits, peer: &Peer<'_>) -> String {
    let mut request = Request::new();
    let result = decode(input, limits, peer, &mut request);
    outcome(result, &request)
}

fn check(input: &[u8], expected: &str) {
    let found = outcome_of(input, &Limits::default(), &peer());
    assert!(
        found == expected || expected.len() == 3 && found.starts_with(expected),
        "{}\n found    {found}\n expected {expected}",
        input.escape_ascii()
    );
}

/// Checks `GET / HTTP/1.1` with Host and one more field.
fn check_field(field: &str, expected: &str) {
    let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
    let good = "GET / path=/ query= host=h";
    let found = outcome_of(input.as_bytes(), &Limits::default(), &peer());
    let found = found.strip_prefix(good).unwrap_or(&found).trim();
    assert!(
        found == expected || expected.len() == 3 && found.starts_with(expected),
        "{field:?}\n found    {found}\n expected {expected}"
    );
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

#[test]
fn methods_are_tokens() {
    for method in
        ["GET", "get", "POST", "M-SEARCH", "FOOBAR", "A", "!#$%&*+-.^_`|~09az", "PROPPATCH", "QUERY"]
    {
        let input = format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n");
        check(input.as_bytes(), &format!("{method} / path=/ query= host=h"));
    }
    for method in [
        "",
        " GET",
        "G(ET",
        "GE\"T",
        "G/T",
        "G:T",
        "G;T",
        "G<T",
        "G=T",
        "G>T",
        "G?T",
        "G@T",
        "G[T",
        "G\\T",
        "G]T",
        "G{T",
        "G}T",
        "G,T",
        "\tGET",
        "GET\t",
        "G\u{e9}T",
        "\0",
        "G\u{7f}T",
        "\u{16}\u{3}\u{1}",
        "GET\u{b}",
    ] {
        let mut input = latin1(method);
        input.extend_from_slice(b" / HTTP/1.1\r\nHost: h\r\n\r\n");
        check(&input, "400");
    }
    check(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "501 Connect");
    check(b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", "501 Connect");
    check(&[b'A'; 33], "501 MethodTooLong");
    check(&[b'A'; 32], "incomplete");
}

#[test]
fn garbage_is_refused_before_a_line_end_comes() {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x00\x00",
        b"{\"json\":1}",
        b" GET",
        b"\r\r",
        b"\n",
        b"GET  / HTTP/1.1",
        b"GET / XTTP",
        b"GET / HTTP/x",
        b"GET / HTTP/1.1\n",
        b"GET /\r",
        b"GET / http",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    ] {
        check(garbage, "400");
    }
}

#[test]
fn versions_are_1_0_and_1_1() {
    for (version, expected) in [
        ("HTTP/1.1", "GET / path=/ query= host=h"),
        ("HTTP/1.0", "GET / path=/ query= host=h 1.0 close"),
        ("HTTP/1.2", "GET / path=/ query= host=h"),
        ("HTTP/1.9", "GET / path=/ query= host=h"),
        ("HTTP/2.0", "505 VersionUnsupported"),
        ("HTTP/0.9", "505 VersionUnsupported"),
        ("HTTP/3.0", "505 VersionUnsupported"),
        ("HTTP/9.9", "505 VersionUnsupported"),
        ("HTTP/2", "400"),
        ("HTTP/1", "400"),
        ("HTTP/1.", "400"),
        ("HTTP/.1", "400"),
        ("HTTP/11", "400"),
        ("HTTP/1.10", "400"),
        ("HTTP/01.1", "400"),
        ("HTTP/1.01", "400"),
        ("HTTP/1,1", "400"),
        ("HTTP/1.1 ", "400"),
        (" HTTP/1.1", "400"),
        ("HTTP/1.1\t", "400"),
        ("HTTP /1.1", "400"),
        ("HTTP/ 1.1", "400"),
        ("http/1.1", "400"),
        ("Http/1.1", "400"),
        ("HTTPS/1.1", "400"),
        ("HTTP/a.b", "400"),
        ("HTTP/-1.1", "400"),
        ("HTTP/1.1 HTTP/1.1", "400"),
        ("HTTP", "400"),
        ("FTP/1.1", "400"),
        ("HTTP/1.\u{b2}", "400"),
        ("", "400"),
    ] {
        check(&latin1(&format!("GET / {version}\r\nHost: h\r\n\r\n")), expected);
    }
    check(b"GET /\r\nHost: h\r\n\r\n", "400 VersionSyntax");
    check(b"GET /\r\n\r\n", "400 VersionSyntax");
    check(b"GET\r\n\r\n", "400");
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 VersionUnsupported");
}

#[test]
fn targets_are_taken_apart_as_uwsgi_does() {
    for (target, expected) in [
        ("/", "/ path=/ query="),
        ("/a", "/a path=/a query="),
        ("/a?", "/a? path=/a query="),
        ("/a?b", "/a?b path=/a query=b"),
        ("/a?b?c", "/a?b?c path=/a query=b?c"),
        ("/?", "/? path=/ query="),
        ("/?a=/../b", "/?a=/../b path=/ query=a=/../b"),
        ("/a#b", "/a#b path=/a query="),
        ("/a?b#c", "/a?b#c path=/a query=b"),
        ("/a#b?c", "/a#b?c path=/a query=c"),
        ("/%41", "/%41 path=/A query="),
        ("/%41?%42", "/%41?%42 path=/A query=%42"),
        ("/a%2Fb", "/a%2Fb path=/a/b query="),
        ("/a%2fb", "/a%2fb path=/a/b query="),
        ("/a%3Fb", "/a%3Fb path=/a?b query="),
        ("/a%23b", "/a%23b path=/a#b query="),
        ("/a%25b", "/a%25b path=/a%b query="),
        ("/a%2541", "/a%2541 path=/a%41 query="),
        ("/a%00b", r"/a%00b path=/a\x00b query="),
        ("/%E2%82%AC", r"/%E2%82%AC path=/\xe2\x82\xac query="),
        ("/%ff", r"/%ff path=/\xff query="),
        ("/%zz", "/%zz path=/%zz query="),
        ("/%", "/% path=/% query="),
        ("/%4", "/%4 path=/%4 query="),
        ("/%4%41", "/%4%41 path=/%4A query="),
        ("/%%41", "/%%41 path=/%A query="),
        ("/%+1", "/%+1 path=/%+1 query="),
        ("/a+b", "/a+b path=/a+b query="),
        ("/a;b=c", "/a;b=c path=/a;b=c query="),
        ("//a//b", "//a//b path=//a//b query="),
        ("/a/../b", "/a/../b path=/b query="),
        ("/a/./b", "/a/./b path=/a/b query="),
        ("/a/b/..", "/a/b/.. path=/a/ query="),
        ("/a/b/.", "/a/b/. path=/a/b/ query="),
        ("/a/..", "/a/.. path=/ query="),
        ("/..", "/.. path=/ query="),
        ("/.", "/. path=/ query="),
        ("/../..", "/../.. path=/ query="),
        ("/../../x", "/../../x path=/x query="),
        ("/a/../../b", "/a/../../b path=/b query="),
        ("/a//../b", "/a//../b path=/a/b query="),
        ("/a/b/../c/./d/../../e", "/a/b/../c/./d/../../e path=/a/e query="),
        ("/a/...", "/a/... path=/a/... query="),
        ("/a/..b", "/a/..b path=/a/..b query="),
        ("/a/.b/c", "/a/.b/c path=/a/.b/c query="),
        ("/a./b", "/a./b path=/a./b query="),
        ("/a../b", "/a../b path=/a../b query="),
        ("/.hidden", "/.hidden path=/.hidden query="),
        ("/a/%2e%2e/b", "/a/%2e%2e/b path=/a/../b query="),
        ("/a/%2E./b", "/a/%2E./b path=/a/../b query="),
        ("/%2F..%2Fb", "/%2F..%2Fb path=//../b query="),
        ("/a%2F../b", "/a%2F../b path=/a/../b query="),
        ("/a/..?x", "/a/..?x path=/ query=x"),
        ("/caf\u{e9}?\u{e9}", r"/caf\xe9?\xe9 path=/caf\xe9 query=\xe9"),
        ("/a|b^c", "/a|b^c path=/a|b^c query="),
        ("/a:b@c", "/a:b@c path=/a:b@c query="),
    ] {
        check(
            &latin1(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")),
            &format!("GET {expected} host=h"),
        );
    }
}

#[test]
fn absolute_form_is_split_into_host_and_path() {
    for (target, expected) in [
        ("http://o/p", "/p path=/p query= host=o"),
        ("http://o:81/p?q", "/p?q path=/p query=q host=o:81"),
        ("HTTP://O/p", "/p path=/p query= host=O"),
        ("https://o/p", "/p path=/p query= host=o"),
        ("http://o", "/ path=/ query= host=o"),
        ("http://o/", "/ path=/ query= host=o"),
        ("http://o?q", "/?q path=/ query=q host=o"),
        ("http://o#f", "/#f path=/ query= host=o"),
        ("http://o/a/../b", "/a/../b path=/b query= host=o"),
        ("http://[::1]:8080/p", "/p path=/p query= host=[::1]:8080"),
        ("http://1.2.3.4/p", "/p path=/p query= host=1.2.3.4"),
    ] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        check(input.as_bytes(), &format!("GET {expected}"));
    }
    for target in [
        "http://",
        "http:///p",
        "http:/o/p",
        "http:o",
        "http://u@o/p",
        "http://u:p@o/p",
        "ftp://o/p",
        "//o",
        "o/p",
        "o:80",
        "http://o:99999/",
        "http://o:x/",
        "http://[::1/",
        "http://o\\p/",
        "*",
        "a",
        "?q",
        "#f",
        "http",
        "javascript:alert(1)",
        "http://o<p/",
        "http://:80/",
        "http://a,b/",
        "../a",
        ".",
        "%2F",
    ] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let expected = if target == "//o" { "GET //o path=//o query= host=h" } else { "400" };
        check(input.as_bytes(), expected);
    }
    check(b"GET http://o/p HTTP/1.1\r\n\r\n", "400 HostMissing");
    check(b"GET http://o/p HTTP/1.0\r\n\r\n", "GET /p path=/p query= host=o 1.0 close");
    check(b"GET http://o/p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 HostTwice");
    check(b"GET http://o/p HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Host");
}

#[test]
fn asterisk_is_for_options() {
    check(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * path=* query= host=h");
    check(b"options * HTTP/1.1\r\nHost: h\r\n\r\n", "400 Target");
    check(b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400 Target");
    check(b"OPTIONS *a HTTP/1.1\r\nHost: h\r\n\r\n", "400 Target");
    check(b"OPTIONS ** HTTP/1.1\r\nHost: h\r\n\r\n", "400 Target");
    check(b"OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS /a path=/a query= host=h");
}

#[test]
fn a_request_line_has_single_spaces_and_no_control_characters() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "GET /a\nb HTTP/1.1",
        "GET  HTTP/1.1",
        "GET HTTP/1.1",
        "GET",
        "/ HTTP/1.1",
        "GET /\u{b} HTTP/1.1",
        "GET /\u{c} HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\0",
        "GET / HTTP/1.1 x",
    ] {
        check(&latin1(&format!("{line}\r\nHost: h\r\n\r\n")), "400");
    }
}

#[test]
fn lines_end_in_cr_lf_only() {
    for input in [
        &b"GET / HTTP/1.1\nHost: h\n\n"[..],
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\n",
        b"GET / HTTP/1.1\rHost: h\r\r",
        b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\nb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\rX",
        b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        check(input, "400");
    }
}

#[test]
fn some_empty_lines_may_come_first() {
    let mut input = Vec::new();
    for lines in 0..8 {
        let mut whole = input.clone();
        whole.extend_from_slice(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        check(&whole, if lines <= 4 { "GET / path=/ query= host=h" } else { "400" });
        input.extend_from_slice(b"\r\n");
    }
    check(b"\r\n", "incomplete");
    check(b"\r", "incomplete");
}

#[test]
fn field_names_are_tokens_before_a_colon() {
    for field in [
        "X",
        "X Y",
        ": v",
        " X: v",
        "\tX: v",
        "X : v",
        "X\t: v",
        "X\0: v",
        "X(Y: v",
        "X)Y: v",
        "X\"Y: v",
        "X/Y: v",
        "X[Y: v",
        "X]Y: v",
        "X{Y: v",
        "X}Y: v",
        "X@Y: v",
        "X;Y: v",
        "X<Y: v",
        "X>Y: v",
        "X=Y: v",
        "X?Y: v",
        "X\\Y: v",
        "X,Y: v",
        "X\u{7f}: v",
        "X\rY: v",
        "X\nY: v",
        "\u{e9}: v",
        "=: v",
        "(: v",
        "X",
    ] {
        let mut input = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
        input.extend_from_slice(&latin1(field));
        input.extend_from_slice(b"\r\n\r\n");
        check(&input, "400");
    }
    for field in
        ["X: v", "X:v", "x: v", "X-Y: v", "X.Y: v", "1: v", "!#$%&'*+-.^`|~: v", "X::v", "X: :v", "X:"]
    {
        check_field(field, "");
    }
}

#[test]
fn field_values_have_no_control_characters() {
    for byte in (0..0x20).chain([0x7f]) {
        for value in
            [vec![byte], vec![b'a', byte], vec![b'a', byte, b'b'], vec![b' ', byte, b'a', b'b', b'c']]
        {
            let mut input = b"GET / HTTP/1.1\r\nHost: h\r\nX: ".to_vec();
            input.extend_from_slice(&value);
            input.extend_from_slice(b"\r\n\r\n");
            check(&input, if byte == b'\t' { "GET / path=/ query= host=h" } else { "400" });
        }
    }
    for byte in 0x80..=0xff_u8 {
        let mut input = b"GET / HTTP/1.1\r\nHost: h\r\nX: ".to_vec();
        input.push(byte);
        input.extend_from_slice(b"\r\n\r\n");
        check(&input, "GET / path=/ query= host=h");
    }
}

#[test]
fn folded_fields_are_refused() {
    for input in [
        &b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\tX: y\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX:\r\n \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n h\r\n\r\n",
    ] {
        check(input, "400 FieldFolded");
    }
}

#[test]
fn host_is_one_valid_name() {
    // tidy: table: names
    for host in [
        "h",
        "example.com",
        "EXAMPLE.com",
        "example.com.",
        "a-b.c_d",
        "127.0.0.1",
        "127.0.0.1:80",
        "h:0",
        "h:65535",
        "h:",
        "[::1]",
        "[::1]:80",
        "[2001:db8::1]:8080",
        "[::ffff:1.2.3.4]",
        "xn--bcher-kva.example",
        "h~",
        "%41",
        "",
        "localhost:21001",
        "1",
        "[::]",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check(input.as_bytes(), &format!("GET / path=/ query= host={host}"));
        let input = format!("GET / HTTP/1.1\r\nHost:\t {host} \t\r\n\r\n");
        check(input.as_bytes(), &format!("GET / path=/ query= host={host}"));
    }
    for host in [
        "a b",
        "a,b",
        "a, b",
        "a/b",
        "a\\b",
        "a@b",
        "u:p@h",
        "a?b",
        "a#b",
        "a<b",
        "a\"b",
        "h:80:80",
        "h:99999",
        "h:65536",
        "h:-1",
        "h:8o",
        "h: 80",
        "h :80",
        ":80",
        ":",
        "[::1",
        "::1",
        "[]",
        "[::1]x",
        "[::1]:x",
        "[g::1]",
        "[1.2.3.4]",
        "[::1%25eth0]",
        "h/",
        "http://h",
        "a\tb",
        "a{b",
        "a|b",
        "a^b",
        "a`b",
        "%4",
        "%zz",
        "h\u{e9}",
        "[fe80::1%eth0]",
        "h:000080",
        "[::1]]",
        "[[::1]]",
    ] {
        check(&latin1(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), "400 Host");
        check(&latin1(&format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")), "400 Host");
    }
    check(b"GET / HTTP/1.1\r\n\r\n", "400 HostMissing");
    check(b"GET / HTTP/1.1\r\nX-Host: h\r\n\r\n", "400 HostMissing");
    check(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 HostTwice");
    check(b"GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", "400 HostTwice");
    check(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost:\r\n\r\n", "400 HostTwice");
    check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400 HostTwice");
    check(b"GET / HTTP/1.0\r\n\r\n", "GET / path=/ query= host=- 1.0 close");
}

#[test]
fn fields_become_meta_variables() {
    for (fields, name, expected) in [
        ("User-Agent: a", "HTTP_USER_AGENT", Some("a")),
        ("X-Foo: a", "HTTP_X_FOO", Some("a")),
        ("x-FOO-bar: a", "HTTP_X_FOO_BAR", Some("a")),
        ("X.Y: a", "HTTP_X.Y", Some("a")),
        ("Content-Type: a/b", "CONTENT_TYPE", Some("a/b")),
        ("Content-Type: a/b", "HTTP_CONTENT_TYPE", None),
        ("Content-Length: 5", "CONTENT_LENGTH", Some("5")),
        ("Content-Length: 5", "HTTP_CONTENT_LENGTH", None),
        ("Content-Type:", "CONTENT_TYPE", Some("")),
        ("X: a\r\nX: b", "HTTP_X", Some("a, b")),
        ("X: a\r\nY: c\r\nx: b", "HTTP_X", Some("a, b")),
        ("X: a\r\nY: c\r\nx: b", "HTTP_Y", Some("c")),
        ("X: a\r\nX:\r\nX: b", "HTTP_X", Some("a, , b")),
        ("Accept: a\r\nAccept: b", "HTTP_ACCEPT", Some("a, b")),
        ("Cookie: a=b\r\nCookie: c=d", "HTTP_COOKIE", Some("a=b; c=d")),
        ("Proxy: http://evil", "HTTP_PROXY", None),
        ("PROXY: http://evil", "HTTP_PROXY", None),
        ("X_Y: a", "HTTP_X_Y", None),
        ("X_Y: a\r\nX-Y: b", "HTTP_X_Y", Some("b")),
        ("User_Agent: a", "HTTP_USER_AGENT", None),
        ("Content_Length: 9", "CONTENT_LENGTH", None),
        ("Content_Length: 9", "HTTP_CONTENT_LENGTH", None),
        ("Remote-User: root", "REMOTE_USER", None),
        ("Remote-User: root", "HTTP_REMOTE_USER", Some("root")),
        ("Script-Name: /x", "SCRIPT_NAME", Some("")),
        ("Https: on", "HTTPS", None),
        ("Https: on", "HTTP_HTTPS", Some("on")),
        ("Remote-Addr: 1.1.1.1", "REMOTE_ADDR", Some("192.0.2.1")),
        ("Request-Method: PUT", "REQUEST_METHOD", Some("GET")),
        ("UWSGI-FILE: /x", "UWSGI_FILE", None),
        ("X:  a  b  ", "HTTP_X", Some("a  b")),
        ("X: \t a\tb \t", "HTTP_X", Some(r"a\tb")),
        ("Transfer-Encoding: chunked", "HTTP_TRANSFER_ENCODING", Some("chunked")),
        ("X: y", "REMOTE_PORT", None),
        ("X: y", "UWSGI_ROUTER", None),
        ("X: y", "SERVER_NAME", Some("server")),
        ("X: y", "SERVER_PROTOCOL", Some("HTTP/1.1")),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        let mut request = Request::new();
        decode(input.as_bytes(), &Limits::default(), &peer(), &mut request).unwrap();
        assert_eq!(
            text(request.find(name.as_bytes())),
            text(expected.map(str::as_bytes)).replace(r"\\t", r"\t"),
            "{fields}"
        );
    }
}

#[test]
fn a_router_adds_its_variables() {
    let peer = Peer { remote_port: b"40000", router: b"http", ..peer() };
    let mut request = Request::new();
    decode(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &Limits::default(), &peer, &mut request).unwrap();
    assert_eq!(request.var(Known::RemotePort), Some(&b"40000"[..]));
    assert_eq!(request.var(Known::UwsgiRouter), Some(&b"http"[..]));
}

#[test]
fn underscores_pass_where_the_operator_says_so_but_never_the_framing() {
    let peer = Peer { underscore_fields: true, ..peer() };
    for (fields, name, expected) in [
        ("X_Y: a", "HTTP_X_Y", Some("a")),
        ("X_Y: a\r\nX-Y: b", "HTTP_X_Y", Some("a, b")),
        ("User_Agent: a", "HTTP_USER_AGENT", Some("a")),
        ("Content_Length: 9", "HTTP_CONTENT_LENGTH", None),
        ("Content_Length: 9", "CONTENT_LENGTH", None),
        ("Transfer_Encoding: chunked", "HTTP_TRANSFER_ENCODING", None),
        ("X_Forwarded-Proto: https", "HTTP_X_FORWARDED_PROTO", None),
        ("X_Forwarded_Proto: https", "HTTP_X_FORWARDED_PROTO", None),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        let mut request = Request::new();
        decode(input.as_bytes(), &Limits::default(), &peer, &mut request).unwrap();
        assert_eq!(request.find(name.as_bytes()), expected.map(str::as_bytes), "{fields}");
    }
}

#[test]
fn the_scheme_is_believed_from_trusted_peers() {
    for (fields, trusted, https) in [
        ("X-Forwarded-Proto: https", true, true),
        ("X-Forwarded-Proto: HTTPS", true, true),
        ("X-Forwarded-Proto: https, http", true, true),
        ("X-Forwarded-Proto: http, https", true, false),
        ("X-Forwarded-Proto: http", true, false),
        ("X-Forwarded-Proto: ftp", true, false),
        ("X-Forwarded-Proto:", true, false),
        ("X-Forwarded-SSL: on", true, true),
        ("X-Forwarded-SSL: 1", true, true),
        ("X-Forwarded-SSL: off", true, false),
        ("X-Forwarded-Proto: https", false, false),
        ("X-Forwarded-SSL: on", false, false),
        ("Https: on", true, false),
        ("Uwsgi-Scheme: https", true, false),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        let mut request = Request::new();
        decode(input.as_bytes(), &Limits::default(), &Peer { trusted, ..peer() }, &mut request).unwrap();
        assert_eq!(request.is_https(), https, "{fields} {trusted}");
    }
}

#[test]
fn request_heads_come_back_as_they_were_encoded() {
    let fields: [(&[u8], &[u8]); 3] = [(b"Host", b"h"), (b"X-A", b"b c"), (b"Content-Length", b"3")];
    let mut out = b"before".to_vec();
    assert!(encode_request(b"POST", b"/a%20b/../c?d", fields.into_iter(), &mut out));
    check(&out[6..], "POST /a%20b/../c?d path=/c query=d host=h length=3");
    assert_eq!(path_info_and_query(b"/a%20b/x/../c?d"), (b"/a b/c".to_vec(), &b"d"[..]));
    for [method, target, name, value] in [
        ["", "/", "A", "b"],
        ["G T", "/", "A", "b"],
        ["GET", "", "A", "b"],
        ["GET", "/a b", "A", "b"],
        ["GET", "/", "", "b"],
        ["GET", "/", "A B", "b"],
        ["GET", "/", "A", "b\r\nC: d"],
    ] {
        let field = (name.as_bytes(), value.as_bytes());
        assert!(!encode_request(method.as_bytes(), target.as_bytes(), [field].into_iter(), &mut out));
    }
    assert!(out.starts_with(b"beforePOST") && out.ends_with(b"3\r\n\r\n"), "nothing of the others is left");
}
