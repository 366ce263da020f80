//! Time of one request line: `cargo bench -p margrave-stats`.

use divan::{Bencher, black_box};
use margrave_stats::date::DateCache;
use margrave_stats::log_format::{FormatOptions, LogFormat, Record};

const APACHE: &str = "%(addr) - %(user) [%(ltime)] \"%(method) %(uri) %(proto)\" %(status) %(size) \"%(referer)\" \"%(uagent)\"";

fn main() {
    divan::main();
}

fn render(bencher: Bencher<'_, '_>, format: &LogFormat) {
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
    bencher.bench_local(|| {
        out.clear();
        format.render(black_box(&record), &mut dates, &mut out);
        out.len()
    });
}

#[divan::bench]
fn default_line(bencher: Bencher<'_, '_>) {
    render(bencher, &LogFormat::standard(&FormatOptions::default()));
}

#[divan::bench]
fn format_of_apache(bencher: Bencher<'_, '_>) {
    render(bencher, &LogFormat::parse(APACHE, &FormatOptions::default()));
}
