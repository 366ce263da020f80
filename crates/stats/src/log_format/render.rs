//! Renders records.

use super::parse::{LogFormat, Number, Op, Program, Text};
use super::{Record, push_escaped, push_json};
use crate::date::{Civil, DateCache};
use crate::number::{push_number, push_padded, push_signed};
use alloc::vec::Vec;

impl LogFormat {
    /// Appends the line for `record`, with its line end.
    pub fn render(&self, record: &Record<'_>, dates: &mut DateCache, out: &mut Vec<u8>) {
        match &self.program {
            Program::Default { micros, memory_report } => {
                if *memory_report {
                    push_memory(record, out);
                }
                push_standard(record, *micros, dates, out);
            }
            Program::Ops(ops) => {
                for op in ops {
                    push_op(op, record, dates, out);
                }
            }
            Program::Json(ops) => {
                for (op, quoted) in ops {
                    push_json_op(op, *quoted, record, dates, out);
                }
            }
        }
        out.push(b'\n');
    }
}

fn push_memory(record: &Record<'_>, out: &mut Vec<u8>) {
    for (what, bytes) in [("{address space usage: ", record.vsz_bytes), ("{rss usage: ", record.rss_bytes)] {
        out.extend_from_slice(what.as_bytes());
        push_number(bytes, out);
        out.extend_from_slice(b" bytes/");
        push_number(bytes >> 20, out);
        out.extend_from_slice(b"MB} ");
    }
}

fn push_standard(record: &Record<'_>, micros: bool, dates: &mut DateCache, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[pid: ");
    push_signed(record.pid.into(), out);
    out.extend_from_slice(b"|app: ");
    push_signed(record.app.into(), out);
    out.extend_from_slice(b"|req: ");
    push_signed(record.app_requests, out);
    out.push(b'/');
    push_number(record.total_requests, out);
    out.extend_from_slice(b"] ");
    push_escaped(record.addr, out);
    out.extend_from_slice(b" (");
    push_escaped(record.user, out);
    out.extend_from_slice(b") {");
    push_number(record.vars as u64, out);
    out.extend_from_slice(b" vars in ");
    push_number(record.vars_bytes as u64, out);
    out.extend_from_slice(b" bytes} [");
    out.extend_from_slice(dates.ctime(record.start_seconds(), record.offset_seconds));
    out.extend_from_slice(b"] ");
    push_escaped(record.method, out);
    out.push(b' ');
    push_escaped(record.uri, out);
    out.extend_from_slice(b" => generated ");
    push_number(record.body_bytes, out);
    out.extend_from_slice(b" bytes in ");
    let (time, unit): (_, &[u8]) = match micros {
        true => (record.duration_micros, b" micros"),
        false => (record.duration_micros / 1000, b" msecs"),
    };
    push_number(time, out);
    out.extend_from_slice(unit);
    if record.via_sendfile {
        out.extend_from_slice(b" via sendfile()");
    }
    out.extend_from_slice(b" (");
    push_escaped(record.protocol, out);
    out.push(b' ');
    push_number(record.status.into(), out);
    out.extend_from_slice(b") ");
    push_number(record.headers as u64, out);
    out.extend_from_slice(b" headers in ");
    push_number(record.headers_bytes, out);
    out.extend_from_slice(b" bytes (");
    push_number(record.switches, out);
    out.extend_from_slice(b" switches on core ");
    push_number(record.core as u64, out);
    out.push(b')');
}

fn push_op(op: &Op, record: &Record<'_>, dates: &mut DateCache, out: &mut Vec<u8>) {
    let (start, offset) = (record.start_seconds(), record.offset_seconds);
    match op {
        Op::Literal(text) => out.extend_from_slice(text),
        Op::Strftime(pattern) => Civil::new(start, offset).push_strftime(pattern, out),
        Op::Text(text) => push_or_dash(Some(text_of(*text, record)), out),
        Op::Number(number) => push_signed(number_of(*number, record), out),
        Op::Secs => {
            push_number(record.duration_micros / 1_000_000, out);
            out.push(b'.');
            push_padded(record.duration_micros % 1_000_000, 6, b'0', out);
        }
        Op::Ctime => out.extend_from_slice(dates.ctime(start, offset)),
        Op::CommonLog => out.extend_from_slice(dates.common_log(start, offset)),
        Op::Ftime(pattern) => Civil::new(start, offset).push_strftime(pattern.as_bytes(), out),
        Op::Var(name) => push_or_dash(record.lookup.var(name), out),
        Op::Metric(name) => push_signed(record.lookup.metric(name).unwrap_or(0), out),
        Op::LogVariable(name) => push_or_dash(record.lookup.log_variable(name), out),
    }
}

/// A step of a JSON document: texts get quotes where they have none, and what is missing there is null.
fn push_json_op(op: &Op, quoted: bool, record: &Record<'_>, dates: &mut DateCache, out: &mut Vec<u8>) {
    let text = match op {
        Op::Literal(_) | Op::Strftime(_) | Op::Number(_) | Op::Secs | Op::Metric(_) => {
            return push_op(op, record, dates, out);
        }
        Op::Ctime | Op::CommonLog | Op::Ftime(_) => {
            out.extend_from_slice(if quoted { b"" } else { b"\"" });
            push_op(op, record, dates, out);
            out.extend_from_slice(if quoted { b"" } else { b"\"" });
            return;
        }
        Op::Text(text) => Some(text_of(*text, record)),
        Op::Var(name) => record.lookup.var(name),
        Op::LogVariable(name) => record.lookup.log_variable(name),
    };
    match text.filter(|text| !text.is_empty()) {
        None if quoted => out.push(b'-'),
        None => out.extend_from_slice(b"null"),
        Some(text) if quoted => push_json(text, out),
        Some(text) => {
            out.push(b'"');
            push_json(text, out);
            out.push(b'"');
        }
    }
}

fn push_or_dash(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        None | Some([]) => out.push(b'-'),
        Some(text) => push_escaped(text, out),
    }
}

fn text_of<'a>(text: Text, record: &Record<'a>) -> &'a [u8] {
    match text {
        Text::Uri => record.uri,
        Text::Method => record.method,
        Text::User => record.user,
        Text::Addr => record.addr,
        Text::Host => record.host,
        Text::Protocol => record.protocol,
        Text::UserAgent => record.user_agent,
        Text::Referer => record.referer,
    }
}

fn number_of(number: Number, record: &Record<'_>) -> i64 {
    (match number {
        Number::Pid => return record.pid.into(),
        Number::Status => record.status.into(),
        Number::BodyBytes => record.body_bytes,
        Number::HeadersBytes => record.headers_bytes,
        Number::Size => record.headers_bytes.saturating_add(record.body_bytes),
        Number::ContentLength => record.content_length,
        Number::Micros => record.duration_micros,
        Number::Millis => record.duration_micros / 1000,
        Number::StartMillis => record.start_unix_micros / 1000,
        Number::StartMicros => record.start_unix_micros,
        Number::Start => record.start_unix_micros / 1_000_000,
        Number::End => record.end_unix_micros / 1_000_000,
        Number::Worker => record.worker.into(),
        Number::Core => record.core as u64,
        Number::Switches => record.switches,
        Number::Vars => record.vars as u64,
        Number::Headers => record.headers as u64,
        Number::PacketSize => record.vars_bytes as u64,
        Number::Modifier1 => record.modifier1.into(),
        Number::Modifier2 => record.modifier2.into(),
        Number::Vsz => record.vsz_bytes,
        Number::Rss => record.rss_bytes,
        Number::VszMega => record.vsz_bytes >> 20,
        Number::RssMega => record.rss_bytes >> 20,
        Number::WriteErrors => record.write_errors,
        Number::ReadErrors => record.read_errors,
        Number::Errors => record.read_errors.saturating_add(record.write_errors),
    })
    .try_into()
    .unwrap_or(i64::MAX)
}
