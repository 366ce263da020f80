//! See `margrave_wire::uwsgi::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::uwsgi::fuzz::check(input));
