//! What must hold of any bytes that a server answers with.

use super::decode;
use crate::fastcgi::{AnswerDecoder, AnswerPart};
use alloc::vec::Vec;

const MOST: usize = 2048;

/// Checks one input, as a head and as FastCGI's records.
pub fn check(input: &[u8]) {
    check_head(input);
    let whole = records(input, input.len().max(1));
    assert_eq!(records(input, 1), whole);
    assert_eq!(records(input, 7), whole);
}

fn check_head(input: &[u8]) {
    let result = decode(input, MOST);
    match &result {
        Ok(Some(head)) => {
            assert!(head.used <= input.len().min(MOST) && (100..1000).contains(&head.status));
            assert!(input[..head.used].ends_with(b"\n"));
            // More bytes change nothing, and fewer are not enough.
            assert_eq!(decode(&input[..head.used], MOST), result);
            for cut in [1, 2, head.used / 2, head.used] {
                if cut > 0 {
                    assert_eq!(decode(&input[..head.used - cut], MOST), Ok(None));
                }
            }
            let _ = (head.body(b"GET"), head.body(b"HEAD"));
        }
        Ok(None) => assert!(input.len() < MOST),
        Err(_) => {
            let mut more = input.to_vec();
            more.push(b'x');
            assert!(decode(&more, MOST).is_err());
        }
    }
}

/// What records hold, in pieces of this size; `None` when they are none.
fn records(input: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let (mut decoder, mut found) = (AnswerDecoder::default(), (Vec::new(), Vec::new(), 0));
    for mut piece in input.chunks(piece) {
        while !piece.is_empty() {
            let step = decoder.decode(piece).ok()?;
            match step.part {
                AnswerPart::Nothing => {}
                AnswerPart::Stdout(at) => found.0.extend_from_slice(&piece[at]),
                AnswerPart::Stderr(at) => found.1.extend_from_slice(&piece[at]),
                AnswerPart::End { .. } => found.2 += 1,
            }
            piece = &piece[step.used..];
        }
    }
    Some(found)
}
