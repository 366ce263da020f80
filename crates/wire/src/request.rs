//! The request value that every protocol ends in: CGI/WSGI meta-variables in order, in one owned buffer.
//!
//! A `Request` is reused from one request to the next, so that a warm connection allocates nothing.
//! Names and values are bytes as they came; nothing here decides what they mean to an application.

use crate::Peer;
pub use crate::known::Known;
use alloc::vec::Vec;
use core::ops::Range;

/// The version a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and any later minor version.
    #[default]
    Http11,
}

/// How long the request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// No body was announced.
    #[default]
    None,
    /// So many bytes (Content-Length, `CONTENT_LENGTH`).
    Known(u64),
    /// In pieces, until the last one: chunks of HTTP/1.1, or FastCGI's STDIN when no `CONTENT_LENGTH` came.
    Chunked,
}

/// What a decoder of request heads made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The head is not complete: call again with more input.
    Incomplete,
    /// The request is filled in.
    Complete {
        /// Bytes of input that the head took, with empty lines before it.
        used: usize,
    },
}

/// A meta-variable's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// One with a number.
    Known(Known),
    /// Any other, as the application sees it (`HTTP_X_TRACE`).
    Other(&'a [u8]),
}

impl<'a> Name<'a> {
    /// The name with its number, if it has one.
    #[must_use]
    #[inline(always)]
    pub fn from_bytes(name: &'a [u8]) -> Self {
        Known::from_name(name).map_or(Self::Other(name), Self::Known)
    }
    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Known(known) => known.name().as_bytes(),
            Self::Other(name) => name,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }
}

#[derive(Clone, Copy, Debug)]
enum VarName {
    Known(Known),
    Other(Span),
}

#[derive(Clone, Copy, Debug)]
struct Var {
    name: VarName,
    value: Span,
}

/// One request: its meta-variables and what the connection must know about it.
#[derive(Clone, Debug)]
pub struct Request {
    text: Vec<u8>,
    vars: Vec<Var>,
    /// Position in `vars` plus one; 0 = not set.
    index: [u32; Known::COUNT],
    /// Values of fields that came again, to be joined to the variable at the position given.
    repeated: Vec<(u32, Span)>,
    /// The peer's forwarding fields are believed.
    pub(crate) trusted: bool,
    /// What `Forwarded` says about the scheme, as far as it is believed.
    forwarded_https: Option<bool>,
    /// The client that believed forwarding fields name.
    forwarded_client: Option<Span>,
    /// The version the client speaks.
    pub version: Version,
    /// How long the body is.
    pub body: BodyLength,
    /// The client is ready to send another request on this connection.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Bytes of the head on the wire.
    pub head_len: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            vars: Vec::new(),
            index: [0; Known::COUNT],
            repeated: Vec::new(),
            trusted: false,
            forwarded_https: None,
            forwarded_client: None,
            version: Version::default(),
            body: BodyLength::default(),
            keep_alive: false,
            expect_continue: false,
            head_len: 0,
        }
    }
}

impl Request {
    /// An empty request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the request and keeps its buffers.
    pub fn clear(&mut self) {
        for var in &self.vars {
            if let VarName::Known(known) = var.name {
                self.index[known as usize] = 0;
            }
        }
        self.text.clear();
        self.vars.clear();
        self.repeated.clear();
        self.trusted = false;
        self.forwarded_https = None;
        self.forwarded_client = None;
        self.version = Version::default();
        self.body = BodyLength::default();
        self.keep_alive = false;
        self.expect_continue = false;
        self.head_len = 0;
    }

    /// Empties the request for one that `peer` sends.
    pub(crate) fn begin(&mut self, peer: &Peer<'_>) {
        self.clear();
        self.trusted = peer.trusted;
    }

    /// Adds a variable. A name that is there already is there twice; the last one is found.
    pub fn push(&mut self, name: Name<'_>, value: &[u8]) {
        let name = match name {
            Name::Known(known) => VarName::Known(known),
            Name::Other(name) => VarName::Other(self.store(name)),
        };
        let value = self.store(value);
        self.push_var(name, value);
    }

    /// Replaces a variable's value, or adds the variable.
    pub fn set(&mut self, known: Known, value: &[u8]) {
        match self.position(known) {
            Some(position) => self.vars[position].value = self.store(value),
            None => self.push(Name::Known(known), value),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn var(&self, known: Known) -> Option<&[u8]> {
        Some(&self.text[self.vars[self.position(known)?].value.range()])
    }

    /// The value of the variable called `name`; of several, the last.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        if let Some(known) = Known::from_name(name) {
            return self.var(known);
        }
        let var = self.vars.iter().rev().find(|var| match var.name {
            VarName::Known(_) => false,
            VarName::Other(span) => &self.text[span.range()] == name,
        })?;
        Some(&self.text[var.value.range()])
    }

    /// All variables in order.
    pub fn vars(&self) -> impl Iterator<Item = (Name<'_>, &[u8])> {
        self.vars.iter().map(|var| {
            let name = match var.name {
                VarName::Known(known) => Name::Known(known),
                VarName::Other(span) => Name::Other(&self.text[span.range()]),
            };
            (name, &self.text[var.value.range()])
        })
    }

    /// Takes every variable called `name` away; says whether there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let before = self.vars.len();
        let (text, known) = (&self.text, Known::from_name(name));
        self.vars.retain(|var| match var.name {
            VarName::Known(one) => known != Some(one),
            VarName::Other(span) => known.is_some() || &text[span.range()] != name,
        });
        self.index = [0; Known::COUNT];
        for (position, var) in self.vars.iter().enumerate() {
            if let VarName::Known(known) = var.name {
                self.index[known as usize] = position as u32 + 1;
            }
        }
        before != self.vars.len()
    }

    /// How many variables there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vars.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// What uWSGI's request line gives as `{N vars in M bytes}`: names and values counted separately,
    /// and the size of the uwsgi packet they fill (two bytes of length before each).
    #[must_use]
    pub fn vars_bytes(&self) -> (usize, usize) {
        let bytes = self.vars().map(|(name, value)| 4 + name.as_bytes().len() + value.len()).sum();
        (2 * self.vars.len(), bytes)
    }

    /// The client reached the site by https. In uWSGI's order: `UWSGI_SCHEME`, a forwarding field of a trusted peer
    /// (`Forwarded` last), `HTTPS`. Of a list in `X-Forwarded-Proto` the first counts, which is the client's.
    #[must_use]
    pub fn is_https(&self) -> bool {
        let scheme = |value: &[u8]| {
            let first = value.split(|&byte| byte == b',').next().unwrap_or_default();
            first.trim_ascii().eq_ignore_ascii_case(b"https")
        };
        let switch = |value: &[u8]| value.eq_ignore_ascii_case(b"on") || value == b"1";
        let set = |known: Known| self.var(known).filter(|value| !value.is_empty());
        if let Some(value) = set(Known::UwsgiScheme) {
            return scheme(value);
        }
        if self.trusted {
            if let Some(value) = set(Known::HttpXForwardedProto) {
                return scheme(value);
            }
            if set(Known::HttpXForwardedSsl).is_some_and(switch) {
                return true;
            }
            if let Some(https) = self.forwarded_https {
                return https;
            }
        }
        set(Known::Https).is_some_and(switch)
    }

    /// Whether the peer's forwarding fields are believed.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Says whether the peer's forwarding fields are believed; the decoders do so by themselves.
    pub fn set_trusted(&mut self, trusted: bool) {
        self.trusted = trusted;
    }

    /// What believed hops of `Forwarded` say about the scheme.
    #[must_use]
    pub fn forwarded_https(&self) -> Option<bool> {
        self.forwarded_https
    }

    /// The client that believed hops name; `None` where the request's `REMOTE_ADDR` is all that is known.
    #[must_use]
    pub fn forwarded_client(&self) -> Option<&[u8]> {
        self.forwarded_client.map(|span| &self.text[span.range()])
    }

    /// Notes what believed hops say.
    pub fn set_forwarded(&mut self, https: Option<bool>, client: Option<&[u8]>) {
        self.forwarded_https = https;
        self.forwarded_client = client.map(|client| self.store(client));
    }

    /// Copies bytes of which variables will be parts; nothing else may be there yet.
    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        debug_assert!(self.text.is_empty());
        self.text.extend_from_slice(bytes);
    }

    /// Adds a variable that is part of what [`Self::hold`] has copied. `name_at` is where `name` is there.
    #[inline(always)]
    pub(crate) fn push_held(&mut self, name: Name<'_>, name_at: Range<usize>, value_at: Range<usize>) {
        let name = match name {
            Name::Known(known) => VarName::Known(known),
            Name::Other(_) => VarName::Other(Span::from(name_at)),
        };
        self.push_var(name, Span::from(value_at));
    }

    /// Adds a variable whose value is part of another's, without a copy.
    pub(crate) fn push_part(&mut self, known: Known, of: Known, part: Range<usize>) {
        let whole = self.position(of).map_or(Span { start: 0, end: 0 }, |position| self.vars[position].value);
        debug_assert!(part.start <= part.end && part.end <= whole.range().len());
        let value = Span { start: whole.start + part.start as u32, end: whole.start + part.end as u32 };
        self.push_var(VarName::Known(known), value);
    }

    /// Adds a variable whose value `write` appends.
    pub(crate) fn push_with(&mut self, known: Known, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len() as u32;
        write(&mut self.text);
        let value = Span { start, end: self.text.len() as u32 };
        self.push_var(VarName::Known(known), value);
    }

    /// Adds a field's variable; when the field was there before, the values are joined at the end of the head.
    pub(crate) fn push_field(&mut self, known: Known, value: &[u8]) {
        let value = self.store(value);
        match self.position(known) {
            Some(position) => self.repeated.push((position as u32, value)),
            None => self.push_var(VarName::Known(known), value),
        }
    }

    /// The same for a field that has no number. `name` is the field's; a token.
    pub(crate) fn push_other_field(&mut self, name: &[u8], value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(b"HTTP_");
        self.text
            .extend(name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
        let name = Span { start: start as u32, end: self.text.len() as u32 };
        let text = &self.text[name.range()];
        if let Some(known) = Known::from_name(text) {
            self.text.truncate(start);
            return self.push_field(known, value);
        }
        let same = |var: &Var| matches!(var.name, VarName::Other(span) if &self.text[span.range()] == text);
        match self.vars.iter().position(same) {
            Some(position) => {
                self.text.truncate(start);
                let value = self.store(value);
                self.repeated.push((position as u32, value));
            }
            None => {
                let value = self.store(value);
                self.push_var(VarName::Other(name), value);
            }
        }
    }

    /// Joins the values of fields that came more than once (RFC 9110, 5.3; cookies: RFC 6265, 5.4), each list in one
    /// copy, so that many repetitions cost no more than their bytes.
    pub(crate) fn join_repeated(&mut self) {
        let mut repeated = core::mem::take(&mut self.repeated);
        repeated.sort_by_key(|&(position, _)| position);
        for group in repeated.chunk_by(|one, other| one.0 == other.0) {
            let var = self.vars[group[0].0 as usize];
            let cookie = matches!(var.name, VarName::Known(Known::HttpCookie));
            let separator: &[u8] = if cookie { b"; " } else { b", " };
            let start = self.text.len() as u32;
            self.text.extend_from_within(var.value.range());
            for (_, value) in group {
                self.text.extend_from_slice(separator);
                self.text.extend_from_within(value.range());
            }
            self.vars[group[0].0 as usize].value = Span { start, end: self.text.len() as u32 };
        }
        repeated.clear();
        self.repeated = repeated;
    }

    #[cfg(test)]
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    fn position(&self, known: Known) -> Option<usize> {
        (self.index[known as usize] as usize).checked_sub(1)
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Span { start, end: self.text.len() as u32 }
    }

    #[inline]
    fn push_var(&mut self, name: VarName, value: Span) {
        self.vars.push(Var { name, value });
        if let VarName::Known(known) = name {
            self.index[known as usize] = self.vars.len() as u32;
        }
    }
}
