//! Configuration as uWSGI reads it: text to [`RawConfig`](raw), expansion and logic, then typed [`Settings`].
//!
//! Pure: files, environment, clock and host facts come through [`World`]. Follows the uWSGI 2.0
//! configuration documentation; where Margrave differs on purpose the option registry says so.

pub mod settings;

pub use settings::Settings;
