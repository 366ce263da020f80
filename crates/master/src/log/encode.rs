//! What `log-encoder` makes of lines. As in uWSGI, an encoder sees the line with its end: `prefix` keeps it, `suffix`
//! goes behind it, `format` and `json` drop it unless they say `${msgnl}`, and `nl` adds one.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use margrave_config::settings::{LogEncoder, LogEncoding};
use margrave_stats::log_format::push_json;
use margrave_sys::clock;
use std::io::Write;
use std::time::Duration;

/// The encoders of one kind of lines, in order.
#[derive(Debug, Default)]
pub struct Encoders(Vec<Encoder>);

#[derive(Debug)]
struct Encoder {
    /// The named logger that it is for.
    logger: Option<String>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Template { parts: Vec<Part>, json: bool },
    Gzip,
    Compress,
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    /// `${msg}`
    Message,
    /// `${msgnl}`
    MessageAndEnd,
    /// `${unix}`
    Seconds,
    /// `${micros}`
    Micros,
    /// `${strftime:PATTERN}`
    Date(String),
}

impl Encoders {
    /// Compiles what the configuration says.
    #[must_use]
    pub fn new(settings: &[LogEncoder]) -> Self {
        let encoder = |setting: &LogEncoder| Encoder {
            logger: setting.logger.clone(),
            form: Form::new(&setting.encoding),
        };
        Self(settings.iter().map(encoder).collect())
    }

    /// Whether lines stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encodes a line, given with its end, for a logger.
    pub fn encode(&self, line: &mut Vec<u8>, logger: Option<&str>, now: Duration) {
        for encoder in &self.0 {
            if encoder.logger.is_none() || encoder.logger.as_deref() == logger {
                encoder.form.apply(line, now);
            }
        }
    }
}

impl Form {
    fn new(encoding: &LogEncoding) -> Self {
        match encoding {
            LogEncoding::Prefix(text) => Self::Prefix(text.clone().into_bytes()),
            LogEncoding::Suffix(text) => Self::Suffix(text.clone().into_bytes()),
            LogEncoding::Newline => Self::Suffix(b"\n".to_vec()),
            LogEncoding::Format(template) => Self::Template { parts: parse(template), json: false },
            LogEncoding::Json(template) => Self::Template { parts: parse(template), json: true },
            LogEncoding::Gzip => Self::Gzip,
            LogEncoding::Compress => Self::Compress,
        }
    }

    fn apply(&self, line: &mut Vec<u8>, now: Duration) {
        match self {
            Self::Prefix(text) => drop(line.splice(..0, text.iter().copied())),
            Self::Suffix(text) => line.extend_from_slice(text),
            Self::Template { parts, json } => *line = fill(parts, *json, line, now),
            Self::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::default());
                if let Ok(packed) = packed.write_all(line).and_then(|()| packed.finish()) {
                    *line = packed;
                }
            }
            Self::Compress => {
                let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
                if let Ok(packed) = packed.write_all(line).and_then(|()| packed.finish()) {
                    *line = packed;
                }
            }
        }
    }
}

fn fill(parts: &[Part], json: bool, line: &[u8], now: Duration) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 64);
    let message = line.strip_suffix(b"\n").unwrap_or(line);
    let push = |text: &[u8], out: &mut Vec<u8>| if json { push_json(text, out) } else { out.extend(text) };
    for part in parts {
        match part {
            Part::Literal(text) => out.extend_from_slice(text),
            Part::Message => push(message, &mut out),
            Part::MessageAndEnd => push(line, &mut out),
            Part::Seconds => out.extend(now.as_secs().to_string().bytes()),
            Part::Micros => out.extend(now.as_micros().to_string().bytes()),
            Part::Date(pattern) => {
                push(clock::format_local(pattern, now.as_secs()).as_bytes(), &mut out);
            }
        }
    }
    out
}

/// A template in pieces; a name that is none of ours stays as it is.
fn parse(template: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        literal.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            literal.push_str("${");
            rest = after;
            continue;
        };
        let part = match name {
            "msg" => Some(Part::Message),
            "msgnl" => Some(Part::MessageAndEnd),
            "unix" => Some(Part::Seconds),
            "micros" => Some(Part::Micros),
            _ => name.strip_prefix("strftime:").map(|pattern| Part::Date(pattern.to_owned())),
        };
        match part {
            Some(part) => {
                push_literal(&mut literal, &mut parts);
                parts.push(part);
            }
            None => literal.push_str(&format!("${{{name}}}")),
        }
        rest = tail;
    }
    literal.push_str(rest);
    push_literal(&mut literal, &mut parts);
    parts
}

fn push_literal(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn encoded(encodings: &[LogEncoding], line: &str) -> Vec<u8> {
        let all: Vec<LogEncoder> = encodings
            .iter()
            .map(|encoding| LogEncoder { logger: None, encoding: encoding.clone() })
            .collect();
        let mut line = format!("{line}\n").into_bytes();
        Encoders::new(&all).encode(&mut line, None, Duration::new(5, 7000));
        line
    }

    #[test]
    fn lines_become_what_uwsgi_makes_of_them() {
        use LogEncoding::{Format, Json, Newline, Prefix, Suffix};
        let text = String::from;
        for (encodings, expected) in [
            (vec![Prefix(text("A ")), Suffix(text("<<")), Prefix(text("B "))], "B A line\n<<"),
            (vec![Format(text("[${unix} ${micros}] ${msg}"))], "[5 5000007] line"),
            (vec![Format(text("${msg}")), Newline], "line\n"),
            (vec![Format(text("${msgnl}|"))], "line\n|"),
            (vec![Format(text("${nope} ${msg} ${"))], "${nope} line ${"),
            (
                vec![Json(text(r#"{"m":"${msg}","n":"${msgnl}"}"#)), Newline],
                "{\"m\":\"line\",\"n\":\"line\\n\"}\n",
            ),
        ] {
            assert_eq!(String::from_utf8(encoded(&encodings, "line")).unwrap(), expected);
        }
    }

    #[test]
    fn json_is_valid_whatever_the_line_holds() {
        let template = LogEncoding::Json(r#"{"m":"${msg}"}"#.to_owned());
        let line = encoded(&[template], "a\"b\\c\td\u{1b}[31m \u{2028}");
        let found: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(found["m"], "a\"b\\c\td\u{1b}[31m \u{2028}");
    }

    #[test]
    fn packed_lines_can_be_unpacked() {
        let packed = [encoded(&[LogEncoding::Gzip], "one"), encoded(&[LogEncoding::Gzip], "two")].concat();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        let packed = encoded(&[LogEncoding::Compress], "one");
        text.clear();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\n");
    }

    #[test]
    fn an_encoder_of_a_named_logger_leaves_others_alone() {
        let setting = LogEncoder { logger: Some("a".into()), encoding: LogEncoding::Prefix("P".into()) };
        let encoders = Encoders::new(&[setting]);
        for (logger, expected) in [(Some("a"), "Px"), (Some("b"), "x"), (None, "x")] {
            let mut line = b"x".to_vec();
            encoders.encode(&mut line, logger, Duration::ZERO);
            assert_eq!(line, expected.as_bytes());
        }
    }
}
