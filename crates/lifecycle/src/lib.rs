//! State machines of the process world and the messages its processes exchange.
//!
//! Pure: no system call, no clock (time is an argument), no `unsafe`. `master` performs what is decided here.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod cheaper;
pub mod cron;
pub mod daemons;
pub mod message;
pub mod order;
pub mod supervisor;
pub mod throttle;
pub mod vassals;
