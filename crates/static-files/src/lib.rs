//! Files answered without Python: which file a request's path means, and the head of its answer.
//!
//! Follows uWSGI's static-file options (`static-map`, `check-static`, `static-index` …) with two differences: a
//! mount point matches whole path segments, and no path leads out of its directory. Conditional requests and
//! ranges are those of RFC 9110. Sends nothing itself.

mod answer;
mod locate;
mod media_type;

pub use answer::{Answer, answer};
pub use locate::{Found, StaticFiles};
