//! The head of a file's answer: validators, conditions and ranges (RFC 9110 sections 8.8, 13 and 14).

use crate::Found;
use margrave_wire::{Known, Request};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// `200 OK`
    pub status: &'static str,
    /// Fields in order.
    pub fields: Vec<(&'static str, String)>,
    /// Offset and length of the part of the file to send.
    pub part: (u64, u64),
}

/// Which part of a file is asked for.
enum Part {
    Whole,
    Range { first: u64, last: u64 },
    Unsatisfiable,
}

/// The answer to `request` for a file, `now` being the present time.
#[must_use]
pub fn answer(request: &Request, found: &Found, now: SystemTime) -> Answer {
    let modified = httpdate::fmt_http_date(found.modified);
    let tag = tag(found);
    let mut fields = Vec::with_capacity(7);
    if is_unmodified(request, &tag, found.modified) {
        fields.push(("Last-Modified", modified));
        fields.push(("ETag", tag));
        return Answer { status: "304 Not Modified", fields, part: (0, 0) };
    }
    let (status, part) = match part(request, &tag, &modified, found.length) {
        Part::Whole => ("200 OK", (0, found.length)),
        Part::Range { first, last } => {
            fields.push(("Content-Range", format!("bytes {first}-{last}/{}", found.length)));
            ("206 Partial Content", (first, last - first + 1))
        }
        Part::Unsatisfiable => {
            fields.push(("Content-Range", format!("bytes */{}", found.length)));
            ("416 Range Not Satisfiable", (0, 0))
        }
    };
    fields.push(("Content-Type", found.media_type.clone()));
    fields.push(("Content-Length", part.1.to_string()));
    fields.push(("Last-Modified", modified));
    fields.push(("ETag", tag));
    fields.push(("Accept-Ranges", "bytes".to_owned()));
    if let Some(seconds) = found.expires {
        fields.push(("Expires", httpdate::fmt_http_date(now + Duration::from_secs(seconds))));
    }
    Answer { status, fields, part }
}

fn tag(found: &Found) -> String {
    let nanos = found.modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("\"{nanos:x}-{:x}\"", found.length)
}

/// Whether the client's copy is still good: If-None-Match decides, and only without it If-Modified-Since.
fn is_unmodified(request: &Request, tag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = text(request, "HTTP_IF_NONE_MATCH") {
        return tags
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    }
    let since = text(request, "HTTP_IF_MODIFIED_SINCE").and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| seconds(modified) <= seconds(since))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// One range is served; several, or what is no byte range, get the whole file, as the RFC allows.
fn part(request: &Request, tag: &str, modified: &str, length: u64) -> Part {
    let Some(range) = text(request, "HTTP_RANGE").and_then(|range| range.trim().strip_prefix("bytes="))
    else {
        return Part::Whole;
    };
    let is_get = request.var(Known::RequestMethod) == Some(b"GET");
    let same =
        text(request, "HTTP_IF_RANGE").is_none_or(|condition| condition == tag || condition == modified);
    if !is_get || !same || range.contains(',') {
        return Part::Whole;
    }
    match range.split_once('-') {
        Some(("", suffix)) => match suffix.parse::<u64>() {
            Ok(0) => Part::Unsatisfiable,
            Ok(_) if length == 0 => Part::Unsatisfiable,
            Ok(count) => Part::Range { first: length.saturating_sub(count), last: length - 1 },
            Err(_) => Part::Whole,
        },
        Some((first, last)) => {
            let last_asked = if last.is_empty() { Ok(u64::MAX) } else { last.parse() };
            match (first.parse::<u64>(), last_asked) {
                (Ok(first), Ok(last)) if first > last => Part::Whole,
                (Ok(first), Ok(_)) if first >= length => Part::Unsatisfiable,
                (Ok(first), Ok(last)) => Part::Range { first, last: last.min(length - 1) },
                _ => Part::Whole,
            }
        }
        None => Part::Whole,
    }
}

fn text<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.find(name.as_bytes()).and_then(|value| std::str::from_utf8(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_wire::Name;

    const MODIFIED: u64 = 1_700_000_000;

    fn check(fields: &[(&str, &str)], status: &str, part: (u64, u64)) {
        let found = Found {
            file: tempfile::tempfile().unwrap(),
            length: 100,
            modified: UNIX_EPOCH + Duration::from_secs(MODIFIED),
            media_type: "text/plain".into(),
            expires: None,
        };
        let mut request = Request::new();
        request.push(Name::Known(Known::RequestMethod), b"GET");
        for (name, value) in fields {
            request.push(Name::from_bytes(name.as_bytes()), value.as_bytes());
        }
        let answer = answer(&request, &found, UNIX_EPOCH);
        assert_eq!((answer.status, answer.part), (status, part), "{fields:?}");
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        const OK: &str = "200 OK";
        const PARTIAL: &str = "206 Partial Content";
        const BAD: &str = "416 Range Not Satisfiable";
        for (range, status, part) in [
            ("bytes=0-9", PARTIAL, (0, 10)),
            ("bytes=90-", PARTIAL, (90, 10)),
            ("bytes=-5", PARTIAL, (95, 5)),
            ("bytes=-500", PARTIAL, (0, 100)),
            ("bytes=50-500", PARTIAL, (50, 50)),
            ("bytes=100-", BAD, (0, 0)),
            ("bytes=-0", BAD, (0, 0)),
            ("bytes=9-0", OK, (0, 100)),
            ("bytes=0-1,5-6", OK, (0, 100)),
            ("bytes=x-1", OK, (0, 100)),
            ("lines=0-1", OK, (0, 100)),
        ] {
            check(&[("HTTP_RANGE", range)], status, part);
        }
        check(&[("HTTP_RANGE", "bytes=0-9"), ("HTTP_IF_RANGE", "\"other\"")], OK, (0, 100));
    }

    #[test]
    fn a_good_copy_is_not_sent_again() {
        let date = |seconds| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        let tag = format!("\"{:x}-64\"", u128::from(MODIFIED) * 1_000_000_000);
        for (fields, fresh) in [
            (vec![("HTTP_IF_MODIFIED_SINCE", date(MODIFIED))], true),
            (vec![("HTTP_IF_MODIFIED_SINCE", date(MODIFIED - 1))], false),
            (vec![("HTTP_IF_MODIFIED_SINCE", "nonsense".into())], false),
            (vec![("HTTP_IF_NONE_MATCH", tag.clone())], true),
            (vec![("HTTP_IF_NONE_MATCH", format!("\"a\", W/{tag}"))], true),
            (vec![("HTTP_IF_NONE_MATCH", "*".into())], true),
            (vec![("HTTP_IF_NONE_MATCH", "\"a\"".into()), ("HTTP_IF_MODIFIED_SINCE", date(MODIFIED))], false),
        ] {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, part) = if fresh { ("304 Not Modified", (0, 0)) } else { ("200 OK", (0, 100)) };
            check(&fields, status, part);
        }
    }
}
