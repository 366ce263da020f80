//! Time to find a static file and to form its answer: `cargo bench -p margrave-static-files`.
#![allow(clippy::unwrap_used)]

use divan::{Bencher, black_box};
use margrave_config::settings::{CompressedSettings, StaticSettings};
use margrave_static_files::{Memory, StaticFiles};
use margrave_wire::{Known, Name, Request};
use std::time::{Duration, SystemTime};

fn main() {
    divan::main();
}

/// `limit` bytes of memory; 0 takes every answer from the file.
fn find(bencher: Bencher<'_, '_>, limit: usize, all_codings: bool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.css"), vec![b'x'; 20_000]).unwrap();
    let settings = StaticSettings {
        maps: vec![("/static".into(), folder.path().into())],
        compressed: CompressedSettings { all: all_codings, ..CompressedSettings::default() },
        ..StaticSettings::default()
    };
    let files = StaticFiles::new(&settings).unwrap();
    let mut request = Request::new();
    request.push(Name::Known(Known::RequestMethod), b"GET");
    request.push(Name::Known(Known::PathInfo), b"/static/a.css");
    request.push(Name::from_bytes(b"HTTP_ACCEPT_ENCODING"), b"gzip, deflate, br");
    let mut memory = Memory::new(limit);
    let now = SystemTime::now() + Duration::from_secs(10);
    bencher.bench_local(|| {
        let found = files.find(black_box(&request), &mut memory, now).unwrap();
        black_box(files.answer(&request, &found, now).length())
    });
}

#[divan::bench]
fn from_memory(bencher: Bencher<'_, '_>) {
    find(bencher, 1 << 20, false);
}

#[divan::bench]
fn from_the_file(bencher: Bencher<'_, '_>) {
    find(bencher, 0, false);
}

#[divan::bench]
fn from_memory_after_a_look_for_neighbours(bencher: Bencher<'_, '_>) {
    find(bencher, 1 << 20, true);
}
