//! Running instances, from outside: which there are ([`registry`]), what they are told and answer ([`protocol`]), and
//! how a person sees it ([`command`], [`status`]).
//!
//! The master uses the first two as well; it performs the orders.

pub mod command;
mod error;
pub mod protocol;
pub mod registry;
pub mod status;

pub use error::ControlError;
