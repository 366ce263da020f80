//! See `margrave_stats::log_format::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_stats::log_format::fuzz::check(input));
