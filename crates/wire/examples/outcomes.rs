//! What the HTTP/1 decoders make of connections, for `fuzz/differential.py`.
//!
//! Reads from standard input, for each connection, its length (32 bits, little-endian) and its bytes; writes for each
//! one line of tab-separated parts: its requests in order, and how it ends (`incomplete`, or status and fault).
//! A request is method, target, version, `keep` or `close`, body and variables, all but the fourth in hexadecimal, separated
//! by spaces.

use margrave_wire::{BodyDecoder, Decoded, Known, Limits, Peer, Request, Version, http1};
use std::fmt::Write as _;
use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::BufWriter::new(io::stdout().lock()));
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        writeln!(output, "{}", outcome(&bytes))?;
    }
    output.flush()
}

fn outcome(mut input: &[u8]) -> String {
    let (limits, peer) = (Limits::default(), Peer { underscore_fields: false, ..Peer::default() });
    let mut parts = Vec::new();
    loop {
        let mut request = Request::new();
        match http1::decode(input, &limits, &peer, &mut request) {
            Ok(Decoded::Incomplete) => return end(parts, "incomplete".into()),
            Err(error) => return end(parts, format!("{} {:?}", error.status(), error.fault)),
            Ok(Decoded::Complete { used }) => input = &input[used..],
        }
        let (mut body, mut decoder) = (Vec::new(), BodyDecoder::new(request.body, &limits));
        while !decoder.is_done() {
            match decoder.decode(input) {
                Err(error) => return end(parts, format!("{} {:?}", error.status(), error.fault)),
                Ok(step) if step.used == 0 && !step.done => return end(parts, "incomplete".into()),
                Ok(step) => {
                    body.extend_from_slice(&input[step.data]);
                    input = &input[step.used..];
                }
            }
        }
        parts.push(shown(&request, &body));
        if !request.keep_alive {
            return end(parts, "closed".into());
        }
    }
}

fn end(mut parts: Vec<String>, end: String) -> String {
    parts.push(end);
    parts.join("\t")
}

fn shown(request: &Request, body: &[u8]) -> String {
    let var = |known| hex(request.var(known).unwrap_or_default());
    let version = if request.version == Version::Http10 { "1.0" } else { "1.1" };
    let keep = if request.keep_alive { "keep" } else { "close" };
    let fields: Vec<String> =
        request.vars().map(|(name, value)| format!("{}={}", hex(name.as_bytes()), hex(value))).collect();
    format!(
        "{} {} {version} {keep} {} {}",
        var(Known::RequestMethod),
        var(Known::RequestUri),
        hex(body),
        fields.join(",")
    )
}

/// Hexadecimal; `-` for nothing, so that parts can be told apart.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
