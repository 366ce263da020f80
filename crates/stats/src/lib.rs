//! Counters and their meaning: the scoreboard's layout, snapshots, the log-format language.
//!
//! Pure: shared memory is a `&[AtomicU64]` that somebody else mapped; time is an argument.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod scoreboard;
