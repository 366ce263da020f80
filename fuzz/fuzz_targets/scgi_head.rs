//! See `margrave_wire::scgi::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::scgi::fuzz::check(input));
