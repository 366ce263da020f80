//! The hops that a request came through, as proxies tell them: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Decoded, not believed: whoever sent the request can have written any of it. Which hops to believe is the caller's.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// One hop, as the proxy tells that was asked: by whom, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop<'a> {
    /// Who asked (`for`), see [`address`].
    pub node: &'a [u8],
    /// The scheme (`proto`); empty = not told.
    pub proto: &'a [u8],
}

/// The hops of a `Forwarded` field, the farthest first; `None` when it is malformed.
#[must_use]
pub fn forwarded(value: &[u8]) -> Option<Vec<Hop<'_>>> {
    let mut hops = Vec::new();
    for element in split(value, b',') {
        let element = element?;
        if !element.trim_ascii().is_empty() {
            hops.push(hop(element)?);
        }
    }
    Some(hops)
}

/// One element of `Forwarded`; each parameter may stand in it once.
fn hop(element: &[u8]) -> Option<Hop<'_>> {
    let mut hop = Hop::default();
    for pair in split(element, b';') {
        let pair = pair?.trim_ascii();
        if pair.is_empty() {
            continue;
        }
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        let told = if name.eq_ignore_ascii_case(b"for") {
            &mut hop.node
        } else if name.eq_ignore_ascii_case(b"proto") {
            &mut hop.proto
        } else {
            continue;
        };
        if !core::mem::replace(told, unquoted(value)?).is_empty() {
            return None;
        }
    }
    Some(hop)
}

/// The hops of an `X-Forwarded-For` field, the farthest first.
#[must_use]
pub fn x_forwarded_for(value: &[u8]) -> Vec<Hop<'_>> {
    let nodes = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    nodes.filter(|node| !node.is_empty()).map(|node| Hop { node, proto: b"" }).collect()
}

/// The address in a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`. `None` for `unknown`, for
/// names that hide it, and for what is none.
#[must_use]
pub fn address(node: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(node).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (IpAddr::from(host.parse::<Ipv6Addr>().ok()?), after.strip_prefix(':'))
        }
        None => {
            let (host, port) = text.split_once(':')?;
            (host.parse::<core::net::Ipv4Addr>().ok()?.into(), Some(port))
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() || port.starts_with('_');
    let bare = port.is_none() && text.ends_with(']');
    (bare || port.is_some_and(is_port)).then(|| host.to_canonical())
}

/// The parts between separators that do not stand in quotes; `None` for one whose quotes do not close.
fn split(value: &[u8], separator: u8) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(value);
    core::iter::from_fn(move || {
        let bytes = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, &byte) in bytes.iter().enumerate() {
            if core::mem::take(&mut escaped) {
                continue;
            }
            match byte {
                b'"' => quoted = !quoted,
                b'\\' => escaped = quoted,
                _ if byte == separator && !quoted => {
                    rest = Some(&bytes[at + 1..]);
                    return Some(Some(&bytes[..at]));
                }
                _ => {}
            }
        }
        Some((!quoted).then_some(bytes))
    })
}

/// A token, or what is in quotes; no address or scheme needs an escape.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    };
    (!inner.iter().any(|byte| matches!(byte, b'"' | b'\\'))).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    fn show(hops: Option<Vec<Hop<'_>>>) -> String {
        let Some(hops) = hops else { return "malformed".to_string() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown: Vec<String> =
            hops.iter().map(|hop| format!("{}/{}", text(hop.node), text(hop.proto))).collect();
        shown.join(" ")
    }

    #[test]
    fn hops_of_forwarded() {
        for (value, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60/http"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711/"),
            ("for=192.0.2.43, for=198.51.100.17", "192.0.2.43/ 198.51.100.17/"),
            ("for=a;PROTO=https,proto=http", "a/https /http"),
            ("for=_hidden;;proto=\"https\"", "_hidden/https"),
            ("by=\"a,b;c\";for=d", "d/"),
            ("by=\"a\\\",b;\";for=d", "d/"),
            ("", ""),
            (" , for=a ,,for=b,", "a/ b/"),
            ("for=a;for=b", "malformed"),
            ("for=a, for=b;proto=http;PROTO=https", "malformed"),
            ("for=\"open", "malformed"),
            ("for=\"open\\\"", "malformed"),
            ("for", "malformed"),
            ("for=\"a\\\"b\"", "malformed"),
        ] {
            assert_eq!(show(forwarded(value.as_bytes())), expected, "{value}");
        }
        assert_eq!(show(Some(x_forwarded_for(b"a, b ,c"))), "a/ b/ c/");
        assert_eq!(show(Some(x_forwarded_for(b",a,, b, "))), "a/ b/");
    }

    #[test]
    fn addresses_of_nodes() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("192.0.2.1:_port", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("[2001:db8::1]80", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:x", None),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            let found = address(node.as_bytes()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{node}");
        }
    }
}
