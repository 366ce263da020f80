//! Files answered without Python: which file a request's path means, and what its answer says.
//!
//! Follows uWSGI's static-file options (`static-map`, `check-static`, `static-gzip`, `static-expires` …) with three
//! differences: a mount point matches whole path segments, no path leads out of its directory, and an answer has one
//! Expires. Conditions and ranges are those of RFC 9110, the choice of a compressed neighbour its section 12.5.3.
//! Sends nothing itself.

mod answer;
mod compressed;
mod conditions;
mod expires;
mod locate;
mod media_type;
mod memory;
mod range;

pub use answer::{Answer, Part};
pub use locate::{Content, Found, StaticFiles};
pub use memory::Memory;
