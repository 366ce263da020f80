//! One GET request.

use std::io::{self, Read as _};
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error};

/// How long a request may take, redirections and body counted in.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Redirections that are followed.
const MAX_REDIRECTS: u32 = 3;

/// The body of the answer.
pub(crate) fn fetch(url: &str, limit: usize) -> io::Result<Vec<u8>> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(FETCH_TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .max_redirects(MAX_REDIRECTS)
        .user_agent(concat!("margrave/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(explain)?;
    let mut body = Vec::new();
    answer.body_mut().as_reader().take(limit as u64 + 1).read_to_end(&mut body)?;
    if body.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(body) }
}

fn explain(error: Error) -> io::Error {
    match error {
        Error::StatusCode(status) => io::Error::other(format!("the server answers with status {status}")),
        Error::Io(error) => error,
        Error::Timeout(_) => {
            let message = format!("the answer did not come within {} seconds", FETCH_TIMEOUT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, message)
        }
        Error::HostNotFound => io::Error::other("the host is not known"),
        other => io::Error::other(other.to_string()),
    }
}
