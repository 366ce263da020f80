//! The one home of `unsafe` in this crate: raw CPython calls behind functions that are safe to use.
//!
//! What is here exists because the hot path must not pay for argument parsing or reference pools, or
//! because PyO3 offers no safe form: fork with its hooks, thread states, Latin-1 text, functions made
//! at run time. Everything that decides anything is one floor up, in safe code.

pub mod fork;
pub mod function;
pub mod gil;
pub mod lease;
pub mod object;
pub mod text;
pub mod thread;
