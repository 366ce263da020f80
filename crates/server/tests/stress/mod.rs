//! Clients that pipeline, split heads anywhere, sleep, abandon connections and ask for large answers; all from a seed.

use crate::worker::{Worker, try_read_answer};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// A small generator (xorshift), so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs `clients` at once, each with `rounds` bursts of requests.
pub fn run(worker: &Worker, seed: u64, clients: u64, rounds: u64) {
    std::thread::scope(|scope| {
        for client in 0..clients {
            let mut random = Random((seed << 32 | client << 8) + 0x9e37_79b9);
            scope.spawn(move || {
                for round in 0..rounds {
                    burst(worker, &mut random, &format!("seed {seed} client {client} round {round}"));
                }
            });
        }
    });
}

fn burst(worker: &Worker, random: &mut Random, place: &str) {
    let mut connection = worker.connect();
    let count = 1 + random.below(6);
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for number in 0..count {
        expected.push(request(random, number, &mut bytes));
    }
    send_split(&mut connection, random, &bytes);
    if random.below(10) == 0 {
        return; // Leaves without reading.
    }
    for (number, want) in expected.iter().enumerate() {
        let answer = try_read_answer(&mut connection)
            .unwrap_or_else(|error| panic!("{place}: answer {number} of {count}: {error}"));
        assert_eq!(answer.status, 200, "{place}");
        assert!(answer.body == *want, "{place}: answer {number} belongs to another request");
    }
}

/// Adds a request and gives the body its answer must have.
fn request(random: &mut Random, number: u64, bytes: &mut Vec<u8>) -> Vec<u8> {
    let mark = random.below(1 << 40);
    match random.below(12) {
        0 => {
            let length = random.below(600_000);
            write!(bytes, "GET /big?{length} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            (0..length).map(|n| (n % 251) as u8).collect()
        }
        1 => {
            write!(bytes, "GET /sleep?{} HTTP/1.1\r\nHost: a\r\n\r\n", random.below(8)).unwrap();
            b"slept".to_vec()
        }
        2 | 3 => {
            let body = format!("{mark:x}").repeat(1 + random.below(400) as usize).into_bytes();
            write!(bytes, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())
                .unwrap();
            bytes.extend_from_slice(&body);
            body
        }
        _ => {
            let target = format!("/echo-target?{number}-{mark:x}");
            write!(bytes, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            target.into_bytes()
        }
    }
}

fn send_split(connection: &mut TcpStream, random: &mut Random, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let whole = random.below(3) > 0;
        let length = if whole { bytes.len() } else { 1 + random.below(bytes.len() as u64) as usize };
        // The server may have closed after an abandoned read on its side; the reading part reports that.
        if connection.write_all(&bytes[..length]).is_err() {
            return;
        }
        bytes = &bytes[length..];
        if random.below(4) == 0 {
            std::thread::sleep(Duration::from_micros(random.below(3000)));
        }
    }
}
