//! Bodies that arrive while their request runs, or never.

use crate::hello;
use crate::worker::{Options, Worker, read_answer};
use margrave_stats::scoreboard::ThreadWord;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn ask(client: &mut TcpStream, path: &str, length: usize) {
    write!(
        client,
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
}

fn is_told_to_continue(client: &mut TcpStream) -> bool {
    let mut interim = [0; CONTINUE.len()];
    client.read_exact(&mut interim).unwrap();
    interim == CONTINUE
}

#[test]
fn a_client_that_asks_first_is_told_to_continue_when_the_application_reads() {
    for threads in [1, 4] {
        let worker = Worker::start(Options { threads, ..Options::default() });
        let mut client = worker.connect();
        for piece in ["ok", "again"] {
            ask(&mut client, "/echo", piece.len());
            assert!(is_told_to_continue(&mut client));
            client.write_all(piece.as_bytes()).unwrap();
            assert_eq!(read_answer(&mut client).body, piece.as_bytes());
        }
    }
}

#[test]
fn a_client_that_asks_first_gets_the_answer_alone_when_the_application_does_not_read() {
    let worker = Worker::start(Options { threads: 2, ..Options::default() });
    let mut client = worker.connect();
    ask(&mut client, "/hello", 1000);
    let answer = read_answer(&mut client);
    assert_eq!(answer.body, b"hello");
    assert!(answer.head.contains("Connection: close"), "the body may come or not: {}", answer.head);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_body_that_has_begun_to_arrive_is_not_asked_for() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok";
    client.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut client).body, b"ok");
}

#[test]
fn a_body_larger_than_what_is_read_ahead_is_streamed() {
    for threads in [1, 3] {
        let worker =
            Worker::start(Options { threads, body_memory: 10_000, body_file: 100_000, ..Options::default() });
        let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut clients: Vec<TcpStream> = (0..3).map(|_| worker.connect()).collect();
        let sending: Vec<_> = clients
            .iter()
            .map(|client| {
                let (mut client, body) = (client.try_clone().unwrap(), body.clone());
                std::thread::spawn(move || {
                    write!(
                        client,
                        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    )
                    .unwrap();
                    client.write_all(&body).unwrap();
                })
            })
            .collect();
        for client in &mut clients {
            assert!(read_answer(client).body == body);
        }
        sending.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_body_that_nobody_reads_is_dropped_and_the_connection_kept() {
    let worker = Worker::start(Options { body_memory: 10_000, body_file: 20_000, ..Options::default() });
    let mut client = worker.connect();
    for _ in 0..3 {
        write!(client, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n").unwrap();
        client.write_all(&[b'x'; 400_000]).unwrap();
        let answer = read_answer(&mut client);
        assert_eq!(answer.body, b"hello");
        assert!(!answer.head.contains("Connection: close"), "{}", answer.head);
    }
    hello(&worker);
}

#[test]
fn a_body_too_long_to_be_dropped_ends_the_connection_with_the_answer() {
    let worker = Worker::start(Options {
        body_memory: 1000,
        body_file: 20_000,
        drain_limit: 50_000,
        ..Options::default()
    });
    let mut client = worker.connect();
    write!(client, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 200_000]).unwrap();
    let answer = read_answer(&mut client);
    assert!(answer.head.contains("Connection: close"), "{}", answer.head);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_body_cut_while_the_application_reads_it_is_no_body() {
    let worker = Worker::start(Options { threads: 2, ..Options::default() });
    let mut client = worker.connect();
    ask(&mut client, "/echo", 10);
    assert!(is_told_to_continue(&mut client));
    client.write_all(b"half").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let answer = read_answer(&mut client);
    assert_eq!(answer.status, 400);
    assert!(answer.head.contains("Connection: close"), "{}", answer.head);
    hello(&worker);
    assert_eq!(worker.open_requests(), 0);
    assert_eq!(worker.of_threads(ThreadWord::ReadErrors), 1);
    assert_eq!(worker.of_threads(ThreadWord::WriteErrors), 0);
}

#[test]
fn a_malformed_chunk_behind_a_continue_is_refused() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    assert!(is_told_to_continue(&mut client));
    client.write_all(b"3\r\nabc\r\nzz\r\n").unwrap();
    assert_eq!(read_answer(&mut client).status, 400);
}

#[test]
fn a_client_that_is_told_to_continue_and_does_not_is_given_up() {
    let worker =
        Worker::start(Options { threads: 2, io_timeout: Duration::from_millis(300), ..Options::default() });
    let mut client = worker.connect();
    ask(&mut client, "/echo", 10);
    assert!(is_told_to_continue(&mut client));
    hello(&worker);
    assert_eq!(read_answer(&mut client).status, 408);
}

#[test]
fn clients_that_are_told_to_continue_and_do_not_leave_threads_for_others() {
    let worker = Worker::start(Options { threads: 4, ..Options::default() });
    let mut waiting: Vec<TcpStream> = (0..12).map(|_| worker.connect()).collect();
    for client in &mut waiting {
        ask(client, "/echo", 3);
        assert!(is_told_to_continue(client));
    }
    (0..10).for_each(|_| hello(&worker));
    for client in &mut waiting {
        client.write_all(b"end").unwrap();
        assert_eq!(read_answer(client).body, b"end");
    }
    assert_eq!(worker.open_requests(), 0);
}

#[test]
fn the_deadline_of_a_request_ends_its_wait_for_a_body() {
    let worker = Worker::start(Options {
        threads: 2,
        harakiri: Some(Duration::from_millis(300)),
        ..Options::default()
    });
    let mut client = worker.connect();
    ask(&mut client, "/echo", 10);
    assert!(is_told_to_continue(&mut client));
    assert_eq!(read_answer(&mut client).status, 504);
    hello(&worker);
}

#[test]
fn clients_that_take_their_answers_slowly_leave_threads_for_others() {
    for threads in [1, 4] {
        let worker = Worker::start(Options { threads, write_buffer: 100_000, ..Options::default() });
        let mut slow: Vec<TcpStream> = (0..8).map(|_| worker.connect()).collect();
        for client in &mut slow {
            write!(client, "GET /big?12000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        for client in &mut slow {
            client.peek(&mut [0]).unwrap();
        }
        (0..5).for_each(|_| hello(&worker));
        for client in &mut slow {
            let answer = read_answer(client);
            assert_eq!(answer.body.len(), 12_000_000);
            assert!(answer.body.iter().enumerate().all(|(n, &byte)| byte == (n % 251) as u8));
        }
        assert_eq!(worker.open_requests(), 0);
    }
}

#[test]
fn an_answer_beyond_the_bound_of_its_file_waits_for_the_client() {
    let worker =
        Worker::start(Options { write_buffer: 100_000, write_file: 1_000_000, ..Options::default() });
    let mut slow = worker.connect();
    write!(slow, "GET /big?20000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    slow.peek(&mut [0]).unwrap();
    let mut next = worker.connect();
    write!(next, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_answer(&mut slow);
    assert!(answer.body.iter().enumerate().all(|(n, &byte)| byte == (n % 251) as u8));
    assert_eq!(answer.body.len(), 20_000_000);
    assert_eq!(read_answer(&mut next).body, b"hello");
}

/// Lets a client send a byte every now and then, until nobody takes them.
fn drip(client: &TcpStream) -> std::thread::JoinHandle<()> {
    let mut client = client.try_clone().unwrap();
    std::thread::spawn(move || {
        let began = Instant::now();
        while client.write_all(b"x").is_ok() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

#[test]
fn a_body_that_drips_slower_than_the_minimum_rate_is_given_up() {
    for (min_rate, expected) in [(1_000_000, 408), (0, 200)] {
        let worker =
            Worker::start(Options { io_timeout: Duration::from_millis(300), min_rate, ..Options::default() });
        for expects in ["", "Expect: 100-continue\r\n"] {
            let mut client = worker.connect();
            write!(client, "POST /echo HTTP/1.1\r\nHost: a\r\n{expects}Content-Length: 50\r\n\r\n").unwrap();
            if !expects.is_empty() {
                assert!(is_told_to_continue(&mut client));
            }
            let dripping = drip(&client);
            assert_eq!(read_answer(&mut client).status, expected, "{min_rate} {expects}");
            drop(client.shutdown(Shutdown::Both));
            dripping.join().unwrap();
        }
    }
}

#[test]
fn an_answer_that_is_taken_slower_than_the_minimum_rate_is_given_up() {
    let worker = Worker::start(Options {
        threads: 2,
        io_timeout: Duration::from_millis(400),
        min_rate: 1 << 40,
        ..Options::default()
    });
    let mut client = worker.connect();
    write!(client, "GET /file?30000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut taken, mut buffer) = (0, vec![0; 200_000]);
    // Never silent for long, and too slow all the same.
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        taken += count;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(taken < 30_000_000);
    assert_eq!(worker.open_requests(), 0);
}

#[test]
fn a_client_that_takes_its_answer_slowly_and_steadily_gets_all_of_it() {
    let worker = Worker::start(Options { io_timeout: Duration::from_millis(300), ..Options::default() });
    // The kernel holds megabytes: that the client takes some of them does not make the socket writable. It tells the server of
    // hundreds of kilobytes at once, so that on a busy machine the client may seem silent for so long after all.
    let gets_all = (0..8).any(|_| {
        let mut client = worker.connect();
        write!(client, "GET /file?8000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let (mut taken, mut buffer) = (0, vec![0; 16 * 1024]);
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            taken += count;
            std::thread::sleep(Duration::from_millis(10));
        }
        taken > 8_000_000
    });
    assert!(gets_all);
    assert_eq!(worker.open_requests(), 0);
}

#[test]
fn requests_behind_a_streamed_body_are_not_taken_for_more_of_it() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    write!(
        client,
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let body = vec![b'x'; 300_000];
    let mut bytes = format!("{:x}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    bytes.extend_from_slice("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000).as_bytes());
    assert_eq!(read_answer(&mut client).status, 100);
    let mut sender = client.try_clone().unwrap();
    let sent = std::thread::spawn(move || sender.write_all(&bytes).unwrap());
    assert!(read_answer(&mut client).body == body);
    (0..5000).for_each(|_| assert_eq!(read_answer(&mut client).body, b"hello"));
    sent.join().unwrap();
}
