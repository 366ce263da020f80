//! Configuration from beyond the machine's files: `http://` and `https://` addresses, SQLite databases.
//!
//! Apart from the rest because of what it needs: a TLS library and SQLite, which no worker and no other crate should carry.
//! Everything is bounded by size and by time, and nothing is changed: one GET request, one query on a database that is opened
//! for reading. Certificates are those that the system trusts.

mod database;
mod http;

use margrave_config::Sources;
use std::io;
use std::path::Path;

pub use database::QUERY_TIMEOUT;
pub use http::FETCH_TIMEOUT;

/// The world beyond this machine's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside;

impl Sources for Outside {
    fn fetch(&self, url: &str, limit: usize) -> io::Result<Vec<u8>> {
        http::fetch(url, limit)
    }

    fn query_database(&self, path: &Path, query: &str, limit: usize) -> io::Result<Vec<(String, String)>> {
        database::rows(path, query, limit, QUERY_TIMEOUT)
    }
}
