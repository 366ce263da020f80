//! See `margrave_wire::answer::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::answer::fuzz::check(input));
