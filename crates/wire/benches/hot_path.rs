//! Time of what every request passes through: `cargo bench -p margrave-wire`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use margrave_wire::{Limits, Name, Peer, Protocol, Request, ResponseEncoder, http1, uwsgi};
use std::hint::black_box;
use std::time::Instant;

const SMALL: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: wrk\r\n\r\n";
const BROWSER: &[u8] = b"GET /shop/items?page=2&sort=price HTTP/1.1\r\nHost: www.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: https://www.example.com/shop\r\n\
Connection: keep-alive\r\nCookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=abcdefghijklmnopqrstuvwxyz\r\n\
Upgrade-Insecure-Requests: 1\r\nX-Request-Trace: 4bf92f3577b34da6\r\n\r\n";

/// The fastest of some rounds, in nanoseconds per call.
fn measure(name: &str, mut call: impl FnMut()) {
    let round = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..20_000 {
            call();
        }
        start.elapsed().as_nanos() as f64 / 20_000.0
    };
    let best = (0..20).map(|_| round(&mut call)).fold(f64::INFINITY, f64::min);
    println!("{name:32} {best:8.1} ns");
}

fn main() {
    let limits = Limits::default();
    let peer = Peer {
        server_name: b"localhost",
        server_port: b"8000",
        remote_addr: b"127.0.0.1",
        remote_port: b"40000",
        ..Peer::default()
    };
    let mut request = Request::new();
    for (name, head) in [("http1 head, 2 fields", SMALL), ("http1 head, 10 fields", BROWSER)] {
        measure(name, || {
            black_box(http1::decode(black_box(head), &limits, &peer, &mut request)).unwrap();
        });
    }
    let vars: Vec<(Vec<u8>, Vec<u8>)> =
        request.vars().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    let mut packet = Vec::new();
    assert!(uwsgi::encode(0, 0, vars.iter().map(|(name, value)| (&name[..], &value[..])), &mut packet));
    measure("uwsgi packet, same variables", || {
        black_box(uwsgi::decode(black_box(&packet), &limits, &peer, &mut request)).unwrap();
    });
    http1::decode(BROWSER, &limits, &peer, &mut request).unwrap();
    measure("all variables, as Python asks", || {
        let bytes = request.vars().map(|(name, value)| match name {
            Name::Known(known) => known as usize + value.len(),
            Name::Other(name) => name.len() + value.len(),
        });
        black_box(bytes.sum::<usize>());
    });
    let fields: [(&[u8], &[u8]); 4] = [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"X-Frame-Options", b"DENY"),
        (b"Vary", b"Cookie"),
        (b"Referrer-Policy", b"same-origin"),
    ];
    let mut out = Vec::new();
    measure("response head, 4 fields", || {
        out.clear();
        let mut encoder = ResponseEncoder::new(Protocol::Http, &request);
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        encoder.head(b"200 OK", black_box(fields).into_iter(), Some(500), date, false, &mut out).unwrap();
        black_box(encoder.chunk(500));
        black_box(encoder.finish());
    });
}
