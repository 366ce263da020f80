//! Decodes heads of answers.

use super::{AnswerError, Form, Head};
use crate::http1::{reason, scan};
use alloc::vec::Vec;

/// Decodes the head at the start of `input`, of `most` bytes at the longest; `None` when there is not all of it.
///
/// Lines may end in LF alone, as those of scripts do; what a server in front would have to be strict about is nothing
/// to a client that shows it.
///
/// # Errors
/// When the bytes are no answer.
pub fn decode(input: &[u8], most: usize) -> Result<Option<Head>, AnswerError> {
    let bounded = &input[..input.len().min(most)];
    let mut lines = Lines { rest: bounded, used: 0, number: 0 };
    let http = input.starts_with(b"HTTP/");
    if !http && !b"HTTP/".starts_with(&input[..input.len().min(5)]) && !may_be_field(bounded) {
        return Err(AnswerError::NoAnswer);
    }
    match head(&mut lines, http)? {
        Some(head) => Ok(Some(head)),
        None if input.len() >= most => Err(AnswerError::TooLong(most)),
        None => Ok(None),
    }
}

/// What has come of the first line can be that of a field.
fn may_be_field(input: &[u8]) -> bool {
    match input.get(scan::token_len(input)) {
        Some(&byte) => byte == b':' && input[0] != b':',
        None => true,
    }
}

fn head(lines: &mut Lines<'_>, http: bool) -> Result<Option<Head>, AnswerError> {
    let mut head =
        Head { form: Form::Script, status: 200, reason: reason(200).into(), fields: Vec::new(), used: 0 };
    if http {
        let Some(line) = lines.next() else { return Ok(None) };
        status_line(line, &mut head)?;
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            head.used = lines.used;
            return Ok(Some(head));
        }
        let malformed = AnswerError::Field { line: lines.number };
        let name_len = scan::token_len(line);
        if name_len == 0 || line.get(name_len) != Some(&b':') {
            return Err(if lines.number == 1 { AnswerError::NoAnswer } else { malformed });
        }
        let (name, value) = (&line[..name_len], scan::trim(&line[name_len + 1..]));
        if scan::value_len(value) != value.len() {
            return Err(malformed);
        }
        if head.form == Form::Script && name.eq_ignore_ascii_case(b"Status") {
            status(value, &mut head)?;
        } else {
            head.fields.push((name.into(), value.into()));
        }
    }
    Ok(None)
}

/// `HTTP/1.1 200 OK`; the reason and the space before it may be missing.
fn status_line(line: &[u8], head: &mut Head) -> Result<(), AnswerError> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] = line else {
        return Err(AnswerError::NoAnswer);
    };
    head.form = Form::Http { minor: minor - b'0' };
    status(rest, head)
}

fn status(text: &[u8], head: &mut Head) -> Result<(), AnswerError> {
    let (digits, rest) = text.split_first_chunk::<3>().ok_or(AnswerError::Status)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
        return Err(AnswerError::Status);
    }
    head.status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    head.reason = match rest {
        [] => Vec::new(),
        [b' ', reason @ ..] if scan::value_len(reason) == reason.len() => reason.into(),
        _ => return Err(AnswerError::Status),
    };
    Ok(())
}

/// Complete lines, without their ends.
struct Lines<'a> {
    rest: &'a [u8],
    used: usize,
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        self.used += end + 1;
        self.number += 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}
