//! See `margrave_wire::fastcgi::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::fastcgi::fuzz::check(input));
