//! Pure codecs: HTTP/1.1 (RFC 9112) and uwsgi; the request value every protocol ends in; body framing.
//!
//! Bytes in, events out: no I/O, no clock, no `unsafe`. Limits are arguments.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
