//! See `margrave_wire::response::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::response::fuzz::check(input));
