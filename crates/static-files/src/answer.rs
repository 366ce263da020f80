//! The answer of a file: its fields, and which parts of it go out (RFC 9110 sections 8, 13 and 14).

use crate::conditions::{Outcome, Validators, text};
use crate::expires::Subjects;
use crate::range::{self, Asked};
use crate::{Found, StaticFiles};
use margrave_config::settings::FileServeMode;
use margrave_wire::{Known, Request};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'f> {
    /// `200 OK`
    pub status: &'static str,
    /// Fields in order.
    pub fields: Vec<(&'static str, Cow<'f, [u8]>)>,
    /// Parts of the file, in order.
    pub parts: Vec<Part>,
    /// What follows the last part.
    pub tail: Vec<u8>,
}

/// A part of the file and what precedes it: nothing, or the head of a part of `multipart/byteranges`.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes to send first.
    pub before: Vec<u8>,
    /// Where in the file it begins.
    pub offset: u64,
    /// How many bytes of the file.
    pub length: u64,
}

impl Answer<'_> {
    /// Bytes of the body.
    #[must_use]
    pub fn length(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.before.len() as u64 + part.length);
        parts.sum::<u64>() + self.tail.len() as u64
    }
}

impl StaticFiles {
    /// The answer to `request` for the file that was found for it, `now` being the present time.
    #[must_use]
    pub fn answer<'f>(&self, request: &Request, found: &'f Found, now: SystemTime) -> Answer<'f> {
        let about = &found.about;
        let validators = Validators { tag: &about.tag, modified: about.modified };
        let mut answer =
            Answer { status: "200 OK", fields: Vec::with_capacity(9), parts: vec![], tail: vec![] };
        match validators.evaluate(request) {
            Outcome::Failed => {
                answer.status = "412 Precondition Failed";
                answer.push("Content-Length", b"0");
                return answer;
            }
            Outcome::NotModified => answer.status = "304 Not Modified",
            Outcome::Perform if self.settings.mode == FileServeMode::Direct => {
                self.fill(request, found, now, &validators, &mut answer);
            }
            Outcome::Perform => self.refer(found, &mut answer),
        }
        self.describe(request, found, now, &mut answer);
        answer
    }

    /// What goes out of the file, and the fields that say so.
    fn fill<'f>(
        &self,
        request: &Request,
        found: &'f Found,
        now: SystemTime,
        validators: &Validators<'_>,
        answer: &mut Answer<'f>,
    ) {
        let about = &found.about;
        let asked = match text(request, "HTTP_RANGE") {
            // Ranges are defined for GET alone.
            Some(ranges)
                if self.settings.ranges
                    && request.var(Known::RequestMethod) == Some(b"GET")
                    && validators.range_applies(request) =>
            {
                range::parse(ranges, about.length)
            }
            _ => Asked::Whole,
        };
        if let Some(coding) = about.coding {
            answer.push("Content-Encoding", coding.name().as_bytes());
        }
        match asked {
            Asked::Whole => {
                answer.push("Content-Type", about.media_type.as_bytes());
                answer.push("Content-Length", about.length_text.as_bytes());
                answer.parts.push(Part { before: vec![], offset: 0, length: about.length });
            }
            Asked::Unsatisfiable => {
                answer.status = "416 Range Not Satisfiable";
                answer.fields.clear();
                answer.push_text("Content-Range", format!("bytes */{}", about.length));
                answer.push("Content-Length", b"0");
            }
            Asked::Parts(parts) => {
                answer.status = "206 Partial Content";
                match parts[..] {
                    [(first, last)] => {
                        answer.push("Content-Type", about.media_type.as_bytes());
                        answer.push_text("Content-Range", format!("bytes {first}-{last}/{}", about.length));
                        answer.parts.push(Part { before: vec![], offset: first, length: last - first + 1 });
                    }
                    _ => answer.fill_multipart(&parts, found, now),
                }
                answer.push_text("Content-Length", answer.length().to_string());
            }
        }
    }

    /// Tells the front server which file to send.
    fn refer(&self, found: &Found, answer: &mut Answer<'_>) {
        let name = match self.settings.mode {
            FileServeMode::Sendfile => "X-Sendfile",
            FileServeMode::AccelRedirect | FileServeMode::Direct => "X-Accel-Redirect",
        };
        let path = found.about.path.canonicalize().unwrap_or_else(|_| found.about.path.clone());
        answer.fields.push(("Content-Type", found.about.media_type.clone().into_bytes().into()));
        answer.fields.push((name, path.as_os_str().as_bytes().to_vec().into()));
    }

    /// The fields that a 304 has as well as a 200.
    fn describe<'f>(&self, request: &Request, found: &'f Found, now: SystemTime, answer: &mut Answer<'f>) {
        let about = &found.about;
        answer.push("Last-Modified", about.last_modified.as_bytes());
        answer.push("ETag", about.tag.as_bytes());
        if self.settings.ranges && self.settings.mode == FileServeMode::Direct {
            answer.push("Accept-Ranges", b"bytes");
        }
        if found.varies {
            answer.push("Vary", b"Accept-Encoding");
        }
        let subjects = Subjects {
            files: [&about.name, &about.real_name],
            path_info: request.var(Known::PathInfo).unwrap_or_default(),
            uri: request.var(Known::RequestUri).unwrap_or_default(),
            media_type: &about.media_type,
            modified: about.modified,
        };
        if let Some(date) = self.expires.of(&subjects, now) {
            answer.push_text("Expires", httpdate::fmt_http_date(date.min(last_date())));
        }
    }
}

impl<'f> Answer<'f> {
    fn push(&mut self, name: &'static str, value: &'f [u8]) {
        self.fields.push((name, value.into()));
    }

    fn push_text(&mut self, name: &'static str, value: String) {
        self.fields.push((name, value.into_bytes().into()));
    }

    /// Several parts of a file (RFC 9110 section 14.6).
    fn fill_multipart(&mut self, parts: &[(u64, u64)], found: &Found, now: SystemTime) {
        let about = &found.about;
        // Different for each state of a file and each moment, so that no content can be made to contain it.
        let nanos = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let boundary = format!("{:032x}{:016x}", nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15), about.length);
        for &(first, last) in parts {
            let mut before = String::with_capacity(160);
            // Writing to a String cannot fail.
            let _ = write!(
                before,
                "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: bytes {first}-{last}/{}\r\n\r\n",
                about.media_type, about.length
            );
            self.parts.push(Part { before: before.into_bytes(), offset: first, length: last - first + 1 });
        }
        self.tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        self.push_text("Content-Type", format!("multipart/byteranges; boundary={boundary}"));
    }
}

/// The form of dates has four digits for the year.
fn last_date() -> SystemTime {
    UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use margrave_config::settings::{CompressedSettings, ExpiresRule, ExpiresSubject, StaticSettings};
    use margrave_wire::Name;
    use std::fs;
    use std::time::Duration;

    /// A file of 100 bytes, asked for with these fields; status, fields and body of the answer.
    fn ask(
        settings: StaticSettings,
        method: &str,
        fields: &[(&str, &str)],
    ) -> (String, Vec<(String, String)>, String) {
        let folder = tempfile::tempdir().unwrap();
        let content: String = (0..100u8).map(|byte| char::from(b'0' + byte % 10)).collect();
        fs::write(folder.path().join("a.css"), &content).unwrap();
        fs::write(folder.path().join("a.css.gz"), &content).unwrap();
        let settings = StaticSettings { maps: vec![("/s".into(), folder.path().into())], ..settings };
        let files = StaticFiles::new(&settings).unwrap();
        let mut request = Request::new();
        request.push(Name::Known(Known::RequestMethod), method.as_bytes());
        request.push(Name::Known(Known::PathInfo), b"/s/a.css");
        for (name, value) in fields {
            request.push(Name::from_bytes(name.as_bytes()), value.as_bytes());
        }
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let found = files.find(&request, &mut Memory::new(0), now).unwrap();
        let answer = files.answer(&request, &found, now);
        let mut body = String::new();
        for part in &answer.parts {
            body += std::str::from_utf8(&part.before).unwrap();
            body +=
                &content[usize::try_from(part.offset).unwrap()..][..usize::try_from(part.length).unwrap()];
        }
        body += std::str::from_utf8(&answer.tail).unwrap();
        assert_eq!(answer.length(), body.len() as u64);
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let fields = answer.fields.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        (answer.status.to_owned(), fields, body)
    }

    fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn one_range_is_the_part_and_several_are_a_multipart() {
        let (status, fields, body) = ask(StaticSettings::default(), "GET", &[("HTTP_RANGE", "bytes=10-14")]);
        assert_eq!((status.as_str(), body.as_str()), ("206 Partial Content", "01234"));
        assert_eq!(value(&fields, "Content-Range"), Some("bytes 10-14/100"));
        assert_eq!(value(&fields, "Content-Length"), Some("5"));
        let (status, fields, body) = ask(StaticSettings::default(), "GET", &[("HTTP_RANGE", "bytes=0-1,-3")]);
        let kind = value(&fields, "Content-Type").unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let head = |range: &str| {
            format!("\r\n--{boundary}\r\nContent-Type: text/css\r\nContent-Range: bytes {range}/100\r\n\r\n")
        };
        assert_eq!(status, "206 Partial Content");
        assert_eq!(body, format!("{}01{}789\r\n--{boundary}--\r\n", head("0-1"), head("97-99")));
        assert_eq!(value(&fields, "Content-Length").unwrap(), body.len().to_string());
        assert_eq!(value(&fields, "Content-Range"), None);
    }

    #[test]
    fn a_range_is_answered_only_where_it_may_be() {
        let range = ("HTTP_RANGE", "bytes=0-1");
        let off = StaticSettings { ranges: false, ..StaticSettings::default() };
        for (settings, method, fields, status, length) in [
            (StaticSettings::default(), "GET", vec![range], "206 Partial Content", 2),
            (StaticSettings::default(), "HEAD", vec![range], "200 OK", 100),
            (StaticSettings::default(), "GET", vec![range, ("HTTP_IF_RANGE", "\"other\"")], "200 OK", 100),
            (
                StaticSettings::default(),
                "GET",
                vec![("HTTP_RANGE", "bytes=100-")],
                "416 Range Not Satisfiable",
                0,
            ),
            (StaticSettings::default(), "GET", vec![("HTTP_RANGE", "lines=0-1")], "200 OK", 100),
            (
                StaticSettings::default(),
                "GET",
                vec![range, ("HTTP_IF_MATCH", "\"x\"")],
                "412 Precondition Failed",
                0,
            ),
            (
                StaticSettings::default(),
                "GET",
                vec![range, ("HTTP_IF_NONE_MATCH", "*")],
                "304 Not Modified",
                0,
            ),
            (off, "GET", vec![range], "200 OK", 100),
        ] {
            let allows = settings.ranges;
            let (found, answer, body) = ask(settings, method, &fields);
            assert_eq!((found.as_str(), body.len()), (status, length), "{method} {fields:?}");
            let says = value(&answer, "Accept-Ranges").is_some();
            assert_eq!(says, allows && status != "412 Precondition Failed", "{method} {fields:?}");
        }
    }

    #[test]
    fn a_304_says_what_a_200_would_have_said_of_its_freshness() {
        let rule = ExpiresRule {
            subject: ExpiresSubject::File,
            pattern: "css".into(),
            seconds: 50,
            from_mtime: false,
        };
        let settings = StaticSettings { expires: vec![rule], ..StaticSettings::default() };
        for fields in [vec![], vec![("HTTP_IF_NONE_MATCH", "*")]] {
            let (_, answer, _) = ask(settings.clone(), "GET", &fields);
            assert_eq!(value(&answer, "Expires"), Some("Thu, 01 Jan 1970 00:17:30 GMT"), "{fields:?}");
            assert!(
                value(&answer, "ETag").is_some() && value(&answer, "Last-Modified").is_some(),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn a_date_beyond_the_last_year_does_not_overflow() {
        let rule = ExpiresRule {
            subject: ExpiresSubject::File,
            pattern: "css".into(),
            seconds: 1 << 40,
            from_mtime: false,
        };
        let settings = StaticSettings { expires: vec![rule], ..StaticSettings::default() };
        assert_eq!(value(&ask(settings, "GET", &[]).1, "Expires"), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
    }

    #[test]
    fn a_front_server_is_told_which_file_to_send() {
        for (mode, name) in
            [(FileServeMode::AccelRedirect, "X-Accel-Redirect"), (FileServeMode::Sendfile, "X-Sendfile")]
        {
            let compressed = CompressedSettings { all: true, ..CompressedSettings::default() };
            let settings = StaticSettings { mode, compressed, ..StaticSettings::default() };
            let asked = [("HTTP_RANGE", "bytes=0-1"), ("HTTP_ACCEPT_ENCODING", "gzip")];
            let (status, fields, body) = ask(settings, "GET", &asked);
            assert_eq!((status.as_str(), body.as_str()), ("200 OK", ""));
            assert!(value(&fields, name).unwrap().ends_with("/a.css"), "{fields:?}");
            assert_eq!(value(&fields, "Content-Length"), None);
            assert_eq!((value(&fields, "Content-Encoding"), value(&fields, "Vary")), (None, None));
        }
    }
}
