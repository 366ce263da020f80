//! See `margrave_wire::http1::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::http1::fuzz::check(input));
