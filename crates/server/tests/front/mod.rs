//! Requests that come through a front server: FastCGI, SCGI, and connections that a balancer passes on.

use crate::worker::{Answer, Options, Worker, read_answer};
use margrave_config::settings::{Protocol, Trust};
use margrave_server::Fellows;
use margrave_wire::fastcgi::{Kind, encode_begin, encode_param, encode_stream, encode_stream_end};
use margrave_wire::proxy_protocol::{Source, encode_v1, encode_v2};
use margrave_wire::scgi;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type Vars<'a> = &'a [(&'a str, &'a str)];

fn fastcgi() -> Options<'static> {
    Options { protocol: Protocol::Fastcgi, ..Options::default() }
}

/// BEGIN_REQUEST and PARAMS.
fn head(id: u16, keep: bool, path: &str, vars: Vars<'_>) -> Vec<u8> {
    let (mut params, mut out) = (Vec::new(), Vec::new());
    let own = [("REQUEST_METHOD", "POST"), ("PATH_INFO", path), ("SERVER_PROTOCOL", "HTTP/1.1")];
    for (name, value) in own.iter().chain(vars) {
        encode_param(name.as_bytes(), value.as_bytes(), &mut params);
    }
    encode_begin(id, keep, &mut out);
    encode_stream(Kind::Params, id, &params, &mut out);
    encode_stream_end(Kind::Params, id, &mut out);
    out
}

fn request(id: u16, keep: bool, path: &str, vars: Vars<'_>, body: &[u8]) -> Vec<u8> {
    let mut out = head(id, keep, path, vars);
    encode_stream(Kind::Stdin, id, body, &mut out);
    encode_stream_end(Kind::Stdin, id, &mut out);
    out
}

/// What came back, by stream.
#[derive(Debug, Default, PartialEq)]
struct Reply {
    id: u16,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Application status and protocol status; `None` when the connection ended first.
    end: Option<(u32, u8)>,
    stdout_ended: bool,
    other: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    fn head(&self) -> String {
        let end = self.stdout.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        String::from_utf8_lossy(&self.stdout[..end]).into_owned()
    }
    fn body(&self) -> &[u8] {
        &self.stdout[self.head().len() + 4..]
    }
}

/// Reads records up to END_REQUEST or the end of the connection.
fn read_reply(client: &mut TcpStream) -> Reply {
    let mut reply = Reply::default();
    let mut header = [0; 8];
    while client.read_exact(&mut header).is_ok() {
        assert_eq!(header[0], 1);
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]]))];
        client.read_exact(&mut content).unwrap();
        client.read_exact(&mut vec![0; usize::from(header[6])]).unwrap();
        reply.id = reply.id.max(u16::from_be_bytes([header[2], header[3]]));
        match header[1] {
            6 if content.is_empty() => reply.stdout_ended = true,
            6 => reply.stdout.append(&mut content),
            7 => reply.stderr.append(&mut content),
            3 => {
                let status = u32::from_be_bytes(content[..4].try_into().unwrap());
                reply.end = Some((status, content[4]));
                return reply;
            }
            other => reply.other.push((other, content)),
        }
    }
    reply
}

fn ask(client: &mut TcpStream, records: &[u8]) -> Reply {
    client.write_all(records).unwrap();
    read_reply(client)
}

fn is_closed(client: &mut TcpStream) -> bool {
    client.read(&mut [0]).unwrap() == 0
}

#[test]
fn a_fastcgi_request_is_answered_in_records() {
    let worker = Worker::start(fastcgi());
    let mut client = worker.connect();
    let reply = ask(&mut client, &request(1, false, "/echo", &[("CONTENT_LENGTH", "5")], b"hello"));
    assert_eq!(reply.head(), "Status: 200 OK");
    assert_eq!((reply.body(), reply.end, reply.stdout_ended), (&b"hello"[..], Some((0, 0)), true));
    assert!(is_closed(&mut client));
    let worker = Worker::start(Options { protocol: Protocol::FastcgiNph, ..Options::default() });
    let reply = ask(&mut worker.connect(), &request(1, false, "/", &[], b""));
    assert_eq!((reply.head().as_str(), reply.body()), ("HTTP/1.1 200 OK", &b"hello"[..]));
}

#[test]
fn a_fastcgi_connection_is_kept_when_asked_for() {
    let worker = Worker::start(fastcgi());
    let mut client = worker.connect();
    for id in [1, 1, 700, 2] {
        let reply = ask(&mut client, &request(id, true, "/echo", &[("CONTENT_LENGTH", "2")], b"ab"));
        assert_eq!((reply.id, reply.body(), reply.end), (id, &b"ab"[..], Some((0, 0))));
    }
    // Two at once are answered in turn.
    client
        .write_all(&[request(3, true, "/echo", &[], b"x"), request(4, false, "/name", &[], b"")].concat())
        .unwrap();
    assert_eq!((read_reply(&mut client).body(), read_reply(&mut client).body()), (&b"x"[..], &b"old"[..]));
    assert!(is_closed(&mut client));
}

#[test]
fn fastcgi_records_may_arrive_byte_by_byte() {
    let worker = Worker::start(fastcgi());
    let mut client = worker.connect();
    client.set_nodelay(true).unwrap();
    for byte in request(1, true, "/echo", &[("CONTENT_LENGTH", "5")], b"hello") {
        client.write_all(&[byte]).unwrap();
    }
    assert_eq!(read_reply(&mut client).body(), b"hello");
}

#[test]
fn a_fastcgi_body_without_a_length_ends_with_its_stream() {
    let worker = Worker::start(fastcgi());
    let body = vec![b'x'; 1_000_000];
    for vars in [&[][..], &[("CONTENT_LENGTH", "")]] {
        let mut client = worker.connect();
        let mut writer = client.try_clone().unwrap();
        let records = request(1, false, "/echo", vars, &body);
        let writing = std::thread::spawn(move || writer.write_all(&records).unwrap());
        assert!(read_reply(&mut client).body() == body);
        writing.join().unwrap();
    }
    let reply =
        ask(&mut worker.connect(), &request(1, false, "/length", &[("CONTENT_LENGTH", "")], b"12345"));
    assert_eq!(reply.body(), b"5");
}

#[test]
fn a_bad_fastcgi_request_is_refused_in_records() {
    let worker = Worker::start(fastcgi());
    for (records, status) in [
        (request(1, true, "/", &[("CONTENT_LENGTH", "x")], b""), "400 Bad Request"),
        (request(1, true, "/", &[("CONTENT_LENGTH", "9")], b"short"), "400 Bad Request"),
        ([head(1, true, "/", &[("CONTENT_LENGTH", "9")]), vec![9; 8]].concat(), "400 Bad Request"),
        (head(1, true, &"p".repeat(70_000), &[]), "431 Request Header Fields Too Large"),
    ] {
        let mut client = worker.connect();
        let reply = ask(&mut client, &records);
        assert!(reply.head().starts_with(&format!("Status: {status}\r\n")), "{}", reply.head());
        assert_eq!((reply.end, reply.stdout_ended), (Some((0, 0)), true));
        assert!(is_closed(&mut client));
    }
    // Where there is no request nobody can be answered.
    let mut client = worker.connect();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(!matches!(client.read(&mut [0]), Ok(1..)));
}

#[test]
fn an_unfinished_fastcgi_request_is_answered_408() {
    let worker = Worker::start(Options { io_timeout: Duration::from_millis(200), ..fastcgi() });
    for records in [head(1, true, "/", &[])[..40].to_vec(), head(1, true, "/", &[("CONTENT_LENGTH", "9")])] {
        let reply = ask(&mut worker.connect(), &records);
        assert!(reply.head().starts_with("Status: 408 "), "{}", reply.head());
    }
}

#[test]
fn an_overdue_fastcgi_request_is_answered_504_in_records() {
    let worker = Worker::start(Options { harakiri: Some(Duration::from_millis(100)), ..fastcgi() });
    let reply = ask(&mut worker.connect(), &request(5, true, "/sleep", &[("QUERY_STRING", "400")], b""));
    assert!(reply.head().starts_with("Status: 504 "), "{}", reply.head());
    assert_eq!((reply.id, reply.end), (5, Some((0, 0))));
}

#[test]
fn fastcgi_management_and_refusals_do_not_disturb_the_request() {
    let worker = Worker::start(Options { threads: 3, ..fastcgi() });
    let mut client = worker.connect();
    let mut names = Vec::new();
    for name in ["FCGI_MAX_REQS", "FCGI_MPXS_CONNS"] {
        encode_param(name.as_bytes(), b"", &mut names);
    }
    let mut ask_values = Vec::new();
    encode_stream(Kind::GetValues, 0, &names, &mut ask_values);
    let whole = request(1, true, "/echo", &[("CONTENT_LENGTH", "2")], b"ab");
    let begun = head(1, true, "/echo", &[("CONTENT_LENGTH", "2")]);
    let mut other = Vec::new();
    encode_begin(2, true, &mut other);
    client.write_all(&[&begun[..16], &ask_values, &begun[16..], &other].concat()).unwrap();
    let refused = read_reply(&mut client);
    assert_eq!((refused.id, refused.end), (2, Some((0, 1))));
    let values = b"\x0d\x01FCGI_MAX_REQS3\x0f\x01FCGI_MPXS_CONNS0".to_vec();
    assert_eq!(refused.other, [(10, values)]);
    assert_eq!(ask(&mut client, &whole[begun.len()..]).body(), b"ab");
}

#[test]
fn a_fastcgi_request_may_be_taken_back() {
    let worker = Worker::start(fastcgi());
    let mut client = worker.connect();
    let mut abort = Vec::new();
    encode_stream_end(Kind::AbortRequest, 1, &mut abort);
    let begun = head(1, true, "/echo", &[("CONTENT_LENGTH", "9")]);
    let reply = ask(&mut client, &[begun, abort].concat());
    assert_eq!((reply.stdout.len(), reply.end), (0, Some((0, 0))));
    assert_eq!(ask(&mut client, &request(1, true, "/name", &[], b"")).body(), b"old");
}

#[test]
fn a_fastcgi_request_may_be_taken_back_while_it_waits_and_while_it_runs() {
    let worker = Worker::start(Options { threads: 1, ..fastcgi() });
    let mut abort = Vec::new();
    encode_stream_end(Kind::AbortRequest, 1, &mut abort);
    let slow = request(1, true, "/sleep", &[], b"");
    let (mut runs, mut waits) = (worker.connect(), worker.connect());
    ask(&mut waits, &request(1, true, "/name", &[], b""));
    runs.write_all(&slow).unwrap();
    worker.wait_until_asleep(1);
    waits.write_all(&request(1, true, "/name", &[], b"")).unwrap();
    for client in [&mut waits, &mut runs] {
        let reply = ask(client, &abort);
        assert_eq!((reply.stdout.len(), reply.end), (0, Some((0, 0))));
    }
    worker.wake(1);
    for client in [&mut waits, &mut runs] {
        assert_eq!(ask(client, &request(1, true, "/name", &[], b"")).body(), b"old");
    }
    assert_eq!(worker.open_requests(), 0);
    // Together with its request, and in pieces.
    let mut client = worker.connect();
    assert_eq!(
        ask(&mut client, &[request(1, true, "/name", &[], b""), abort.clone()].concat()).stdout.len(),
        0
    );
    client.write_all(&slow).unwrap();
    worker.wait_until_asleep(1);
    for byte in &abort {
        client.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_reply(&mut client).stdout.len(), 0);
    worker.wake(1);
}

#[test]
fn an_application_s_failure_goes_to_the_front_server_s_log() {
    let worker = Worker::start(fastcgi());
    let reply = ask(&mut worker.connect(), &request(1, true, "/fail", &[], b""));
    assert!(reply.head().starts_with("Status: 500 Internal Server Error\r\n"));
    assert!(String::from_utf8_lossy(&reply.stderr).contains("application failed"));
    assert_eq!(reply.end, Some((1, 0)));
    // After the head nothing may look complete.
    let mut client = worker.connect();
    let reply = ask(&mut client, &request(1, false, "/cut", &[], b""));
    assert_eq!((reply.body(), reply.end, reply.stdout_ended), (&b"some"[..], None, false));
    assert!(!reply.stderr.is_empty());
}

#[test]
fn large_fastcgi_answers_are_complete() {
    let worker = Worker::start(Options { write_buffer: 64 * 1024, ..fastcgi() });
    for length in [60_000u64, 70_000, 3_000_000] {
        let length = length.to_string();
        for path in ["/big", "/file"] {
            let mut client = worker.connect();
            let vars = [("QUERY_STRING", length.as_str())];
            for _ in 0..2 {
                let reply = ask(&mut client, &request(1, true, path, &vars, b""));
                assert_eq!((reply.body().len().to_string(), reply.end), (length.clone(), Some((0, 0))));
                if path == "/big" {
                    assert!(reply.body().iter().enumerate().all(|(n, &byte)| usize::from(byte) == n % 251));
                }
            }
        }
    }
}

#[test]
fn static_files_go_out_in_records() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.css"), vec![b'c'; 100_000]).unwrap();
    let worker = Worker::start(Options { files: Some(folder.path().into()), ..fastcgi() });
    let mut client = worker.connect();
    for _ in 0..2 {
        let records = request(1, true, "/static/a.css", &[("REQUEST_METHOD", "GET")], b"");
        let reply = ask(&mut client, &records);
        assert!(reply.head().starts_with("Status: 200 OK\r\n"));
        assert_eq!((reply.body().len(), reply.end), (100_000, Some((0, 0))));
    }
}

#[test]
fn kept_fastcgi_connections_pass_to_the_next_worker() {
    let old = Worker::start(fastcgi());
    let new = Worker::start(Options { name: "new", shares: Some(&old), ..fastcgi() });
    let mut client = old.connect();
    assert_eq!(ask(&mut client, &request(1, true, "/name", &[("CONTENT_LENGTH", "0")], b"")).body(), b"old");
    new.ready();
    old.drain(Some(&new));
    assert_eq!(old.end(), [margrave_server::Ending::Drained]);
    assert_eq!(ask(&mut client, &request(1, false, "/name", &[], b"")).body(), b"new");
}

#[test]
fn a_fastcgi_request_that_waits_in_a_busy_worker_goes_to_an_idle_one() {
    let fellows = Fellows::new(2).unwrap().map(Arc::new);
    let busy = Worker::start(Options { fellows: fellows.clone(), ..fastcgi() });
    let mut clients: Vec<_> = (0..3).map(|_| busy.connect()).collect();
    for client in &mut clients {
        assert_eq!(ask(client, &request(1, true, "/name", &[], b"")).body(), b"old");
    }
    let idle = Worker::start(Options { name: "new", number: 2, fellows, shares: Some(&busy), ..fastcgi() });
    clients[0].write_all(&request(1, true, "/sleep", &[], b"")).unwrap();
    busy.wait_until_asleep(1);
    idle.ready();
    for client in &mut clients[1..] {
        for id in [1, 7] {
            let reply = ask(client, &request(id, true, "/name", &[("CONTENT_LENGTH", "1")], b"x and more"));
            assert_eq!((reply.id, reply.body(), reply.end), (id, &b"new"[..], Some((0, 0))));
        }
    }
    busy.wake(1);
    assert_eq!(read_reply(&mut clients[0]).body(), b"slept");
}

fn scgi(path: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let vars = [("REQUEST_METHOD", "POST"), ("PATH_INFO", path), ("SERVER_PROTOCOL", "HTTP/1.1")];
    let vars = vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    assert!(scgi::encode(body.len() as u64, vars, &mut out));
    out.extend_from_slice(body);
    out
}

#[test]
fn an_scgi_request_is_answered_as_by_a_cgi_script() {
    for (protocol, start) in
        [(Protocol::Scgi, "Status: 200 OK\r\n"), (Protocol::ScgiNph, "HTTP/1.1 200 OK\r\n")]
    {
        let worker = Worker::start(Options { protocol, ..Options::default() });
        let mut client = worker.connect();
        let input = scgi("/echo", b"hello");
        for part in [&input[..1], &input[1..40], &input[40..input.len() - 2], &input[input.len() - 2..]] {
            client.write_all(part).unwrap();
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(start) && answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
}

#[test]
fn a_bad_scgi_request_is_refused_as_by_a_cgi_script() {
    let worker = Worker::start(Options { protocol: Protocol::Scgi, ..Options::default() });
    for input in [&b"GET / HTTP/1.1\r\n"[..], b"024:", b"24:CONTENT_LENGTH\x000\0SCGI\x002\0,", b"0:,"] {
        let mut client = worker.connect();
        client.write_all(input).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("Status: 400 Bad Request\r\n"), "{answer}");
    }
    // Half a body is nothing.
    let mut client = worker.connect();
    let input = scgi("/echo", b"hello");
    client.write_all(&input[..input.len() - 1]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(is_closed(&mut client));
}

fn proxied() -> Options<'static> {
    Options { proxy_protocol: true, ..Options::default() }
}

fn tcp_header(version: u8) -> Vec<u8> {
    let (source, destination) = ("203.0.113.9:4000".parse().unwrap(), "192.0.2.1:80".parse().unwrap());
    let (source, mut out) = (Source::Tcp { source, destination }, Vec::new());
    match version {
        1 => encode_v1(source, &mut out),
        _ => encode_v2(source, b"\x01\x00\x02h2", &mut out),
    }
    out
}

fn get(client: &mut TcpStream, path: &str) -> Answer {
    write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_answer(client)
}

#[test]
fn a_proxy_header_names_the_client_for_the_whole_connection() {
    let worker = Worker::start(proxied());
    for version in [1, 2] {
        let mut client = worker.connect();
        client.write_all(&tcp_header(version)).unwrap();
        for _ in 0..2 {
            assert_eq!(get(&mut client, "/client").body, b"203.0.113.9");
        }
        let mut client = worker.connect();
        client.set_nodelay(true).unwrap();
        let whole = [&tcp_header(version)[..], b"GET /client HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        for byte in whole {
            client.write_all(&[byte]).unwrap();
        }
        assert_eq!(read_answer(&mut client).body, b"203.0.113.9");
    }
}

#[test]
fn a_proxy_header_may_be_missing_or_name_nobody() {
    let worker = Worker::start(proxied());
    for start in [&b""[..], b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", b"\r\n"] {
        let mut client = worker.connect();
        client.write_all(start).unwrap();
        assert_eq!(get(&mut client, "/client").body, b"127.0.0.1", "{}", start.escape_ascii());
    }
}

#[test]
fn a_proxy_header_counts_at_the_start_and_from_believed_peers_only() {
    let untrusting = Options { forwarded_allow: Trust::Nobody, ..proxied() };
    for (options, start) in [
        (Options::default(), "PROXY TCP4 203.0.113.9 192.0.2.1 4000 80\r\n"),
        (untrusting, "PROXY TCP4 203.0.113.9 192.0.2.1 4000 80\r\n"),
        (proxied(), "PROXY TCP4 203.0.113.999 192.0.2.1 4000 80\r\n"),
        (proxied(), "PROXY UNKNOWN\r\nPROXY TCP4 203.0.113.9 192.0.2.1 4000 80\r\n"),
    ] {
        let worker = Worker::start(options);
        let mut client = worker.connect();
        client.write_all(start.as_bytes()).unwrap();
        write!(client, "GET /client HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut client).status, 400, "{start}");
    }
}

#[test]
fn the_client_that_a_proxy_header_named_passes_to_the_next_worker() {
    let old = Worker::start(proxied());
    let new = Worker::start(Options { name: "new", shares: Some(&old), ..proxied() });
    let mut client = old.connect();
    client.write_all(&tcp_header(2)).unwrap();
    assert_eq!(get(&mut client, "/name").body, b"old");
    new.ready();
    old.drain(Some(&new));
    assert_eq!(old.end(), [margrave_server::Ending::Drained]);
    assert_eq!(get(&mut client, "/client").body, b"203.0.113.9");
    assert_eq!(get(&mut client, "/name").body, b"new");
}
