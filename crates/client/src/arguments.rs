//! The arguments of `margrave request`, which are curl's where curl has them.

use crate::ClientError;
use margrave_config::{parse_address, settings::Address};
use std::path::PathBuf;
use std::time::Duration;

/// Shown when the arguments are wrong.
pub const USAGE: &str = "usage: margrave request [--http|--uwsgi|--fastcgi|--scgi] ADDRESS PATH [-X METHOD] [-H 'Name: value']... \
     [-d DATA|@FILE|-] [--var NAME=VALUE]... [--modifier1 N] [--modifier2 N] [--timeout SECONDS] [-i] [-v] [-f]";

/// Time for the whole exchange where `--timeout` does not say another.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One request to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What to speak.
    pub protocol: Protocol,
    /// Whom to.
    pub address: Address,
    /// The same as written.
    pub address_text: String,
    /// Path and query, as they are to be sent.
    pub target: String,
    /// The method.
    pub method: String,
    /// Fields, in order.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub data: Data,
    /// Variables to set beside or instead of those made of the rest; not for HTTP.
    pub variables: Vec<(String, String)>,
    /// uwsgi's.
    pub modifier1: u8,
    /// uwsgi's.
    pub modifier2: u8,
    /// For the whole exchange.
    pub timeout: Duration,
    /// The answer's head is wanted too.
    pub shows_head: bool,
    /// The exchange is wanted too.
    pub shows_exchange: bool,
    /// A status from 400 on is an error.
    pub fails: bool,
}

/// What to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    Http,
    /// uwsgi
    Uwsgi,
    /// FastCGI, to a responder
    Fastcgi,
    /// SCGI
    Scgi,
}

impl Protocol {
    /// As the standard writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Uwsgi => "uwsgi",
            Self::Fastcgi => "FastCGI",
            Self::Scgi => "SCGI",
        }
    }
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is none.
    None,
    /// This text.
    Text(String),
    /// What is in a file.
    File(PathBuf),
    /// What comes on standard input.
    Input,
}

/// Reads the arguments behind `margrave request`.
///
/// # Errors
/// When they are wrong, in one sentence.
pub fn parse(arguments: &[String]) -> Result<Call, ClientError> {
    let mut given = Given::default();
    let mut rest = arguments.iter().map(String::as_str);
    let mut positional = Vec::new();
    while let Some(argument) = rest.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if argument.starts_with("--") => (name, Some(value)),
            _ => (argument, None),
        };
        match name {
            "--" => positional.extend(rest.by_ref()),
            _ if !argument.starts_with('-') || argument == "-" => positional.push(argument),
            _ if given.flag(name) => {}
            _ => {
                // `-X POST` and `-XPOST`, `--var A=b` and `--var=A=b`
                let (name, value) = match value {
                    None if !name.starts_with("--") && name.len() > 2 && name.is_char_boundary(2) => {
                        (&name[..2], Some(&name[2..]))
                    }
                    value => (name, value),
                };
                let value = match value.or_else(|| if takes_value(name) { rest.next() } else { None }) {
                    Some(value) => value,
                    None if takes_value(name) => return Err(usage(format!("{name} needs a value"))),
                    None => return Err(usage(format!("request has no option {name}"))),
                };
                given.option(name, value)?;
            }
        }
    }
    match positional[..] {
        [address, target] => given.call(address, target),
        [_] => Err(usage("the path is missing".to_owned())),
        [] => Err(usage("the address and the path are missing".to_owned())),
        [_, _, more, ..] => Err(usage(format!("`{more}` is one argument too many"))),
    }
}

fn usage(problem: String) -> ClientError {
    ClientError::Usage(format!("{problem}; {USAGE}"))
}

fn takes_value(name: &str) -> bool {
    matches!(
        name,
        "-X" | "--request"
            | "-H"
            | "--header"
            | "-d"
            | "--data"
            | "--var"
            | "--modifier1"
            | "--modifier2"
            | "--timeout"
            | "-m"
    )
}

/// What was given, before it is known whether it makes sense together.
#[derive(Default)]
struct Given {
    protocol: Option<Protocol>,
    method: Option<String>,
    fields: Vec<(String, String)>,
    data: Option<Data>,
    variables: Vec<(String, String)>,
    modifier1: Option<u8>,
    modifier2: Option<u8>,
    timeout: Option<Duration>,
    shows_head: bool,
    shows_exchange: bool,
    fails: bool,
}

impl Given {
    /// Takes an option without a value; says whether it is one.
    fn flag(&mut self, name: &str) -> bool {
        match name {
            "--http" => self.protocol = Some(Protocol::Http),
            "--uwsgi" => self.protocol = Some(Protocol::Uwsgi),
            "--fastcgi" => self.protocol = Some(Protocol::Fastcgi),
            "--scgi" => self.protocol = Some(Protocol::Scgi),
            "-i" | "--include" => self.shows_head = true,
            "-v" | "--verbose" => self.shows_exchange = true,
            "-f" | "--fail" => self.fails = true,
            "-I" | "--head" => {
                self.method = Some("HEAD".to_owned());
                self.shows_head = true;
            }
            _ => return false,
        }
        true
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), ClientError> {
        match name {
            "-X" | "--request" => self.method = Some(value.to_owned()),
            "-H" | "--header" => {
                let (field, text) = value
                    .split_once(':')
                    .ok_or_else(|| usage(format!("-H `{value}` is no field; write -H 'Name: value'")))?;
                self.fields.push((field.to_owned(), text.trim().to_owned()));
            }
            "-d" | "--data" => self.data = Some(data(value)),
            "--var" => {
                let (variable, text) = value.split_once('=').ok_or_else(|| {
                    usage(format!("--var `{value}` is no variable; write --var NAME=VALUE"))
                })?;
                self.variables.push((variable.to_owned(), text.to_owned()));
            }
            "--modifier1" => self.modifier1 = Some(modifier(name, value)?),
            "--modifier2" => self.modifier2 = Some(modifier(name, value)?),
            "--timeout" | "-m" => {
                let seconds: f64 = value.parse().unwrap_or(0.0);
                let timeout = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                if timeout.is_zero() {
                    return Err(usage(format!("--timeout `{value}` is no number of seconds")));
                }
                self.timeout = Some(timeout);
            }
            _ => return Err(usage(format!("request has no option {name}"))),
        }
        Ok(())
    }

    fn call(self, address: &str, target: &str) -> Result<Call, ClientError> {
        let protocol = self.protocol.unwrap_or(Protocol::Http);
        if protocol == Protocol::Http && !self.variables.is_empty() {
            return Err(usage("--var is for uwsgi, FastCGI and SCGI; HTTP has fields: -H".to_owned()));
        }
        if protocol != Protocol::Uwsgi && (self.modifier1.is_some() || self.modifier2.is_some()) {
            return Err(usage("modifiers are uwsgi's; add --uwsgi".to_owned()));
        }
        let data = self.data.unwrap_or(Data::None);
        let method = if data == Data::None { "GET" } else { "POST" };
        Ok(Call {
            protocol,
            address: parse_address(address).map_err(usage)?,
            address_text: address.to_owned(),
            target: target.to_owned(),
            method: self.method.unwrap_or_else(|| method.to_owned()),
            fields: self.fields,
            data,
            variables: self.variables,
            modifier1: self.modifier1.unwrap_or(0),
            modifier2: self.modifier2.unwrap_or(0),
            timeout: self.timeout.unwrap_or(TIMEOUT),
            shows_head: self.shows_head,
            shows_exchange: self.shows_exchange,
            fails: self.fails,
        })
    }
}

fn data(value: &str) -> Data {
    match value.strip_prefix('@') {
        _ if value == "-" => Data::Input,
        Some("-") => Data::Input,
        Some(path) => Data::File(PathBuf::from(path)),
        None => Data::Text(value.to_owned()),
    }
}

fn modifier(name: &str, value: &str) -> Result<u8, ClientError> {
    value.parse().map_err(|_| usage(format!("{name} `{value}` is no number from 0 to 255")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_those_of_curl() {
        let call = parse(&words("127.0.0.1:80 /a?b")).unwrap();
        assert_eq!((call.protocol, call.method.as_str()), (Protocol::Http, "GET"));
        assert_eq!((call.target.as_str(), call.timeout), ("/a?b", TIMEOUT));
        let call = parse(&words(
            "-v --uwsgi @name / -XPUT -H X:y --var=A=b=c --var D= -d @f --timeout 1.5 --modifier1 30",
        ))
        .unwrap();
        assert_eq!((call.protocol, call.method.as_str()), (Protocol::Uwsgi, "PUT"));
        assert_eq!(call.address, Address::Abstract("name".into()));
        assert_eq!(call.fields, [("X".to_owned(), "y".to_owned())]);
        assert_eq!(call.variables, [("A".to_owned(), "b=c".to_owned()), ("D".to_owned(), String::new())]);
        assert_eq!(call.data, Data::File("f".into()));
        assert_eq!((call.timeout, call.modifier1), (Duration::from_millis(1500), 30));
        assert!(call.shows_exchange && !call.shows_head);
        let call = parse(&words("-d - -I -f -- [::1]:80 /")).unwrap();
        assert_eq!((call.data, call.method.as_str(), call.fails), (Data::Input, "HEAD", true));
        assert_eq!(parse(&words("-d x :80 /")).unwrap().method, "POST");
    }

    #[test]
    fn wrong_arguments_are_told_in_a_sentence() {
        for (arguments, expected) in [
            ("", "the address and the path are missing; usage: "),
            (":80", "the path is missing; usage: "),
            (":80 / x", "`x` is one argument too many; usage: "),
            (":80 / --nothing", "request has no option --nothing; usage: "),
            (":80 / -Z", "request has no option -Z; usage: "),
            (":80 / -H", "-H needs a value; usage: "),
            (":80 / -H x", "-H `x` is no field; "),
            (":80 / --var x --uwsgi", "--var `x` is no variable; "),
            (":80 / --var A=b", "--var is for uwsgi, FastCGI and SCGI; "),
            (":80 / --modifier1 5", "modifiers are uwsgi's; "),
            (":80 / --uwsgi --modifier1 256", "--modifier1 `256` is no number from 0 to 255; "),
            (":80 / --timeout 0", "--timeout `0` is no number of seconds; "),
            (":x /", "`x`"),
        ] {
            let error = parse(&words(arguments)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.starts_with(expected) || text.contains(expected), "{arguments}: {text}");
        }
    }
}
