//! The fields of a head (RFC 9112, 5) and what they say about the body and the connection.

use super::{scan, target};
use crate::limits::LARGEST_BODY;
use crate::request::{BodyLength, Known, Request, Version};
use crate::{Fault, Limits, Peer, WireError};

/// Decodes fields into meta-variables and keeps what decides the framing.
pub(super) struct Fields<'a> {
    limits: &'a Limits,
    peer: &'a Peer<'a>,
    /// Of an absolute-form target: takes Host's place.
    authority: Option<&'a [u8]>,
    request: &'a mut Request,
    has_host: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// `chunked` after codings that are not decoded here.
    Unknown,
    /// Not `chunked` at the end, or more than one field.
    Wrong,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        limits: &'a Limits,
        peer: &'a Peer<'a>,
        authority: Option<&'a [u8]>,
        request: &'a mut Request,
    ) -> Self {
        Self {
            limits,
            peer,
            authority,
            request,
            has_host: false,
            length: None,
            coding: None,
            close: false,
            keep_alive: false,
            expect_continue: false,
        }
    }

    /// Decodes the fields that start at `at`; `None` when the input ends before the empty line.
    pub(super) fn decode(mut self, input: &[u8], mut at: usize) -> Result<Option<usize>, WireError> {
        let mut count = 0;
        loop {
            let rest = &input[at..];
            match rest {
                [b'\r', b'\n', ..] => {
                    self.conclude().map_err(|fault| WireError::new(fault, at))?;
                    return Ok(Some(at + 2));
                }
                [] | [b'\r'] => return Ok(None),
                [b' ' | b'\t', ..] => return Err(WireError::new(Fault::FieldFolded, at)),
                [b'\r' | b'\n', ..] => return Err(WireError::new(Fault::LineEnd, at)),
                _ => {}
            }
            count += 1;
            if count > self.limits.fields {
                return Err(WireError::new(Fault::TooManyFields, at));
            }
            let name_len = scan::token_len(rest);
            match rest.get(name_len) {
                Some(b':') if name_len > 0 => {}
                None => return Ok(None),
                Some(_) => return Err(WireError::new(Fault::FieldName, at + name_len)),
            }
            let value = &rest[name_len + 1..];
            let value_len = scan::value_len(value);
            let value_at = at + name_len + 1;
            if name_len + value_len > self.limits.field {
                return Err(WireError::new(Fault::FieldTooLarge, at));
            }
            match value[value_len..] {
                [b'\r', b'\n', ..] => {}
                [] | [b'\r'] => return Ok(None),
                [b'\r' | b'\n', ..] => return Err(WireError::new(Fault::LineEnd, value_at + value_len)),
                _ => return Err(WireError::new(Fault::FieldValue, value_at + value_len)),
            }
            self.field(&rest[..name_len], scan::trim(&value[..value_len]))
                .map_err(|fault| WireError::new(fault, at))?;
            at = value_at + value_len + 2;
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let Some(known) = Known::from_field(name) else {
            self.other(name, value);
            return Ok(());
        };
        match known {
            Known::HttpHost => {
                self.host(value)?;
                let host = self.authority.unwrap_or(value);
                self.request.push_field(known, host);
                return Ok(());
            }
            Known::ContentLength => {
                self.content_length(value)?;
                self.request.push_field(known, without_zeros(value));
                return Ok(());
            }
            Known::HttpTransferEncoding => {
                self.coding = Some(if self.coding.is_some() { Coding::Wrong } else { coding(value) });
            }
            Known::HttpConnection => self.connection(value),
            Known::HttpExpect => self.expect(value)?,
            Known::HttpProxy => return Ok(()),
            _ => {}
        }
        self.request.push_field(known, value);
        Ok(())
    }

    /// A field that makes no numbered variable.
    fn other(&mut self, name: &[u8], value: &[u8]) {
        if name.contains(&b'_') && !(self.peer.underscore_fields && may_shadow(name)) {
            return;
        }
        self.request.push_other_field(name, value);
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if core::mem::replace(&mut self.has_host, true) {
            return Err(Fault::HostTwice);
        }
        if target::is_host(value) { Ok(()) } else { Err(Fault::Host) }
    }

    /// Digits alone, once: a second field is refused even when it is equal (RFC 9110, 8.6 allows that).
    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.length.is_some() {
            return Err(Fault::ContentLengthTwice);
        }
        let length = content_length(value)?;
        if self.limits.body.is_some_and(|limit| length > limit) {
            return Err(Fault::BodyTooLarge);
        }
        self.length = Some(length);
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = scan::trim(option);
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Fault> {
        // An HTTP/1.0 client cannot mean it (RFC 9110, 10.1.1).
        if self.request.version == Version::Http10 {
            return Ok(());
        }
        for expectation in value.split(|&byte| byte == b',').map(scan::trim).filter(|found| !found.is_empty())
        {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::Expectation);
            }
            self.expect_continue = true;
        }
        Ok(())
    }

    /// What only the whole head can decide.
    fn conclude(&mut self) -> Result<(), Fault> {
        let http11 = self.request.version == Version::Http11;
        if http11 && !self.has_host {
            return Err(Fault::HostMissing);
        }
        if let (false, Some(authority)) = (self.has_host, self.authority) {
            self.request.push_field(Known::HttpHost, authority);
        }
        self.request.body = match (self.coding, self.length) {
            // By RFC 9112, 6.3, of a POST too; 411 would refuse clients that have nothing to send.
            (None, None) => BodyLength::None,
            (None, Some(length)) => BodyLength::Known(length),
            (Some(_), Some(_)) => return Err(Fault::TwoLengths),
            (Some(_), None) if !http11 => return Err(Fault::TransferEncoding),
            (Some(Coding::Chunked), None) => BodyLength::Chunked,
            (Some(Coding::Unknown), None) => return Err(Fault::TransferCoding),
            (Some(Coding::Wrong), None) => return Err(Fault::TransferEncoding),
        };
        let has_body = !matches!(self.request.body, BodyLength::None | BodyLength::Known(0));
        self.request.expect_continue = self.expect_continue && has_body;
        self.request.keep_alive = !self.close && (http11 || self.keep_alive);
        self.request.join_repeated();
        Ok(())
    }
}

/// A head, or the beginning of one, whose method is HEAD: a refusal of it has no body.
#[must_use]
pub fn asks_for_head(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"HEAD ")
}

/// Name and size of the largest field of a head that was refused, for its author; the last one may be incomplete.
#[must_use]
pub fn largest_field(head: &[u8]) -> Option<(&[u8], usize)> {
    let lines = head.split(|&byte| byte == b'\n').skip(1);
    let fields = lines.filter_map(|line| Some((&line[..memchr::memchr(b':', line)?], line)));
    fields.map(|(name, line)| (name, line.trim_ascii_end().len())).max_by_key(|&(_, size)| size)
}

/// `1*DIGIT`
pub(crate) fn content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::ContentLength);
    }
    let add = |length: u64, digit: &u8| length.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let length = value.iter().try_fold(0, add).filter(|&length| length <= LARGEST_BODY);
    length.ok_or(Fault::BodyTooLarge)
}

/// A number without leading zeros. Any number of them is allowed, but Python refuses to read thousands of digits.
pub(crate) fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros.min(digits.len().saturating_sub(1))..]
}

/// Exactly `chunked` is decoded; of anything else it is only said how wrong it is (RFC 9112, 6.1 and 6.3).
fn coding(value: &[u8]) -> Coding {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Coding::Chunked;
    }
    let mut chunked = false;
    for coding in value.split(|&byte| byte == b',') {
        let coding = scan::trim(coding);
        if chunked || coding.is_empty() || !coding.iter().all(|&byte| scan::is_token_byte(byte)) {
            return Coding::Wrong;
        }
        chunked = coding.eq_ignore_ascii_case(b"chunked");
    }
    if chunked { Coding::Unknown } else { Coding::Wrong }
}

/// A name with underscores may take the place of the field with dashes (uWSGI joins the two), except of those that
/// decide how the request is read.
fn may_shadow(name: &[u8]) -> bool {
    const NEVER: [&[u8]; 7] = [
        b"content_length",
        b"content_type",
        b"transfer_encoding",
        b"x_forwarded_proto",
        b"x_forwarded_ssl",
        b"x_forwarded_for",
        b"proxy_connection",
    ];
    !NEVER.iter().any(|never| {
        never.len() == name.len()
            && never.iter().zip(name).all(|(&never, &byte)| match byte {
                b'-' => never == b'_',
                _ => never == byte.to_ascii_lowercase(),
            })
    })
}
