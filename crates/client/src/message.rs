//! A call as bytes of its protocol, and as lines to be read.

use crate::{Call, ClientError, Protocol};
use margrave_config::settings::Address;
use margrave_wire::fastcgi::{self, Kind};
use margrave_wire::{http1, scgi, uwsgi};
use std::fmt::Write as _;

/// The only request on a FastCGI connection.
const ID: u16 = 1;
/// uwsgi: is anybody there?
pub(crate) const PING: u8 = 100;

/// What goes before the body, and around it.
#[derive(Debug)]
pub(crate) struct Message {
    /// Bytes before the body.
    pub(crate) head: Vec<u8>,
    /// The same, readable.
    pub(crate) lines: Vec<String>,
    /// How the body is framed.
    pub(crate) framing: Framing,
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As it is.
    Plain,
    /// HTTP's chunks.
    Chunks,
    /// FastCGI's STDIN.
    Records,
}

impl Framing {
    /// Appends a piece of body; an empty one ends it.
    pub(crate) fn encode(self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(piece),
            Self::Chunks => {
                // Writing to a Vec cannot fail.
                let _ = std::io::Write::write_fmt(out, format_args!("{:x}\r\n", piece.len()));
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
            Self::Records if piece.is_empty() => fastcgi::encode_stream_end(Kind::Stdin, ID, out),
            Self::Records => fastcgi::encode_stream(Kind::Stdin, ID, piece, out),
        }
    }
}

impl Message {
    /// The message of a call whose body has `length` bytes; `None` = it is not known yet.
    pub(crate) fn new(call: &Call, length: Option<u64>) -> Result<Self, ClientError> {
        match call.protocol {
            Protocol::Http => http(call, length),
            Protocol::Uwsgi if call.modifier1 == PING => Ok(ping(call)),
            Protocol::Uwsgi => packet(call, length),
            Protocol::Scgi => netstring(call, length),
            Protocol::Fastcgi => records(call, length),
        }
    }
}

fn unsendable(call: &Call, reason: &'static str) -> ClientError {
    ClientError::Unsendable { protocol: call.protocol.name(), reason }
}

fn pairs<V: AsRef<[u8]>>(list: &[(String, V)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    list.iter().map(|(name, value)| (name.as_bytes(), value.as_ref()))
}

fn has(list: &[(String, String)], name: &str) -> bool {
    list.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// What Host says when no field does.
fn host(call: &Call) -> String {
    match &call.address {
        Address::Tcp { host, port } => {
            let host = match host.as_str() {
                "" => "127.0.0.1".to_owned(),
                host if host.contains(':') => format!("[{host}]"),
                host => host.to_owned(),
            };
            if *port == 80 { host } else { format!("{host}:{port}") }
        }
        _ => "localhost".to_owned(),
    }
}

/// The call's fields and those that it leaves out.
fn fields(call: &Call, length: Option<u64>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| {
        if !has(&call.fields, name) {
            fields.push((name.to_owned(), value));
        }
    };
    add("Host", host(call));
    add("User-Agent", concat!("margrave/", env!("CARGO_PKG_VERSION")).to_owned());
    add("Accept", "*/*".to_owned());
    if length != Some(0) {
        add("Content-Type", "application/x-www-form-urlencoded".to_owned());
    }
    fields.extend(call.fields.iter().cloned());
    fields
}

fn http(call: &Call, length: Option<u64>) -> Result<Message, ClientError> {
    let mut fields = fields(call, length);
    let framed = has(&call.fields, "Content-Length") || has(&call.fields, "Transfer-Encoding");
    let mut framing = Framing::Plain;
    match length {
        _ if framed => {}
        // A method that means a body is to say that there is none (RFC 9110, 8.6).
        Some(0) if !matches!(call.method.as_str(), "POST" | "PUT" | "PATCH") => {}
        Some(length) => fields.push(("Content-Length".to_owned(), length.to_string())),
        None => {
            fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            framing = Framing::Chunks;
        }
    }
    if !has(&fields, "Connection") {
        fields.push(("Connection".to_owned(), "close".to_owned()));
    }
    let mut head = Vec::new();
    if !http1::encode_request(call.method.as_bytes(), call.target.as_bytes(), pairs(&fields), &mut head) {
        return Err(unsendable(
            call,
            "a method or field name is no token, or a part has a space or line end",
        ));
    }
    let lines = String::from_utf8_lossy(&head).lines().map(visible).collect();
    Ok(Message { head, lines, framing })
}

/// Names and values; a path may decode to any bytes.
type Variables = Vec<(String, Vec<u8>)>;

/// What a front server such as nginx makes of the same request.
fn variables(call: &Call, length: Option<u64>) -> Variables {
    let (path, query) = http1::path_info_and_query(call.target.as_bytes());
    let host = host(call);
    let (name, port) = match &call.address {
        Address::Tcp { port, .. } => (host.clone(), port.to_string()),
        _ => (host.clone(), "80".to_owned()),
    };
    let name = name.strip_suffix(&format!(":{port}")).unwrap_or(&name).to_owned();
    let body = length.filter(|&length| length > 0).map(|length| length.to_string()).unwrap_or_default();
    let mut found: Variables = [
        ("QUERY_STRING", query),
        ("REQUEST_METHOD", call.method.as_bytes()),
        ("CONTENT_TYPE", b""),
        ("CONTENT_LENGTH", body.as_bytes()),
        ("REQUEST_URI", call.target.as_bytes()),
        ("PATH_INFO", &path),
        ("SERVER_PROTOCOL", b"HTTP/1.1"),
        ("REQUEST_SCHEME", b"http"),
        ("REMOTE_ADDR", b"127.0.0.1"),
        ("REMOTE_PORT", b"0"),
        ("SERVER_NAME", name.as_bytes()),
        ("SERVER_PORT", port.as_bytes()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_vec()))
    .into();
    for (name, value) in fields(call, length) {
        let name = name.to_ascii_uppercase().replace('-', "_");
        match name.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => set(&mut found, name, value),
            _ => set(&mut found, format!("HTTP_{name}"), value),
        }
    }
    for (name, value) in &call.variables {
        set(&mut found, name.clone(), value.clone());
    }
    found
}

/// Sets a variable, in its place when it has one.
fn set(variables: &mut Variables, name: String, value: String) {
    match variables.iter_mut().find(|(found, _)| *found == name) {
        Some((_, old)) => *old = value.into_bytes(),
        None => variables.push((name, value.into_bytes())),
    }
}

fn listed(first: String, variables: &Variables) -> Vec<String> {
    let shown = variables
        .iter()
        .map(|(name, value)| format!("{} = {}", visible(name), visible(&String::from_utf8_lossy(value))));
    std::iter::once(first).chain(shown).collect()
}

fn ping(call: &Call) -> Message {
    let head = vec![PING, 0, 0, call.modifier2];
    let lines = vec![format!("a uwsgi packet: modifier1 {PING} (ping), modifier2 {}", call.modifier2)];
    Message { head, lines, framing: Framing::Plain }
}

fn packet(call: &Call, length: Option<u64>) -> Result<Message, ClientError> {
    let variables = variables(call, length);
    let mut head = Vec::new();
    if !uwsgi::encode(call.modifier1, call.modifier2, pairs(&variables), &mut head) {
        return Err(unsendable(
            call,
            "its variables have more than 65535 bytes; send fewer or shorter fields",
        ));
    }
    let first = format!(
        "a uwsgi packet: modifier1 {}, modifier2 {}, {} variables in {} bytes",
        call.modifier1,
        call.modifier2,
        variables.len(),
        head.len() - 4
    );
    Ok(Message { head, lines: listed(first, &variables), framing: Framing::Plain })
}

fn netstring(call: &Call, length: Option<u64>) -> Result<Message, ClientError> {
    let mut variables = variables(call, length);
    variables.retain(|(name, _)| name != "CONTENT_LENGTH" && name != "SCGI");
    let mut head = Vec::new();
    if !scgi::encode(length.unwrap_or(0), pairs(&variables), &mut head) {
        return Err(unsendable(call, "a name or value has a NUL"));
    }
    variables.insert(0, ("SCGI".to_owned(), b"1".to_vec()));
    variables.insert(0, ("CONTENT_LENGTH".to_owned(), length.unwrap_or(0).to_string().into_bytes()));
    let first = format!("an SCGI netstring: {} variables in {} bytes", variables.len(), head.len());
    Ok(Message { head, lines: listed(first, &variables), framing: Framing::Plain })
}

fn records(call: &Call, length: Option<u64>) -> Result<Message, ClientError> {
    let variables = variables(call, length);
    let (mut head, mut params) = (Vec::new(), Vec::new());
    fastcgi::encode_begin(ID, false, &mut head);
    for (name, value) in pairs(&variables) {
        fastcgi::encode_param(name, value, &mut params);
    }
    fastcgi::encode_stream(Kind::Params, ID, &params, &mut head);
    fastcgi::encode_stream_end(Kind::Params, ID, &mut head);
    let first = format!("PARAMS: {} variables in {} bytes", variables.len(), params.len());
    let mut lines = vec![format!("BEGIN_REQUEST: id {ID}, responder")];
    lines.extend(listed(first, &variables));
    Ok(Message { head, lines, framing: Framing::Records })
}

/// Text with what a terminal would obey spelled out.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use margrave_wire::{BodyDecoder, Decoded, Limits, Peer, Request};

    /// A call's message with the body `hello`, as this server's own decoders read it.
    fn decoded(protocol: &str, more: &str, length: Option<u64>) -> (Request, Vec<u8>) {
        let words = format!("--{protocol} 127.0.0.1:8000 /a%20b/../c?d=e -H X-Own:v -d hello {more}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let message = Message::new(&parse(&words).unwrap(), length).unwrap();
        let mut bytes = message.head;
        message.framing.encode(b"hello", &mut bytes);
        if message.framing != Framing::Plain {
            message.framing.encode(b"", &mut bytes);
        }
        let (limits, peer, mut request) = (Limits::default(), Peer::default(), Request::new());
        let used = match protocol {
            "http" => http1::decode(&bytes, &limits, &peer, &mut request).map(|found| match found {
                Decoded::Complete { used } => used,
                Decoded::Incomplete => 0,
            }),
            "uwsgi" => uwsgi::decode(&bytes, &limits, &peer, &mut request).map(|found| match found {
                uwsgi::Decoded::Request { used } => used,
                _ => 0,
            }),
            "scgi" => scgi::decode(&bytes, &limits, &peer, &mut request).map(|found| match found {
                Decoded::Complete { used } => used,
                Decoded::Incomplete => 0,
            }),
            _ => return records_of(&bytes),
        };
        let used = used.unwrap();
        assert!(used > 0, "the message is not complete");
        let body = BodyDecoder::new(request.body, &limits).decode(&bytes[used..]).unwrap();
        let body = bytes[used..][body.data].to_vec();
        (request, body)
    }

    fn records_of(bytes: &[u8]) -> (Request, Vec<u8>) {
        let mut decoder = fastcgi::Decoder::new(fastcgi::Capacity { connections: 1, requests: 1 });
        let mut request = Request::new();
        let head = decoder.head(bytes, &Limits::default(), &Peer::default(), &mut request).unwrap();
        let fastcgi::Head::Request { used } = head else { return (request, Vec::new()) };
        let fastcgi::Body::Step(step) = decoder.body(&bytes[used..]).unwrap() else {
            return (request, Vec::new());
        };
        let body = bytes[used..][step.data].to_vec();
        (request, body)
    }

    #[test]
    fn every_protocol_says_the_same() {
        for protocol in ["http", "uwsgi", "scgi", "fastcgi"] {
            let (request, body) = decoded(protocol, "", Some(5));
            assert_eq!(body, b"hello", "{protocol}");
            for (name, expected) in [
                ("REQUEST_METHOD", "POST"),
                ("REQUEST_URI", "/a%20b/../c?d=e"),
                ("PATH_INFO", "/c"),
                ("QUERY_STRING", "d=e"),
                ("CONTENT_LENGTH", "5"),
                ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
                ("HTTP_HOST", "127.0.0.1:8000"),
                ("HTTP_X_OWN", "v"),
            ] {
                let found = request.find(name.as_bytes()).map(String::from_utf8_lossy);
                assert_eq!(found.as_deref(), Some(expected), "{protocol}: {name}");
            }
        }
    }

    #[test]
    fn a_body_of_unknown_length_is_framed() {
        for protocol in ["http", "fastcgi"] {
            let (request, body) = decoded(protocol, "", None);
            assert_eq!(body, b"hello", "{protocol}");
            assert!(request.find(b"CONTENT_LENGTH").is_none_or(<[u8]>::is_empty), "{protocol}");
        }
    }

    #[test]
    fn variables_are_set_beside_and_instead_of_others() {
        for protocol in ["uwsgi", "scgi", "fastcgi"] {
            let more = "--var PATH_INFO=/other --var OWN= -H Content-Type:t/x";
            let (request, _) = decoded(protocol, more, Some(5));
            for (name, expected) in
                [("PATH_INFO", "/other"), ("OWN", ""), ("CONTENT_TYPE", "t/x"), ("QUERY_STRING", "d=e")]
            {
                assert_eq!(request.find(name.as_bytes()), Some(expected.as_bytes()), "{protocol}: {name}");
            }
            assert_eq!(request.vars().filter(|(name, _)| name.as_bytes() == b"PATH_INFO").count(), 1);
        }
    }

    #[test]
    fn what_a_protocol_cannot_carry_is_not_sent() {
        let call = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            Message::new(&parse(&words).unwrap(), Some(0)).map(|_| ())
        };
        let long = format!("X: {}", "v".repeat(70_000));
        for words in [
            &[":80", "/a b"][..],
            &[":80", "/", "-H", "X: a\r\nY: b"],
            &[":80", "/", "-X", "G T"],
            &["--uwsgi", ":80", "/", "-H", &long],
            &["--scgi", ":80", "/", "--var", "A=a\0b"],
        ] {
            let error = call(words).unwrap_err();
            assert!(matches!(error, ClientError::Unsendable { .. }), "{words:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(call(&["--fastcgi", ":80", "/", "-H", &long]).is_ok());
    }

    #[test]
    fn nothing_shown_moves_the_terminal() {
        assert_eq!(visible("a\u{1b}[31m\r\u{9b}\u{e9}"), "a\\u{1b}[31m\\r\\u{9b}\u{e9}");
    }
}
