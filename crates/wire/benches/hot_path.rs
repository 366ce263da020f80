//! Time of what every request passes through: `cargo bench -p margrave-wire`.
#![allow(clippy::unwrap_used)]

use divan::{Bencher, black_box, counter::BytesCount};
use margrave_wire::fastcgi::{self, Kind};
use margrave_wire::{
    BodyDecoder, BodyLength, Decoded, Limits, Name, Peer, Protocol, Request, ResponseEncoder,
};
use margrave_wire::{http1, scgi, uwsgi};

const SMALL: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: wrk\r\n\r\n";
const BROWSER: &[u8] = b"GET /shop/items?page=2&sort=price HTTP/1.1\r\nHost: www.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: https://www.example.com/shop\r\n\
Connection: keep-alive\r\nCookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=abcdefghijklmnopqrstuvwxyz\r\n\
Upgrade-Insecure-Requests: 1\r\nX-Request-Trace: 4bf92f3577b34da6\r\n\r\n";

/// Heads by name, so that a report can be read.
const HEADS: [(&str, &[u8]); 2] = [("2 fields", SMALL), ("10 fields", BROWSER)];

fn main() {
    divan::main();
}

fn peer() -> Peer<'static> {
    Peer {
        server_name: b"localhost",
        server_port: b"8000",
        remote_addr: b"127.0.0.1",
        remote_port: b"40000",
        ..Peer::default()
    }
}

fn head(name: &str) -> &'static [u8] {
    HEADS.into_iter().find(|(known, _)| *known == name).map(|(_, head)| head).unwrap()
}

/// The request that a head means.
fn request(name: &str) -> Request {
    let mut request = Request::new();
    http1::decode(head(name), &Limits::default(), &peer(), &mut request).unwrap();
    request
}

/// Its variables, as a front server would send them.
fn variables(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    request(name).vars().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
}

#[divan::bench(args = ["2 fields", "10 fields"])]
fn http1_head(bencher: Bencher<'_, '_>, name: &str) {
    let (head, limits, peer, mut request) = (head(name), Limits::default(), peer(), Request::new());
    bencher.counter(BytesCount::new(head.len())).bench_local(|| {
        let decoded = http1::decode(black_box(head), &limits, &peer, &mut request).unwrap();
        assert!(matches!(decoded, Decoded::Complete { .. }));
    });
}

#[divan::bench(args = ["2 fields", "10 fields"])]
fn uwsgi_packet(bencher: Bencher<'_, '_>, name: &str) {
    let variables = variables(name);
    let mut packet = Vec::new();
    let pairs = variables.iter().map(|(name, value)| (&name[..], &value[..]));
    assert!(uwsgi::encode(0, 0, pairs, &mut packet));
    let (limits, peer, mut request) = (Limits::default(), peer(), Request::new());
    bencher.counter(BytesCount::new(packet.len())).bench_local(|| {
        let decoded = uwsgi::decode(black_box(&packet), &limits, &peer, &mut request).unwrap();
        assert!(matches!(decoded, uwsgi::Decoded::Request { .. }));
    });
}

#[divan::bench(args = ["2 fields", "10 fields"])]
fn scgi_head(bencher: Bencher<'_, '_>, name: &str) {
    let mut block = b"CONTENT_LENGTH\x000\0SCGI\x001\0".to_vec();
    for (name, value) in variables(name).iter().filter(|(name, _)| name != b"CONTENT_LENGTH") {
        block.extend([&name[..], b"\0", &value[..], b"\0"].concat());
    }
    let netstring = [block.len().to_string().as_bytes(), b":", &block, b","].concat();
    let (limits, peer, mut request) = (Limits::default(), peer(), Request::new());
    bencher.counter(BytesCount::new(netstring.len())).bench_local(|| {
        let decoded = scgi::decode(black_box(&netstring), &limits, &peer, &mut request).unwrap();
        assert!(matches!(decoded, Decoded::Complete { .. }));
    });
}

#[divan::bench]
fn fastcgi_records_of_10_kb(bencher: Bencher<'_, '_>) {
    let body = vec![b'x'; 10_240];
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        out.clear();
        fastcgi::encode_stream(Kind::Stdout, 1, black_box(&body), &mut out);
        black_box(out.len())
    });
}

#[divan::bench(args = [16, 4096])]
fn chunked_body_of_16_kb(bencher: Bencher<'_, '_>, chunk: usize) {
    let mut body = Vec::new();
    for _ in 0..16_384 / chunk {
        body.extend(format!("{chunk:x}\r\n").into_bytes());
        body.extend(vec![b'x'; chunk]);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    let limits = Limits::default();
    bencher.counter(BytesCount::new(16_384usize)).bench_local(|| {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, &limits);
        let mut used = 0;
        loop {
            let step = decoder.decode(black_box(&body[used..])).unwrap();
            used += step.used;
            if step.done {
                return used;
            }
        }
    });
}

#[divan::bench(args = ["2 fields", "10 fields"])]
fn all_variables_as_python_asks(bencher: Bencher<'_, '_>, name: &str) {
    let request = request(name);
    bencher.bench_local(|| {
        let bytes = black_box(&request).vars().map(|(name, value)| match name {
            Name::Known(known) => known as usize + value.len(),
            Name::Other(name) => name.len() + value.len(),
        });
        bytes.sum::<usize>()
    });
}

#[divan::bench(args = ["2 fields", "10 fields"])]
fn response_head_of_4_fields(bencher: Bencher<'_, '_>, name: &str) {
    let request = request(name);
    let fields: [(&[u8], &[u8]); 4] = [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"X-Frame-Options", b"DENY"),
        (b"Vary", b"Cookie"),
        (b"Referrer-Policy", b"same-origin"),
    ];
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        let mut encoder = ResponseEncoder::new(Protocol::Http, &request);
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        encoder.head(b"200 OK", black_box(fields).into_iter(), Some(500), date, false, &mut out).unwrap();
        black_box(encoder.chunk(500));
        black_box(encoder.finish())
    });
}
