//! Time to build an environ: `cargo bench -p margrave-python`.
#![allow(clippy::unwrap_used)]

use _margrave::wsgi::environ::{EnvironBuilder, Facts};
use divan::{Bencher, black_box};
use margrave_wire::{Limits, Peer, Request, http1};
use pyo3::prelude::*;

fn main() {
    divan::main();
}

const FIELDS: [&str; 10] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://www.example.com/shop",
    "Cookie: sessionid=0123456789abcdef0123456789abcdef",
    "Upgrade-Insecure-Requests: 1",
    "X-Request-Trace: 4bf92f3577b34da6",
    "Cache-Control: no-cache",
    "X-Own: value",
];

#[divan::bench(args = [0, 10])]
fn environ(bencher: Bencher<'_, '_>, fields: usize) {
    let lines: String = FIELDS[..fields].iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("GET /shop/items?page=2 HTTP/1.1\r\nHost: www.example.com\r\n{lines}\r\n");
    let mut request = Request::new();
    http1::decode(head.as_bytes(), &Limits::default(), &Peer::default(), &mut request).unwrap();
    let facts = Facts {
        multithread: false,
        multiprocess: false,
        core: 0,
        version: "2.0.31",
        node: b"bench".to_vec(),
        file_wrapper: true,
        ports: vec![Some(8000)],
    };
    Python::initialize();
    Python::attach(|py| {
        let errors = py.None();
        let mut builder = EnvironBuilder::new(py, &facts, errors.bind(py)).unwrap();
        bencher.bench_local(|| drop(builder.build(py, black_box(&request), 0, None).unwrap()));
    });
}
