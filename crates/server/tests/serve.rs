//! The reactor under a native executor: no Python, a stand-in for the GIL, and clients that behave badly.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bodies;
mod front;
mod stress;
mod worker;

use margrave_config::settings::Protocol;
use margrave_server::Fellows;
use margrave_wire::uwsgi;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use worker::{Options, Worker, read_answer};

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    for number in 0..3 {
        write!(client, "GET /hello?{number} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = read_answer(&mut client);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let worker = Worker::start(Options { threads: 4, ..Options::default() });
    let mut client = worker.connect();
    let requests: String =
        (0..50).map(|n| format!("GET /echo-target?{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.write_all(requests.as_bytes()).unwrap();
    for number in 0..50 {
        assert_eq!(read_answer(&mut client).body, format!("/echo-target?{number}").as_bytes());
    }
}

#[test]
fn a_body_arrives_whole_however_it_is_framed() {
    let worker = Worker::start(Options { body_memory: 1000, ..Options::default() });
    let body: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let mut client = worker.connect();
    write!(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    client.write_all(&body).unwrap();
    assert!(read_answer(&mut client).body == body);
    write!(client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    for piece in body.chunks(7777) {
        write!(client, "{:x}\r\n", piece.len()).unwrap();
        client.write_all(piece).unwrap();
        client.write_all(b"\r\n").unwrap();
    }
    client.write_all(b"0\r\n\r\n").unwrap();
    assert!(read_answer(&mut client).body == body);
}

#[test]
fn a_slow_request_does_not_hold_the_others_up() {
    let worker = Worker::start(Options { threads: 4, ..Options::default() });
    let mut slow = worker.connect();
    write!(slow, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut client = worker.connect();
    for _ in 0..20 {
        write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut client).status, 200);
    }
    worker.wake(1);
    assert_eq!(read_answer(&mut slow).status, 200);
}

/// A new client asks and is answered.
fn hello(worker: &Worker) {
    let mut client = worker.connect();
    write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).body, b"hello");
}

/// The longest time that clients wait, one after the other and each on a new connection.
fn slowest_answer(worker: &Worker, clients: usize) -> Duration {
    let answer = |_| {
        let began = Instant::now();
        hello(worker);
        began.elapsed()
    };
    (0..clients).map(answer).max().unwrap()
}

#[test]
fn a_client_that_sends_many_requests_at_once_does_not_hold_the_others_up() {
    let worker = Worker::start(Options::default());
    let mut greedy = worker.connect();
    // In one read, two seconds of work.
    greedy.write_all("GET /burn?2000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000).as_bytes()).unwrap();
    assert_eq!(read_answer(&mut greedy).status, 200);
    hello(&worker);
    let before = worker.requests();
    assert!((1..700).contains(&before), "{before} of 1000 requests were answered before another client's");
}

#[test]
fn a_client_that_asks_for_many_files_at_once_does_not_hold_the_others_up() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.css"), "p{}").unwrap();
    let worker = Worker::start(Options { files: Some(folder.path().into()), ..Options::default() });
    let mut greedy = worker.connect();
    let requests = "GET /static/a.css HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let (mut answers, ended) = (greedy.try_clone().unwrap(), Arc::new(AtomicBool::new(false)));
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while answers.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let stop = Arc::clone(&ended);
    let writer = std::thread::spawn(move || {
        while !stop.load(Relaxed) {
            greedy.write_all(requests.as_bytes()).unwrap();
        }
        greedy.shutdown(Shutdown::Both).unwrap();
    });
    std::thread::sleep(Duration::from_millis(200));
    let slowest = slowest_answer(&worker, 20);
    ended.store(true, Relaxed);
    writer.join().unwrap();
    reader.join().unwrap();
    assert!(slowest < Duration::from_secs(1), "answered after {slowest:?}");
}

#[test]
fn clients_that_never_stop_sending_do_not_hold_the_others_up() {
    let worker = Worker::start(Options { body_file: 1 << 40, drain_limit: 1 << 40, ..Options::default() });
    // A body that is read ahead, and one that nobody reads behind its answer.
    let floods = ["POST /length HTTP/1.1", "POST /nonsense HTTP/1.1\r\nExpect: 100-continue"];
    let ended = Arc::new(AtomicBool::new(false));
    let writers = floods.map(|flood| {
        let (mut client, ended) = (worker.connect(), Arc::clone(&ended));
        write!(client, "{flood}\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 1u64 << 39).unwrap();
        std::thread::spawn(move || {
            let block = vec![b'x'; 256 * 1024];
            while !ended.load(Relaxed) && client.write_all(&block).is_ok() {}
        })
    });
    std::thread::sleep(Duration::from_millis(100));
    let slowest = slowest_answer(&worker, 10);
    ended.store(true, Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(slowest < Duration::from_secs(1), "answered after {slowest:?}");
}

#[test]
fn a_thread_that_takes_the_lead_back_does_not_spin_until_the_watcher_has_seen_it() {
    // The watcher cannot run beside it.
    margrave_sys::process::pin(0, 1).unwrap();
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    for _ in 0..30 {
        write!(client, "GET /sleep?10 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut client).status, 200);
        std::thread::sleep(Duration::from_millis(10));
    }
    let time = worker.cpu_time();
    assert!(time < Duration::from_millis(150), "{time:?} for 300 ms of sleep");
}

#[test]
fn a_slow_request_after_a_pause_does_not_hold_the_others_up() {
    for threads in [1, 4] {
        let worker = Worker::start(Options { threads, ..Options::default() });
        let mut client = worker.connect();
        let mut slow = worker.connect();
        // Past the times after which the watcher stands by and sleeps.
        for pause in [100, 100, 2500, 100] {
            std::thread::sleep(Duration::from_millis(pause));
            write!(slow, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            worker.wait_until_asleep(1);
            // With one thread only what needs none is answered.
            let (request, status) = if threads > 1 { ("GET /hello", 200) } else { ("nonsense", 400) };
            write!(client, "{request} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_eq!(read_answer(&mut client).status, status);
            worker.wake(1);
            assert_eq!(read_answer(&mut slow).status, 200);
            client = worker.connect();
        }
    }
}

/// Requests with some time between them, after which a worker takes them to be few.
fn ask_now_and_then(client: &mut TcpStream) {
    for _ in 0..50 {
        write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(client).status, 200);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_watcher_stands_by_unwoken_while_requests_are_few() {
    let worker = Worker::start(Options { threads: 2, ..Options::default() });
    let mut client = worker.connect();
    // What comes during a slow request wakes it, and so does the time: after both it lets the leader be woken first.
    write!(client, "GET /sleep?20 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut other = worker.connect();
    ask_now_and_then(&mut other);
    assert_eq!(read_answer(&mut client).status, 200);
    // A leader that waits for a processor wakes it, too: on a busy machine some tries are needed.
    let stands_by = (0..10).any(|_| {
        let before = worker.watchers_pauses();
        (0..2).for_each(|_| ask_now_and_then(&mut other));
        worker.watchers_pauses() - before < 25
    });
    assert!(stands_by, "it was woken for more than a quarter of the requests, ten times");
}

#[test]
fn what_has_come_together_with_a_slow_request_does_not_wait_for_it_while_requests_are_few() {
    let worker = Worker::start(Options { threads: 2, ..Options::default() });
    let (mut slow, mut fast) = (worker.connect(), worker.connect());
    for _ in 0..5 {
        ask_now_and_then(&mut fast);
        write!(slow, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        write!(fast, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut fast).status, 200);
        worker.wake(1);
        assert_eq!(read_answer(&mut slow).status, 200);
    }
}

#[test]
fn a_large_answer_reaches_a_slow_reader_whole_while_others_are_served() {
    let worker = Worker::start(Options { threads: 2, write_buffer: 64 * 1024, ..Options::default() });
    let mut slow = worker.connect();
    write!(slow, "GET /big?8000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut client = worker.connect();
    for _ in 0..5 {
        write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut client).status, 200);
    }
    let answer = read_answer(&mut slow);
    assert_eq!(answer.body.len(), 8_000_000);
    assert!(answer.body.iter().enumerate().all(|(n, &byte)| byte == (n % 251) as u8));
}

#[test]
fn a_file_is_sent_whole_behind_its_head() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    write!(client, "GET /file?3000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_answer(&mut client);
    assert_eq!(answer.body.len(), 3_000_000);
    write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).body, b"hello");
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    write!(client, "GET /sleep?50 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut client).status, 200);
}

#[test]
fn nonsense_is_refused_with_an_answer_and_a_close() {
    let worker = Worker::start(Options::default());
    let mut client = worker.connect();
    client.write_all(b"NONSENSE\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn a_head_that_never_ends_is_answered_408() {
    let worker = Worker::start(Options { io_timeout: Duration::from_millis(300), ..Options::default() });
    let mut client = worker.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn lines_that_drip_in_do_not_prolong_the_time_for_a_head() {
    let worker = Worker::start(Options { io_timeout: Duration::from_millis(400), ..Options::default() });
    let mut client = worker.connect();
    let began = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut reader = client.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while client.write_all(b"X-A: b\r\n").is_ok() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut status = [0; 13];
    reader.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 408 ");
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(reader);
    dripping.join().unwrap();
}

#[test]
fn an_overdue_request_is_answered_504_and_its_thread_serves_on() {
    let worker = Worker::start(Options { harakiri: Some(Duration::from_millis(300)), ..Options::default() });
    let mut client = worker.connect();
    write!(client, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).status, 504);
    worker.wake(1);
    let mut next = worker.connect();
    write!(next, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut next).status, 200);
}

#[test]
fn an_overdue_request_may_run_on_until_others_wait_wherever_they_do() {
    let harakiri = Some(Duration::from_millis(300));
    let worker = Worker::start(Options { harakiri, harakiri_queue: Some(3), ..Options::default() });
    // Connections that the worker has: what comes over them does not wait in the backlog.
    let mut others: Vec<_> = (0..3).map(|_| worker.connect()).collect();
    let ask = |clients: &mut [TcpStream]| {
        for client in clients {
            write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
    };
    ask(&mut others);
    others.iter_mut().for_each(|other| assert_eq!(read_answer(other).status, 200));
    let mut client = worker.connect();
    write!(client, "GET /sleep?1000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).status, 200);
    write!(client, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    worker.wait_until_asleep(1);
    ask(&mut others);
    assert_eq!(read_answer(&mut client).status, 504);
    worker.wake(1);
    others.iter_mut().for_each(|other| assert_eq!(read_answer(other).status, 200));
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_idle_connections() {
    let worker = Worker::start(Options { threads: 2, ..Options::default() });
    let mut idle = worker.connect();
    write!(idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_answer(&mut idle);
    let mut busy = worker.connect();
    write!(busy, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    worker.wait_until_asleep(1);
    worker.drain(None);
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    worker.wake(1);
    let answer = read_answer(&mut busy);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("Connection: close"), "{}", answer.head);
    assert_eq!(worker.end(), [margrave_server::Ending::Drained; 2]);
}

#[test]
fn a_worker_ends_at_once_after_a_slow_request() {
    for threads in [1, 2] {
        let worker = Worker::start(Options { threads, ..Options::default() });
        let mut client = worker.connect();
        write!(client, "GET /sleep?100 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut client).status, 200);
        let began = Instant::now();
        worker.drain(None);
        assert_eq!(worker.end(), vec![margrave_server::Ending::Drained; usize::from(threads)]);
        assert!(began.elapsed() < Duration::from_secs(4), "{threads}: {:?}", began.elapsed());
    }
}

#[test]
fn idle_connections_go_to_the_next_generation() {
    let old = Worker::start(Options::default());
    let new = Worker::start(Options { name: "new", shares: Some(&old), ..Options::default() });
    let mut clients: Vec<_> = (0..20).map(|_| old.connect()).collect();
    for client in &mut clients {
        write!(client, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(client).body, b"old");
    }
    new.ready();
    old.drain(Some(&new));
    assert_eq!(old.end(), [margrave_server::Ending::Drained]);
    for client in &mut clients {
        write!(client, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(client).body, b"new");
    }
}

#[test]
fn a_generation_that_never_took_over_leaves_what_waits_to_others() {
    let first = Worker::start(Options::default());
    let share = |name| Worker::start(Options { name, shares: Some(&first), ..Options::default() });
    let (candidate, next) = (share("candidate"), share("next"));
    first.drain(None);
    assert_eq!(first.end(), [margrave_server::Ending::Drained]);
    let mut client = next.connect();
    write!(client, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    candidate.shut();
    candidate.ready();
    candidate.drain(None);
    assert_eq!(candidate.end(), [margrave_server::Ending::Drained]);
    next.ready();
    assert_eq!(read_answer(&mut client).body, b"next");
}

#[test]
fn a_request_that_waits_in_a_busy_worker_goes_to_an_idle_one() {
    let fellows = Fellows::new(2).unwrap().map(Arc::new);
    let busy = Worker::start(Options { fellows: fellows.clone(), ..Options::default() });
    let mut clients: Vec<_> = (0..5).map(|_| busy.connect()).collect();
    for client in &mut clients {
        write!(client, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(client).body, b"old");
    }
    let idle =
        Worker::start(Options { name: "new", number: 2, fellows, shares: Some(&busy), ..Options::default() });
    write!(clients[0], "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    busy.wait_until_asleep(1);
    idle.ready();
    for client in &mut clients[1..] {
        write!(client, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_answer(client).body, b"new");
        write!(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        assert_eq!(read_answer(client).body, b"body");
    }
    busy.wake(1);
    assert_eq!(read_answer(&mut clients[0]).body, b"slept");
    assert_eq!((busy.open_requests(), idle.open_requests()), (0, 0));
}

#[test]
fn nothing_is_lost_when_workers_pass_requests_under_stress() {
    let fellows = Fellows::new(2).unwrap().map(Arc::new);
    let one = Worker::start(Options { fellows: fellows.clone(), ..Options::default() });
    let two = Worker::start(Options { number: 2, fellows, shares: Some(&one), ..Options::default() });
    two.ready();
    stress::run(&one, 7, 24, 40);
    assert_eq!((one.open_requests(), two.open_requests()), (0, 0));
}

#[test]
fn the_end_of_the_master_ends_the_worker() {
    let worker = Worker::start(Options { threads: 3, ..Options::default() });
    worker.lose_master();
    assert_eq!(worker.end(), [margrave_server::Ending::MasterGone; 3]);
}

#[test]
fn nothing_is_lost_or_reordered_under_stress() {
    for (seed, threads) in [(1, 1), (2, 2), (3, 8), (4, 8)] {
        let worker = Worker::start(Options { threads, write_buffer: 128 * 1024, ..Options::default() });
        stress::run(&worker, seed, 24, 40);
        assert_eq!(worker.open_requests(), 0, "seed {seed}");
    }
}

#[test]
fn files_are_answered_while_every_thread_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.css"), "body {}").unwrap();
    let worker = Worker::start(Options { files: Some(folder.path().to_owned()), ..Options::default() });
    let mut busy = worker.connect();
    write!(busy, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    worker.wait_until_asleep(1);
    let mut client = worker.connect();
    for range in ["", "Range: bytes=0-3\r\n"] {
        write!(client, "GET /static/a.css HTTP/1.1\r\nHost: a\r\n{range}\r\n").unwrap();
        let answer = read_answer(&mut client);
        let expected: (u16, &[u8]) = if range.is_empty() { (200, b"body {}") } else { (206, b"body") };
        assert_eq!((answer.status, answer.body.as_slice()), expected);
    }
    worker.wake(1);
    write!(client, "GET /static/missing HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).body, b"hello", "the application gets what is no file");
}

fn packet(vars: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = Vec::new();
    let vars = vars.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    assert!(uwsgi::encode(0, 0, vars, &mut packet));
    packet
}

#[test]
fn a_uwsgi_packet_is_answered_and_the_connection_closed() {
    let worker = Worker::start(Options { protocol: Protocol::Uwsgi, ..Options::default() });
    let mut client = worker.connect();
    let vars = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/echo"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("CONTENT_LENGTH", "5"),
    ];
    let packet = packet(&vars);
    let (start, rest) = packet.split_at(7);
    client.write_all(start).unwrap();
    client.write_all(rest).unwrap();
    client.write_all(b"he").unwrap();
    client.write_all(b"llo").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
}

#[test]
fn a_cut_answer_that_only_the_end_would_end_is_a_reset() {
    let worker = Worker::start(Options { protocol: Protocol::Uwsgi, ..Options::default() });
    let mut client = worker.connect();
    client.write_all(&packet(&[("REQUEST_METHOD", "GET"), ("PATH_INFO", "/cut")])).unwrap();
    let mut answer = Vec::new();
    assert_eq!(client.read_to_end(&mut answer).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_uwsgi_ping_is_answered_and_an_unknown_modifier_refused() {
    let worker = Worker::start(Options { protocol: Protocol::Uwsgi, ..Options::default() });
    for (modifier, expected) in [(100, uwsgi::PONG), (5, &b"HTTP/1.1 "[..])] {
        let mut client = worker.connect();
        client.write_all(&[modifier, 0, 0, 0]).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(expected), "{modifier}: {answer:?}");
    }
}

#[test]
fn a_client_that_stops_in_the_middle_does_not_hold_a_stop_up() {
    for half in ["GET / HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"] {
        let worker = Worker::start(Options::default());
        let mut client = worker.connect();
        write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n{half}").unwrap();
        assert_eq!(read_answer(&mut client).status, 200);
        let began = Instant::now();
        worker.drain(None);
        assert_eq!(worker.end(), [margrave_server::Ending::Drained]);
        assert!(began.elapsed() < Duration::from_secs(6), "{half}: {:?}", began.elapsed());
    }
}

#[test]
fn a_worker_without_a_free_thread_leaves_connections_in_the_backlog() {
    for threads in [1, 3] {
        let worker = Worker::start(Options { threads, ..Options::default() });
        let mut busy: Vec<_> = (0..threads).map(|_| worker.connect()).collect();
        for client in &mut busy {
            write!(client, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        worker.wait_until_asleep(usize::from(threads));
        // Until the watcher has seen that no thread is free, it may take one.
        let mut probes = Vec::new();
        for _ in 0..20 {
            let before = worker.accepted();
            probes.push(worker.connect());
            std::thread::sleep(Duration::from_millis(100));
            if worker.accepted() == before {
                break;
            }
        }
        let accepted = worker.accepted();
        let mut waiting: Vec<_> = (0..4).map(|_| worker.connect()).collect();
        for client in &mut waiting {
            write!(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(worker.accepted(), accepted);
        worker.wake(usize::from(threads));
        for client in busy.iter_mut().chain(&mut waiting) {
            assert_eq!(read_answer(client).status, 200);
        }
    }
}
