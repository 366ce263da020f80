//! The meta-variables made of a request are those that uWSGI made of the same bytes, except where a reason is given.

#![allow(clippy::unwrap_used, clippy::panic)]

use margrave_wire::{Decoded, Limits, Peer, Request, WireError, fastcgi, http1, scgi, uwsgi};
use std::collections::BTreeMap;

struct Case {
    name: String,
    input: Vec<u8>,
    /// `None`: the application was not reached.
    vars: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    scheme: Option<String>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (rest, _) = match (first, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
                (tail, out.push(byte))
            }
            (b'\\', [b'\\', tail @ ..]) => (tail, out.push(b'\\')),
            (byte, tail) => (tail, out.push(*byte)),
        };
    }
    out
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match (line.split_once(' ').unwrap_or((line, "")), cases.last_mut()) {
            (("case", name), _) => {
                cases.push(Case { name: name.into(), input: Vec::new(), vars: None, scheme: None });
            }
            (("in", input), Some(case)) => case.input = unescape(input),
            (("var", var), Some(case)) => {
                let (name, value) = var.split_once(' ').unwrap();
                let vars = case.vars.get_or_insert_default();
                vars.insert(unescape(name), unescape(value));
            }
            (("scheme", scheme), Some(case)) => case.scheme = Some(scheme.into()),
            _ => assert!(line.is_empty(), "{line}"),
        }
    }
    cases
}

fn vars(request: &Request) -> BTreeMap<Vec<u8>, Vec<u8>> {
    request.vars().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
}

/// What we make of a case where it is not what uWSGI made of it.
enum Difference {
    /// Refused with this status.
    Refused(u16),
    /// One variable has another value, or none.
    Var(&'static str, Option<&'static str>),
}
use Difference::{Refused, Var};

const HTTP: &[(&str, &str, Difference)] = &[
    ("post_bad_cl", "not a number", Refused(400)),
    ("post_dup_cl", "a second Content-Length, though equal", Refused(400)),
    (
        "path_pct_bad",
        "an escape that is none stays text; a NUL is nothing anybody sent",
        Var("PATH_INFO", Some("/a%zz/b%4/c%")),
    ),
    ("repeat_headers", "cookies are joined by semicolons (RFC 6265)", Var("HTTP_COOKIE", Some("a=1; b=2"))),
    ("header_underscore", "X_A is not X-A", Var("HTTP_X_UNDER_SCORE", Some("d"))),
    (
        "header_spaces",
        "spaces around a value are not of the value (RFC 9110, 5.5)",
        Var("HTTP_X_TRAIL", Some("trail")),
    ),
    ("header_spaces", "the same of tabs", Var("HTTP_X_TAB", Some("t"))),
    ("header_space_before_colon", "a space before the colon", Refused(400)),
    ("header_folded", "a folded field", Refused(400)),
    ("header_no_colon", "a line that is no field", Refused(400)),
    ("header_special", "Proxy would become HTTP_PROXY", Var("HTTP_PROXY", None)),
    ("absolute_form", "the host is in the target", Var("HTTP_HOST", Some("other.test:81"))),
    ("absolute_form", "and the path after it", Var("PATH_INFO", Some("/abs/path"))),
    ("absolute_form", "the origin form of the same target", Var("REQUEST_URI", Some("/abs/path?x=1"))),
    ("http09", "no version", Refused(400)),
    ("no_host_11", "no Host", Refused(400)),
    ("two_hosts", "two of them", Refused(400)),
    ("bare_lf", "lines end in CR LF", Refused(400)),
];

const UWSGI: &[(&str, &str, Difference)] = &[
    ("post_bad_cl", "not a number", Refused(400)),
    ("modifier1_5", "there is no Perl here", Refused(501)),
    ("empty_packet", "no variables", Refused(400)),
    ("uwsgi_file", "a client must not choose the code", Var("UWSGI_FILE", None)),
];

const SCGI: &[(&str, &str, Difference)] = &[
    ("post_bad_cl", "not a number", Refused(400)),
    ("path_pct_nul", "a NUL in a value makes values of the names that follow", Refused(400)),
];

const FASTCGI: &[(&str, &str, Difference)] = &[("post_bad_cl", "not a number", Refused(400))];

fn check(
    text: &str,
    differences: &[(&str, &str, Difference)],
    decode: impl Fn(&[u8], &mut Request) -> Result<bool, WireError>,
) {
    let mut request = Request::new();
    for case in cases(text) {
        let name = &case.name;
        let of_case = || differences.iter().filter(|(case, ..)| case == name);
        let refused = of_case().find_map(|(.., difference)| match difference {
            Refused(status) => Some(*status),
            Var(..) => None,
        });
        match (decode(&case.input, &mut request), refused) {
            (Err(error), Some(status)) => assert_eq!(error.status(), status, "{name}: {error}"),
            (Err(error), None) => panic!("{name}: refused: {error}"),
            (Ok(_), Some(_)) => panic!("{name}: should be refused"),
            (Ok(complete), None) => {
                assert!(complete, "{name}: incomplete");
                let mut expected = case.vars.unwrap_or_default();
                for (.., difference) in of_case() {
                    match difference {
                        Var(var, Some(value)) => _ = expected.insert((*var).into(), (*value).into()),
                        Var(var, None) => _ = expected.remove(var.as_bytes()),
                        Refused(_) => {}
                    }
                }
                assert_eq!(vars(&request), expected, "{name}");
                if let Some(scheme) = case.scheme {
                    assert_eq!(request.is_https(), scheme == "https", "{name}");
                }
            }
        }
    }
    for (case, ..) in differences {
        let known = [include_str!("../testdata/http-socket.txt"), include_str!("../testdata/uwsgi.txt")];
        let special = include_str!("../testdata/uwsgi-special-vars.txt");
        let scgi = include_str!("../testdata/scgi.txt");
        assert!(
            known.iter().chain([&special, &scgi]).any(|text| text.contains(&format!("case {case}\n"))),
            "{case}"
        );
    }
}

#[test]
fn http_environ_is_as_recorded_from_uwsgi() {
    let peer = Peer {
        server_name: b"vm",
        server_port: b"21001",
        remote_addr: b"127.0.0.1",
        trusted: true,
        ..Peer::default()
    };
    check(include_str!("../testdata/http-socket.txt"), HTTP, |input, request| {
        let decoded = http1::decode(input, &Limits::default(), &peer, request)?;
        Ok(matches!(decoded, Decoded::Complete { .. }))
    });
}

#[test]
fn uwsgi_environ_is_as_recorded_from_uwsgi() {
    let peer = Peer { trusted: true, ..Peer::default() };
    for text in [include_str!("../testdata/uwsgi.txt"), include_str!("../testdata/uwsgi-special-vars.txt")] {
        check(text, UWSGI, |input, request| {
            let decoded = uwsgi::decode(input, &Limits::default(), &peer, request)?;
            Ok(matches!(decoded, uwsgi::Decoded::Request { .. }))
        });
    }
}

#[test]
fn scgi_environ_is_as_recorded_from_uwsgi() {
    let peer = Peer { trusted: true, ..Peer::default() };
    check(include_str!("../testdata/scgi.txt"), SCGI, |input, request| {
        let decoded = scgi::decode(input, &Limits::default(), &peer, request)?;
        Ok(matches!(decoded, Decoded::Complete { .. }))
    });
}

#[test]
fn fastcgi_environ_is_as_recorded_from_uwsgi() {
    let peer = Peer { trusted: true, ..Peer::default() };
    let capacity = fastcgi::Capacity { connections: 1, requests: 1 };
    check(include_str!("../testdata/fastcgi.txt"), FASTCGI, |input, request| {
        let head = fastcgi::Decoder::new(capacity).head(input, &Limits::default(), &peer, request)?;
        Ok(matches!(head, fastcgi::Head::Request { .. }))
    });
}
