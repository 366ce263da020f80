//! What must hold of any format and anything a client sends.

use super::{FormatOptions, LogFormat, Lookup, Record};
use crate::date::DateCache;
use alloc::string::String;
use alloc::vec::Vec;

struct Client<'a>(&'a [u8]);

impl Lookup for Client<'_> {
    fn var(&self, _: &[u8]) -> Option<&[u8]> {
        Some(self.0)
    }
    fn log_variable(&self, _: &[u8]) -> Option<&[u8]> {
        Some(self.0)
    }
    fn metric(&self, name: &[u8]) -> Option<i64> {
        Some(name.len() as i64 - 3)
    }
}

/// Checks one input: a format up to the first line end, then what a client sent.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (format, client) = (String::from_utf8_lossy(&input[..end]), input.get(end + 1..).unwrap_or_default());
    let record = Record {
        method: client,
        uri: client,
        protocol: client,
        addr: client,
        user: client,
        host: client,
        user_agent: client,
        referer: client,
        duration_micros: input.len() as u64 * 1000,
        start_unix_micros: client.iter().fold(0, |sum, &byte| sum << 7 ^ u64::from(byte)),
        lookup: &Client(client),
        ..Record::empty()
    };
    for strftime in [false, true] {
        let options =
            FormatOptions { strftime, date: strftime.then_some("%F %T"), ..FormatOptions::default() };
        for program in [LogFormat::parse(&format, &options), LogFormat::standard(&options)] {
            let mut out = Vec::new();
            program.render(&record, &mut DateCache::new(), &mut out);
            assert_eq!(out.pop(), Some(b'\n'));
            // The operator may write control characters into a format, strftime may too; a client may not.
            if !strftime && !format.contains(char::is_control) {
                assert!(core::str::from_utf8(&out).is_ok_and(|line| !line.contains(char::is_control)));
            }
        }
    }
}
