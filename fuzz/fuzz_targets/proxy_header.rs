//! See `margrave_wire::proxy_protocol::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| margrave_wire::proxy_protocol::fuzz::check(input));
