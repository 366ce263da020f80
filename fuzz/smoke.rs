//! A short, seeded run of a fuzz target's check over its corpus and mutations of it, for every test run.
//!
//! Included by path into the crates whose decoders are fuzzed, so that CI needs neither nightly nor cargo-fuzz.

use std::path::Path;
use std::vec::Vec;

/// Mutations per entry of the corpus and run.
const ROUNDS: usize = 1000;
/// Bytes that mean something to one decoder or another.
const TELLING: &[u8] = b"\r\n\r\n \t:;,%()\"\\/.?#0159afAF-_=[]{}<>'&!$@*\x00\x01\x7f\x80\xff";

/// Runs `check` on the corpus of `target`; a failure prints the input that made it.
pub fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!corpus.is_empty());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for entry in &corpus {
        try_one(check, entry);
        for _ in 0..ROUNDS {
            let mut input = entry.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut input, &corpus, &mut random);
            }
            try_one(check, &input);
        }
    }
}

fn try_one(check: fn(&[u8]), input: &[u8]) {
    if let Err(cause) = std::panic::catch_unwind(|| check(input)) {
        std::eprintln!("input: b\"{}\"", input.escape_ascii());
        std::panic::resume_unwind(cause);
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(12)).min(input.len());
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = TELLING[random.below(TELLING.len())],
        2 => input.insert(at, TELLING[random.below(TELLING.len())]),
        3 => drop(input.drain(at..end)),
        4 => {
            let piece = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        5 => input.truncate(at),
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            input.splice(at..end, other[from..].iter().copied().take(40));
        }
    }
}

/// xorshift64: the same run every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
