//! `reload-check`: a request that a new generation must answer with 2xx before it takes over.
//!
//! The request travels as a connection that is passed on, the way those of draining workers do, so that it reaches the new
//! generation and nobody else. It is in the words of the first listener; what comes back is looked at for its status.

use crate::generation::Generation;
use margrave_config::settings::Protocol;
use margrave_lifecycle::message::{Adopted, encode};
use margrave_sys::net;
use margrave_wire::fastcgi::{self, Kind};
use margrave_wire::{scgi, uwsgi};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Bytes of an answer in which its status must stand.
const HEAD: usize = 4096;

/// A check that waits for its answer.
#[derive(Debug)]
pub struct Check {
    /// The generation that must answer.
    pub generation: u32,
    path: String,
    stream: OwnedFd,
    answer: Vec<u8>,
    /// When it is too late.
    pub deadline: Duration,
}

impl Check {
    /// Sends the request.
    ///
    /// # Errors
    /// One sentence: there is no listener, or the generation cannot be reached.
    pub fn start(number: u32, generation: &Generation, path: &str, now: Duration) -> Result<Self, String> {
        let bound = generation.listeners.first().ok_or("reload-check: there is no socket to send it to")?;
        let adopted = Adopted {
            listener: bound.address.clone(),
            served: 0,
            input: request(bound.settings.protocol, path)?,
            client: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        };
        let started = || -> io::Result<UnixStream> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            let packet = encode(&adopted).map_err(io::Error::other)?;
            generation.adoption.send(&packet, &[theirs.as_fd()])?;
            Ok(ours)
        };
        let ours = started().map_err(|error| format!("reload-check: cannot send the request: {error}"))?;
        let deadline = now + generation.settings.reload.check_timeout;
        let stream = OwnedFd::from(ours);
        Ok(Self { generation: number, path: path.to_owned(), stream, answer: Vec::new(), deadline })
    }

    /// Reads what has come; the verdict, once there is one.
    pub fn read(&mut self) -> Option<Result<(), String>> {
        let mut buffer = [0; 1024];
        loop {
            let ended = match net::receive(self.stream.as_fd(), &mut buffer) {
                Ok(0) => true,
                Ok(count) => {
                    self.answer.extend_from_slice(&buffer[..count]);
                    false
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => true,
            };
            if let Some(status) = status(&self.answer) {
                return Some(self.judge(status));
            }
            if ended || self.answer.len() > HEAD {
                return Some(Err(format!("{} got no answer (reload-check)", self.path)));
            }
        }
    }

    fn judge(&self, status: u16) -> Result<(), String> {
        if (200..300).contains(&status) {
            return Ok(());
        }
        Err(format!("{} was answered with {status} instead of 2xx (reload-check)", self.path))
    }

    /// The verdict when the time is over.
    #[must_use]
    pub fn too_late(&self) -> String {
        format!("{} was not answered in time (reload-check)", self.path)
    }
}

impl AsFd for Check {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A GET of `path` as a client of this protocol writes it.
fn request(protocol: Protocol, path: &str) -> Result<Vec<u8>, String> {
    let (before, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", path),
        ("PATH_INFO", before),
        ("QUERY_STRING", query),
        ("SCRIPT_NAME", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_USER_AGENT", "margrave-reload-check"),
    ];
    let bytes = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut out = Vec::new();
    let fits = match protocol {
        Protocol::Http => {
            out = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: margrave-reload-check\r\nConnection: close\r\n\r\n"
            )
            .into_bytes();
            true
        }
        Protocol::Uwsgi => uwsgi::encode(0, 0, bytes, &mut out),
        Protocol::Scgi | Protocol::ScgiNph => scgi::encode(0, bytes, &mut out),
        Protocol::Fastcgi | Protocol::FastcgiNph => {
            let mut params = Vec::new();
            bytes.for_each(|(name, value)| fastcgi::encode_param(name, value, &mut params));
            fastcgi::encode_begin(1, false, &mut out);
            fastcgi::encode_stream(Kind::Params, 1, &params, &mut out);
            fastcgi::encode_stream_end(Kind::Params, 1, &mut out);
            fastcgi::encode_stream_end(Kind::Stdin, 1, &mut out);
            true
        }
    };
    if fits {
        Ok(out)
    } else {
        Err(format!("reload-check: {path} does not fit a request; write a shorter path"))
    }
}

/// The status of an answer, from the status line or from CGI's field, wherever records begin.
fn status(answer: &[u8]) -> Option<u16> {
    let head = String::from_utf8_lossy(&answer[..answer.len().min(HEAD)]);
    let digits = |place: usize| head.get(place..place + 3)?.parse().ok();
    let line = head.find("HTTP/1.").and_then(|place| digits(place + "HTTP/1.1 ".len()));
    line.or_else(|| head.find("Status: ").and_then(|place| digits(place + "Status: ".len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_in_every_form_of_an_answer() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503 Service Unavailable\r\n\r\n", Some(503)),
            ("Status: 204 No Content\r\n\r\n", Some(204)),
            ("\u{1}\u{6}\0\u{1}\0 \0\0Status: 404 Not Found\r\n", Some(404)),
            ("HTTP/1.1 20", None),
            ("", None),
        ] {
            assert_eq!(status(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    #[test]
    fn every_protocol_has_its_form_of_the_request() {
        for (protocol, sign) in [
            (Protocol::Http, "GET /ready?x=1 HTTP/1.1\r\n"),
            (Protocol::Uwsgi, "PATH_INFO\u{6}\0/ready"),
            (Protocol::Scgi, "PATH_INFO\0/ready\0"),
            (Protocol::Fastcgi, "PATH_INFO/ready"),
        ] {
            let bytes = request(protocol, "/ready?x=1").unwrap();
            assert!(String::from_utf8_lossy(&bytes).contains(sign), "{protocol:?}");
        }
    }
}
