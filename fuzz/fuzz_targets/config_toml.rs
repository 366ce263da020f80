//! See `margrave_config::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_config::fuzz::toml(input));
