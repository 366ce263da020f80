//! See `margrave_wire::body::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::body::fuzz::check(input));
