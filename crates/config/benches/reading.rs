//! Time of reading large configurations: `cargo bench -p margrave-config`. Each is measured at two sizes, so that what grows
//! faster than its input shows.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // It reads the clock.

use margrave_config::{MemoryWorld, load};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// The fastest of some rounds, in milliseconds.
fn measure(name: &str, lines: usize, file: &str, text: &str) {
    let world = MemoryWorld::with_files(&[(file, text), ("app.py", "")]);
    let words = ["margrave", file, "--module", "app"].map(str::to_owned);
    let round = || {
        let start = Instant::now();
        let _ = black_box(load(black_box(&words), &world));
        start.elapsed().as_secs_f64() * 1e3
    };
    let best = (0..5).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{name:40} {lines:6} lines {best:9.2} ms");
}

fn text(header: &str, lines: usize, line: impl Fn(&mut String, usize)) -> String {
    let mut text = header.to_owned();
    (0..lines).for_each(|number| line(&mut text, number));
    text
}

fn main() {
    for lines in [1_000, 5_000] {
        let ini = |name: &str, line: &dyn Fn(&mut String, usize)| {
            measure(name, lines, "m.ini", &text("[uwsgi]\n", lines, line));
        };
        ini("options in a list", &|text, number| writeln!(text, "env = A{number}=b").unwrap());
        ini("placeholders that build on one another", &|text, number| {
            writeln!(text, "k{number} = x%(k{})", number / 2).unwrap();
        });
        ini("misspelt names", &|text, number| writeln!(text, "procesess-{number} = 4").unwrap());
        ini("unknown magic variables", &|text, number| writeln!(text, "; a%q{number}\nenv = A=%q").unwrap());
        ini("conditions", &|text, number| {
            writeln!(text, "if-not-opt = k{number}\nk{number} = %(_)\nendif =").unwrap();
        });
        ini("static maps", &|text, number| writeln!(text, "static-map = /{number}=/srv/{number}").unwrap());
        ini("mounts", &|text, number| writeln!(text, "mount = /{number}=app{number}").unwrap());
        let section = text("[uwsgi]\nmaster = true\n[other]\n", lines, |text, _| text.push_str("a = b\n"));
        measure("another section", lines, "m.ini", &section);
        let yaml = text("uwsgi:\n  env:\n", lines, |text, number| {
            writeln!(text, "    - A{number}=b").unwrap();
        });
        measure("YAML", lines, "m.yaml", &yaml);
        let xml = text("<uwsgi>\n", lines, |text, number| {
            writeln!(text, "<env>A{number}=b</env>").unwrap();
        });
        measure("XML", lines, "m.xml", &(xml + "</uwsgi>"));
        let json = text("{\"uwsgi\": {\"env\": [\"A=b\"", lines, |text, number| {
            write!(text, ",\n\"A{number}=b\"").unwrap();
        });
        measure("JSON", lines, "m.json", &(json + "]}}"));
    }
}
