//! PEP 3333: from a request to the application and back to the wire.
//!
//! * [`environ`] builds the dictionary, [`apps`] and [`dynamic`] choose the application,
//! * [`start_response`] and [`input`] are what the application holds while it runs,
//! * [`respond`] walks what it returned, [`file_wrapper`] is the short way for files,
//! * [`stray`] ends what the application forked and let come back,
//! * [`report`] writes what went wrong to the log, once,
//! * [`executor`] ties them together for one Python thread.

pub mod apps;
pub mod dynamic;
pub mod environ;
pub mod executor;
pub mod file_wrapper;
pub mod input;
pub mod kept;
pub mod recycling;
mod report;
pub mod respond;
pub mod slot;
pub mod start_response;
pub mod stray;
