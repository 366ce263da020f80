//! Preconditions (RFC 9110 sections 8.8 and 13): whether to perform a request, and whether its range still fits.

use margrave_wire::Request;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the preconditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Perform it.
    Perform,
    /// The client's copy is still good.
    NotModified,
    /// What the client relies on is not so.
    Failed,
}

/// What conditions are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The entity tag, strong, with its quotes.
    pub(crate) tag: &'a str,
    /// Last modification.
    pub(crate) modified: SystemTime,
}

impl Validators<'_> {
    /// The order of section 13.2.2, for GET and HEAD.
    pub(crate) fn evaluate(&self, request: &Request) -> Outcome {
        if let Some(tags) = request.find(b"HTTP_IF_MATCH") {
            if !lists(tags, self.tag, Comparison::Strong) {
                return Outcome::Failed;
            }
        } else if let Some(date) = date(request, "HTTP_IF_UNMODIFIED_SINCE")
            && seconds(self.modified) > seconds(date)
        {
            return Outcome::Failed;
        }
        let is_unmodified = match request.find(b"HTTP_IF_NONE_MATCH") {
            Some(tags) => lists(tags, self.tag, Comparison::Weak),
            None => date(request, "HTTP_IF_MODIFIED_SINCE")
                .is_some_and(|since| seconds(self.modified) <= seconds(since)),
        };
        if is_unmodified { Outcome::NotModified } else { Outcome::Perform }
    }

    /// Whether If-Range, if given, names what is here (section 13.1.5): tags are compared strongly, dates exactly.
    pub(crate) fn range_applies(&self, request: &Request) -> bool {
        match request.find(b"HTTP_IF_RANGE").map(<[u8]>::trim_ascii) {
            None => true,
            Some(tag) if tag.starts_with(b"\"") || tag.starts_with(b"W/") => tag == self.tag.as_bytes(),
            Some(date) => parse_date(date).is_some_and(|date| seconds(date) == seconds(self.modified)),
        }
    }
}

/// How tags are compared (section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Weak tags equal nothing.
    Strong,
    /// The mark of a weak tag does not count.
    Weak,
}

/// Whether a list of entity tags has this one; `*` has all. A tag may contain commas, and bytes that are no text.
fn lists(list: &[u8], tag: &str, comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    while !rest.is_empty() {
        let (is_weak, opaque) = match rest.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, rest),
        };
        // What is no tag makes the rest of the list unreadable, and an unreadable list matches nothing.
        let inside = opaque.strip_prefix(b"\"");
        let Some(length) = inside.and_then(|inside| inside.iter().position(|&byte| byte == b'"')) else {
            return false;
        };
        let (found, behind) = opaque.split_at(length + 2);
        if found == tag.as_bytes() && !(is_weak && comparison == Comparison::Strong) {
            return true;
        }
        let next = behind.iter().position(|byte| !b" \t,".contains(byte));
        rest = next.map_or(b"", |next| &behind[next..]);
    }
    false
}

/// A date of a field; one that cannot be read is as good as none.
fn date(request: &Request, name: &str) -> Option<SystemTime> {
    parse_date(request.find(name.as_bytes())?.trim_ascii())
}

fn parse_date(date: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(date).ok()?).ok()
}

/// Dates of HTTP have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A request field as text; one that is none is as good as none.
pub(crate) fn text<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.find(name.as_bytes()).and_then(|value| std::str::from_utf8(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_wire::Name;
    use std::time::Duration;

    const MODIFIED: u64 = 1_700_000_000;
    const TAG: &str = "\"6553-64\"";

    fn at(offset: i64) -> String {
        let time = MODIFIED.checked_add_signed(offset).unwrap();
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time))
    }

    /// Text stands for its bytes in Latin-1.
    fn request(fields: &[(&str, &str)]) -> Request {
        let mut request = Request::new();
        for (name, value) in fields {
            let bytes: Vec<u8> = value.chars().map(|char| u8::try_from(char).unwrap()).collect();
            request.push(Name::from_bytes(name.as_bytes()), &bytes);
        }
        request
    }

    /// Half a second behind the whole: dates do not show it, and must not trip over it.
    fn validators() -> Validators<'static> {
        Validators { tag: TAG, modified: UNIX_EPOCH + Duration::from_millis(MODIFIED * 1000 + 500) }
    }

    #[test]
    fn preconditions_are_evaluated_in_the_order_of_the_rfc() {
        use Outcome::{Failed, NotModified, Perform};
        let (none_match, since) = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE");
        let (matches, until) = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE");
        let (same, earlier, later) = (at(0), at(-1), at(1));
        let weak = format!("W/{TAG}");
        let listed = format!("\"a,b\", {TAG}");
        let beyond = format!("\"\u{e9}\", {TAG}");
        for (fields, expected) in [
            (vec![], Perform),
            (vec![(since, same.as_str())], NotModified),
            (vec![(since, later.as_str())], NotModified),
            (vec![(since, earlier.as_str())], Perform),
            (vec![(since, "nonsense")], Perform),
            (vec![(none_match, TAG)], NotModified),
            (vec![(none_match, weak.as_str())], NotModified),
            (vec![(none_match, listed.as_str())], NotModified),
            (vec![(none_match, "*")], NotModified),
            (vec![(none_match, "\"other\"")], Perform),
            (vec![(none_match, "6553-64")], Perform),
            (vec![(none_match, "")], Perform),
            (vec![(none_match, beyond.as_str())], NotModified),
            (vec![(none_match, "\"\u{e9}\"")], Perform),
            (vec![(none_match, "\"\u{e9}\""), (since, same.as_str())], Perform),
            (vec![(matches, "\"\u{e9}\"")], Failed),
            (vec![(matches, beyond.as_str())], Perform),
            (vec![(until, "\u{e9}")], Perform),
            // If-None-Match decides alone.
            (vec![(none_match, "\"other\""), (since, same.as_str())], Perform),
            (vec![(none_match, TAG), (since, earlier.as_str())], NotModified),
            (vec![(matches, TAG)], Perform),
            (vec![(matches, "*")], Perform),
            (vec![(matches, listed.as_str())], Perform),
            (vec![(matches, weak.as_str())], Failed),
            (vec![(matches, "\"other\"")], Failed),
            (vec![(until, same.as_str())], Perform),
            (vec![(until, earlier.as_str())], Failed),
            (vec![(until, "nonsense")], Perform),
            // If-Match makes If-Unmodified-Since mean nothing, and both come before the other two.
            (vec![(matches, TAG), (until, earlier.as_str())], Perform),
            (vec![(matches, "\"other\""), (none_match, TAG)], Failed),
            (vec![(matches, TAG), (none_match, TAG)], NotModified),
            (vec![(until, earlier.as_str()), (since, same.as_str())], Failed),
        ] {
            assert_eq!(validators().evaluate(&request(&fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_applies_to_exactly_what_the_client_has() {
        let weak = format!("W/{TAG}");
        for (value, expected) in [
            (TAG, true),
            (weak.as_str(), false),
            ("\"other\"", false),
            ("\"\u{e9}\"", false),
            ("\u{e9}", false),
            (at(0).as_str(), true),
            (at(1).as_str(), false),
            (at(-1).as_str(), false),
            ("nonsense", false),
        ] {
            let request = request(&[("HTTP_IF_RANGE", value)]);
            assert_eq!(validators().range_applies(&request), expected, "{value}");
        }
        assert!(validators().range_applies(&request(&[])));
    }
}
