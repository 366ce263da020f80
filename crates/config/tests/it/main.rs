//! Tests of the crate through its public face: recorded runs of uWSGI, messages, settings, robustness, documents.
#![allow(missing_docs)]

mod uwsgi_cases;
