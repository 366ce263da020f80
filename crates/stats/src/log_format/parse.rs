//! Compiles formats.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// `%(isotime)`, which uWSGI has not.
const ISO_TIME: &str = "%Y-%m-%dT%H:%M:%S%z";

/// What else the options about logging say about the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatOptions<'a> {
    /// `log-date`: pattern of `%(ftime)`; `None` = as `%(ltime)`.
    pub date: Option<&'a str>,
    /// `logformat-strftime`: the format's own text is a strftime pattern too.
    pub strftime: bool,
    /// The format is a JSON document: values are escaped for it, and those outside of quotes get theirs.
    pub json: bool,
    /// `log-micros`: the default line gives microseconds.
    pub micros: bool,
    /// `memory-report`: the default line begins with the memory in use.
    pub memory_report: bool,
}

/// A compiled line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    pub(super) program: Program,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// uWSGI's own line.
    Default { micros: bool, memory_report: bool },
    /// A `log-format`.
    Ops(Vec<Op>),
    /// A `log-format` that is a JSON document: each step, and whether it stands within quotes.
    Json(Vec<(Op, bool)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Literal(Vec<u8>),
    /// A literal with strftime directives.
    Strftime(Vec<u8>),
    Text(Text),
    Number(Number),
    /// Seconds with six decimals.
    Secs,
    Ctime,
    CommonLog,
    /// `%(ftime)` with a pattern.
    Ftime(String),
    Var(Vec<u8>),
    Metric(Vec<u8>),
    LogVariable(Vec<u8>),
}

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $kind { $($variant,)* }
        impl $kind {
            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    /// Texts; `-` when empty.
    Text {
        Uri = "uri",
        Method = "method",
        User = "user",
        Addr = "addr",
        Host = "host",
        Protocol = "proto",
        UserAgent = "uagent",
        Referer = "referer",
    }
}

names! {
    /// Numbers.
    Number {
        Status = "status",
        BodyBytes = "rsize",
        HeadersBytes = "hsize",
        Size = "size",
        ContentLength = "cl",
        Micros = "micros",
        Millis = "msecs",
        StartMillis = "tmsecs",
        StartMicros = "tmicros",
        Start = "time",
        End = "epoch",
        Pid = "pid",
        Worker = "wid",
        Core = "core",
        Switches = "switches",
        Vars = "vars",
        Headers = "headers",
        PacketSize = "pktsize",
        Modifier1 = "modifier1",
        Modifier2 = "modifier2",
        Vsz = "vsz",
        Rss = "rss",
        VszMega = "vszM",
        RssMega = "rssM",
        WriteErrors = "werr",
        ReadErrors = "rerr",
        Errors = "ioerr",
    }
}

impl LogFormat {
    /// uWSGI's default line.
    #[must_use]
    pub fn standard(options: &FormatOptions<'_>) -> Self {
        let (micros, memory_report) = (options.micros, options.memory_report);
        Self { program: Program::Default { micros, memory_report } }
    }

    /// Compiles a `log-format`. Every text is one: a name that is none of uWSGI's is a variable of the application,
    /// and `%(` without an end, or around nothing, stays as it is.
    #[must_use]
    pub fn parse(format: &str, options: &FormatOptions<'_>) -> Self {
        let mut ops = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        while let Some(start) = rest.find("%(") {
            let (before, after) = rest.split_at(start);
            let Some((name, tail)) = after[2..].split_once(')') else { break };
            literal.push_str(before);
            if name.is_empty() {
                literal.push_str("%()");
            } else {
                push_literal(&mut literal, options, &mut ops);
                ops.push(op(name, options));
            }
            rest = tail;
        }
        literal.push_str(rest);
        push_literal(&mut literal, options, &mut ops);
        Self { program: if options.json { Program::Json(with_quotes(ops)) } else { Program::Ops(ops) } }
    }

    /// The line shows how much memory the worker uses, so somebody must look.
    #[must_use]
    pub fn needs_memory(&self) -> bool {
        match &self.program {
            Program::Default { memory_report, .. } => *memory_report,
            Program::Ops(ops) => ops.iter().any(shows_memory),
            Program::Json(ops) => ops.iter().any(|(op, _)| shows_memory(op)),
        }
    }
}

fn shows_memory(op: &Op) -> bool {
    let Op::Number(number) = op else { return false };
    matches!(number, Number::Rss | Number::Vsz | Number::RssMega | Number::VszMega)
}

/// Which steps stand within quotes of a JSON document.
fn with_quotes(ops: Vec<Op>) -> Vec<(Op, bool)> {
    let (mut quoted, mut escaped) = (false, false);
    let mut marked = Vec::with_capacity(ops.len());
    for op in ops {
        let before = quoted;
        if let Op::Literal(text) | Op::Strftime(text) = &op {
            for byte in text {
                quoted ^= *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
            }
        }
        marked.push((op, before));
    }
    marked
}

fn push_literal(literal: &mut String, options: &FormatOptions<'_>, ops: &mut Vec<Op>) {
    let text = core::mem::take(literal).into_bytes();
    match text.as_slice() {
        [] => {}
        text if options.strftime && text.contains(&b'%') => ops.push(Op::Strftime(text.to_vec())),
        _ => ops.push(Op::Literal(text)),
    }
}

fn op(name: &str, options: &FormatOptions<'_>) -> Op {
    if let Some(text) = Text::from_name(name) {
        return Op::Text(text);
    }
    if let Some(number) = Number::from_name(name) {
        return Op::Number(number);
    }
    match (name, options.date) {
        ("secs", _) => Op::Secs,
        ("isotime", _) => Op::Ftime(ISO_TIME.to_owned()),
        ("ctime", _) => Op::Ctime,
        ("ltime", _) | ("ftime", None) => Op::CommonLog,
        ("ftime", Some(pattern)) => Op::Ftime(pattern.to_owned()),
        _ => {
            if let Some(name) = name.strip_prefix("var.") {
                Op::Var(name.into())
            } else if let Some(name) = name.strip_prefix("metric.") {
                Op::Metric(name.into())
            } else {
                Op::LogVariable(name.into())
            }
        }
    }
}
