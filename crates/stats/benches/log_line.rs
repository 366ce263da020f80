//! Time of one request line: `cargo bench -p margrave-stats`.
#![allow(clippy::print_stdout)]

use margrave_stats::date::DateCache;
use margrave_stats::log_format::{FormatOptions, LogFormat, Record};
use std::hint::black_box;
use std::time::Instant;

const APACHE: &str = "%(addr) - %(user) [%(ltime)] \"%(method) %(uri) %(proto)\" %(status) %(size) \"%(referer)\" \"%(uagent)\"";

fn main() {
    let options = FormatOptions::default();
    let record = Record {
        method: b"GET",
        uri: b"/shop/items?page=2&sort=price",
        protocol: b"HTTP/1.1",
        addr: b"127.0.0.1",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        start_unix_micros: 1_795_341_081_489_612,
        ..Record::empty()
    };
    let (mut dates, mut out) = (DateCache::new(), Vec::new());
    for (name, format) in [
        ("default line", LogFormat::standard(&options)),
        ("apache's format", LogFormat::parse(APACHE, &options)),
    ] {
        let mut round = || {
            let start = Instant::now();
            for _ in 0..20_000 {
                out.clear();
                format.render(black_box(&record), &mut dates, &mut out);
            }
            start.elapsed().as_nanos() as f64 / 20_000.0
        };
        let best = (0..20).map(|_| round()).fold(f64::INFINITY, f64::min);
        println!("{name:32} {best:8.1} ns");
    }
}
