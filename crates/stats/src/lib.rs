//! Counters and their meaning: the scoreboard's layout, snapshots, the log-format language.
//!
//! Pure: shared memory is a `&[AtomicU64]` that somebody else mapped; time is an argument.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod date;
pub mod histogram;
pub mod log_format;
mod number;
pub mod scoreboard;

#[cfg(test)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
#[test]
fn log_format_holds() {
    smoke::run("log_format", log_format::fuzz::check);
}
