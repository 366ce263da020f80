//! Texts to typed values, leniently where uWSGI is lenient, and saying so.

use crate::options::Kind;
use crate::pattern;
use crate::settings::Address;
use std::path::PathBuf;
use std::time::Duration;

/// Words that turn a flag off; everything else, also nothing, turns it on.
const OFF: [&str; 4] = ["false", "off", "no", "0"];

/// Words that people write to turn a flag on.
const ON: [&str; 8] = ["true", "on", "yes", "1", "", "y", "t", "enable"];

/// The warning for an option without its value.
pub const EMPTY: &str = "the value is empty, so the option has no effect; write a value or remove it";

/// Whether a flag with this value is on.
pub fn truth(value: &str) -> bool {
    !OFF.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a flag's value is one of the words that people write for on and off.
pub fn is_truth_word(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    OFF.contains(&value.as_str())
        || ON.contains(&value.as_str())
        || value.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number at the beginning as `strtol` reads it, and the text behind it; `None` when there is no digit.
pub fn leading_number(text: &str) -> (Option<i64>, &str) {
    let text = text.trim_start();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return (None, text);
    }
    let end = text.len() - unsigned.len() + digits;
    let number = text[..end].parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX });
    (Some(number), &text[end..])
}

/// A whole number from 0, and a warning when something stands behind it.
///
/// # Errors
/// What is wrong and what to do.
pub fn whole_number(text: &str) -> Result<(u64, Option<String>), String> {
    let (number, rest) = leading_number(text);
    let Some(number) = number else {
        return Err(match text {
            "" => "a number is missing; write one behind `=`".to_owned(),
            quoted if quoted.starts_with(['"', '\'']) => format!("{quoted} is no number; remove the quotes"),
            unset if unset.contains("$(") => format!(
                "`{unset}` is no number; set the environment variable, or give a default as $(NAME:-4)"
            ),
            unset if unset.contains("%(") => format!("`{unset}` is no number; define the placeholder"),
            other => format!("`{other}` is no number; write a whole number"),
        });
    };
    if number == i64::MAX {
        return Err(format!("`{text}` is too large; write a smaller number"));
    }
    let number = u64::try_from(number).map_err(|_| format!("`{text}` is negative; write 0 or more"))?;
    Ok((number, trailing(&number.to_string(), rest)))
}

/// A number of mebibytes as bytes; with a decimal point it may be broken.
///
/// # Errors
/// What is wrong and what to do.
pub fn megabytes(text: &str) -> Result<(u64, Option<String>), String> {
    const MEBIBYTE: u64 = 1 << 20;
    let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    match text[..length].parse::<f64>() {
        Ok(number) if text[..length].contains('.') => {
            let bytes = number * MEBIBYTE as f64;
            Ok((bytes as u64, trailing(&text[..length], &text[length..])))
        }
        _ => {
            let (number, note) = whole_number(text)?;
            let is_unit = matches!(text[length..].trim().to_ascii_lowercase().as_str(), "m" | "mb" | "mib");
            Ok((number.saturating_mul(MEBIBYTE), note.filter(|_| !is_unit)))
        }
    }
}

/// A time such as `5`, `0.5`, `20ms`, `500us`; a bare number counts seconds.
///
/// # Errors
/// What is wrong and what to do.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write seconds such as 5 or 0.5, or 20ms, or 500us");
    let (number, unit) = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)]
        .into_iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))
        .unwrap_or((text, 1.0));
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
}

/// Permission bits in octal, and a warning when something stands behind them.
///
/// # Errors
/// What is wrong and what to do.
pub fn mode(text: &str) -> Result<(u32, Option<String>), String> {
    let (digits, rest) = without_comment(text.strip_prefix("0o").unwrap_or(text));
    let is_octal = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_octal => Ok((mode, trailing(digits, rest))),
        _ => Err(format!("`{text}` is no mode; write three octal digits such as 660")),
    }
}

/// A socket address: `host:port`, `:port`, `[v6]:port`, a path, `@name`, `\0name`.
///
/// # Errors
/// What is wrong and what to do.
pub fn address(text: &str) -> Result<(Address, Option<String>), String> {
    let (plain, comment) = without_comment(text);
    let (plain, comment) = match plain.split_once([' ', '\t']) {
        // `:1717 --stats-http`: uWSGI reads the port as far as it goes.
        Some((first, _)) if ends_in_port(first) => (first, &text[first.len()..]),
        _ => (plain, comment),
    };
    match parse_address(plain)? {
        // uWSGI stops reading at the end of the port; a path goes on to the end of the line.
        address @ Address::Tcp { .. } => Ok((address, trailing(plain, comment))),
        _ => Ok((parse_address(text)?, comment_in_value(comment))),
    }
}

fn ends_in_port(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|_| !text.starts_with(['/', '.', '@'])).map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address without anything behind it.
///
/// # Errors
/// What is wrong and what to do.
pub fn parse_address(text: &str) -> Result<Address, String> {
    if text.is_empty() {
        return Err("an address is missing; write host:port, :port, or a path".to_owned());
    }
    if let Some(number) = text.strip_prefix('=') {
        return Err(format!(
            "`={number}` is a shared socket, which only options of sockets to listen on take; write the address itself"
        ));
    }
    if text.starts_with("fd://") {
        return Err(format!(
            "`{text}` names an inherited socket, which is not built yet; write the address itself"
        ));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!(
            "`{text}` is a URL; leave `{scheme}://` out and write `{}`",
            rest.trim_end_matches('/')
        ));
    }
    // Both spellings are uWSGI's; the second is a backslash and a zero.
    if let Some(name) = text.strip_prefix('@').or_else(|| text.strip_prefix("\\0")) {
        return Ok(Address::Abstract(name.to_owned()));
    }
    if text.starts_with(['/', '.']) {
        return Ok(Address::Unix(PathBuf::from(text)));
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return Err(format!("`unix:` is how nginx writes paths; write `{path}`"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Ok(Address::Unix(PathBuf::from(text)));
    };
    if host.contains(',') {
        return Err(format!("`{text}` names more than one address; write the option once for each"));
    }
    let port = tcp_port(port, text)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6,
        None if host.contains(':') => {
            return Err(format!("`{text}` is ambiguous; write IPv6 addresses as [::1]:8000"));
        }
        None if host == "*" => "",
        None => host,
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

fn tcp_port(port: &str, text: &str) -> Result<u16, String> {
    let wrong = || match port {
        _ if text.starts_with(['"', '\'']) => format!("{text} has quotes; remove them"),
        unset if unset.contains("$(") || text.contains("$(") => {
            format!("`{text}` has no port; set the environment variable, or give a default as $(PORT:-8000)")
        }
        unset if unset.contains("%(") => format!("`{text}` has no port; define the placeholder"),
        shell if shell.starts_with('$') => {
            let name = shell.trim_matches(['$', '{', '}']);
            format!("`{shell}` is no port; environment variables are written as $({name})")
        }
        "" => format!("`{text}` has no port; write one behind the colon"),
        _ => format!("`{port}` is no port; write a number from 0 to 65535"),
    };
    port.trim().parse().map_err(|_| wrong())
}

/// What is wrong with a text for a value of some kind; nothing is wrong with what is read as far as it goes.
///
/// # Errors
/// What is wrong and what to do.
pub fn check_kind(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Flag | Kind::Text | Kind::Path => Ok(()),
        Kind::Integer | Kind::Bytes | Kind::Seconds | Kind::Milliseconds => whole_number(text).map(drop),
        Kind::Megabytes => megabytes(text).map(drop),
        Kind::Signed => signed_number(text).map(drop),
        Kind::Duration => duration(text).map(drop),
        // `=N` stands for the address of a shared socket, which only the whole configuration knows.
        Kind::Address if text.starts_with('=') => Ok(()),
        Kind::Address => address(text).map(drop),
        Kind::Mode if matches!(text, "" | "true") => Ok(()),
        Kind::Mode => mode(text).map(drop),
        Kind::KeyValue => match text.split_once('=') {
            Some((name, _)) if !name.trim().is_empty() => Ok(()),
            _ => Err(format!("`{text}` has no `=`; write it as name=value")),
        },
        Kind::Regex => pattern::check(text),
        Kind::User => is_account(without_comment(text).0)
            .then_some(())
            .ok_or_else(|| format!("`{text}` is no user or group; write one name or number")),
        Kind::Owner => {
            let plain = without_comment(text).0;
            let (user, group) = plain.split_once([':', ' ']).unwrap_or((plain, "0"));
            (is_account(user) && is_account(group))
                .then_some(())
                .ok_or_else(|| format!("`{text}` is no owner; write user or user:group"))
        }
        Kind::Choice(words) => words.contains(&without_comment(text).0).then_some(()).ok_or_else(|| {
            format!("`{text}` is none of the words for it; write one of {}", words.join(", "))
        }),
        Kind::Module => check_module(text),
        Kind::Name => {
            let plain = without_comment(text).0;
            let is_name = !plain.is_empty() && !plain.contains(char::is_whitespace);
            is_name.then_some(()).ok_or_else(|| format!("`{text}` is no name; write one word"))
        }
    }
}

fn is_account(text: &str) -> bool {
    !text.is_empty() && !text.contains(|character: char| character.is_whitespace() || character == ':')
}

/// `package.module`, `package.module:object` or a call; also the name of a file, which the reader warns of.
fn check_module(text: &str) -> Result<(), String> {
    let (plain, _) = without_comment(text);
    let module = plain.split_once(':').map_or(plain, |(module, _)| module);
    let is_module = !module.is_empty() && !module.contains(char::is_whitespace);
    is_module
        .then_some(())
        .ok_or_else(|| format!("`{text}` is no application; write package.module or package.module:callable"))
}

/// A whole number that may be negative, and a warning when something stands behind it.
///
/// # Errors
/// What is wrong and what to do.
pub fn signed_number(text: &str) -> Result<(i64, Option<String>), String> {
    let (number, rest) = leading_number(text);
    let number = number.ok_or_else(|| format!("`{text}` is no number; write a whole number such as -5"))?;
    Ok((number, trailing(&number.to_string(), rest)))
}

/// The number that somebody means who writes a unit behind it.
pub fn with_unit(text: &str) -> Option<u64> {
    let (number, rest) = leading_number(text);
    let number = u64::try_from(number?).ok()?;
    Some(number.saturating_mul(factor(rest.trim())?))
}

/// What stands between quotes, when a whole text is quoted.
pub fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| {
        let inner = text.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then_some(inner)
    })
}

/// The warning for a comment that is part of a value.
pub fn comment_in_value(comment: &str) -> Option<String> {
    let comment = comment.trim();
    (!comment.is_empty())
        .then(|| format!("`{comment}` is part of the value; put the comment on a line of its own"))
}

/// A text and the comment behind it, if there is one.
pub fn without_comment(text: &str) -> (&str, &str) {
    match [" ;", "\t;", " #", "\t#"].iter().filter_map(|mark| text.find(mark)).min() {
        Some(at) => (text[..at].trim_end(), &text[at..]),
        None => (text, ""),
    }
}

/// What stands behind a value that has ended, as a warning.
fn trailing(read: &str, rest: &str) -> Option<String> {
    let rest = rest.trim();
    let advice = match rest {
        "" => return None,
        comment if comment.starts_with([';', '#']) => "put the comment on a line of its own".to_owned(),
        unit => match factor(unit) {
            Some(factor) => {
                let meant = read.parse::<u64>().unwrap_or(0).saturating_mul(factor);
                format!("units are not understood, write {meant} if that is meant")
            }
            None => "remove the rest".to_owned(),
        },
    };
    Some(format!("only {read} is read, `{rest}` behind it is not; {advice}"))
}

fn factor(unit: &str) -> Option<u64> {
    match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_off_for_four_words_only() {
        for (value, on) in [
            ("", true),
            ("true", true),
            ("FALSE", false),
            ("off", false),
            ("0", false),
            ("No", false),
            ("false ; x", true),
        ] {
            assert_eq!(truth(value), on, "{value}");
        }
    }

    #[test]
    fn numbers_keep_what_uwsgi_reads() {
        for (text, number, note) in [
            ("4", 4, ""),
            (" 4", 4, ""),
            ("2 ; two", 2, "only 2 is read, `; two` behind it is not; put the comment on a line of its own"),
            ("32k", 32, "write 32768 if that is meant"),
            ("10 workers", 10, "remove the rest"),
        ] {
            let (found, said) = whole_number(text).unwrap();
            assert_eq!(found, number, "{text}");
            assert!(said.as_deref().unwrap_or_default().contains(note), "{text}: {said:?}");
        }
        for (text, message) in [
            ("", "missing"),
            ("abc", "`abc` is no number"),
            ("-1", "negative"),
            ("\"4\"", "remove the quotes"),
            ("$(N)", "set the environment variable"),
        ] {
            assert!(whole_number(text).unwrap_err().contains(message), "{text}");
        }
    }

    #[test]
    fn megabytes_may_be_broken_and_have_their_unit() {
        assert_eq!(megabytes("1.5"), Ok((1_572_864, None)));
        assert_eq!(megabytes("512M"), Ok((512 << 20, None)));
        assert!(megabytes("1G").unwrap().1.is_some());
        assert!(megabytes("x").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("500us"), Ok(Duration::from_micros(500)));
        assert!(duration("soon").is_err() && duration("-1").is_err());
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("660"), Ok((0o660, None)));
        assert_eq!(mode("0022"), Ok((0o22, None)));
        assert!(mode("668").is_err() && mode("").is_err() && mode("rw-rw----").is_err());
    }

    #[test]
    fn addresses_are_understood() {
        let tcp = |host: &str, port| Ok(Address::Tcp { host: host.to_owned(), port });
        let address = |text: &str| address(text).map(|(address, _)| address);
        assert_eq!(address("127.0.0.1:80"), tcp("127.0.0.1", 80));
        assert_eq!(address(":0"), tcp("", 0));
        assert_eq!(address("[::1]:80"), tcp("::1", 80));
        assert_eq!(address("*:80"), tcp("", 80));
        assert_eq!(address("/run/a:b.sock"), Ok(Address::Unix("/run/a:b.sock".into())));
        assert_eq!(address("my.sock"), Ok(Address::Unix("my.sock".into())));
        for name in ["@name", "\\0name"] {
            assert_eq!(address(name), Ok(Address::Abstract("name".to_owned())), "{name}");
        }
        for (text, message) in [
            ("", "missing"),
            ("=0", "is a shared socket"),
            ("::1:80", "[::1]"),
            ("localhost:http", "no port"),
            ("unix:/run/x.sock", "write `/run/x.sock`"),
            (":${PORT}", "written as $(PORT)"),
            (":$PORT", "written as $(PORT)"),
            (":$(PORT)", "set the environment variable"),
            ("\":80\"", "remove them"),
            ("http://localhost:80/", "write `localhost:80`"),
            (":99999", "from 0 to 65535"),
        ] {
            let error = address(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
