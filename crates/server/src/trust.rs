//! Whose forwarding fields (`X-Forwarded-Proto` and relatives) are believed: `forwarded-allow`.
//!
//! A field is believed of a trusted peer. A list of hops is believed from its near end on, as long as each hop came
//! from a trusted address: what a client wrote into the far end of it changes nothing. `REMOTE_ADDR` stays what uWSGI
//! makes it, the peer or what the front server says, unless `forwarded-remote-addr` asks for the client.

use crate::site::Site;
use margrave_config::settings::Trust;
use margrave_sys::net::PeerAddress;
use margrave_wire::forwarded::{self, Hop};
use margrave_wire::{Known, Request};
use std::net::{IpAddr, SocketAddr};

impl Site {
    /// Takes over what trusted proxies say of the client, beyond the fields that speak for themselves.
    #[inline]
    pub(crate) fn believe_hops(&self, request: &mut Request) {
        let is_told = request.var(Known::HttpForwarded).is_some()
            || self.http.forwarded_remote_addr && request.var(Known::HttpXForwardedFor).is_some();
        if is_told && request.is_trusted() {
            self.follow_hops(request);
        }
    }

    #[cold]
    fn follow_hops(&self, request: &mut Request) {
        let value = |known| request.var(known).filter(|value| !value.is_empty());
        let nearest = forwarded::address(request.var(Known::RemoteAddr).unwrap_or_default());
        let hops = value(Known::HttpForwarded).and_then(forwarded::forwarded).unwrap_or_default();
        let told = follow(&self.http.forwarded_allow, nearest, &hops);
        let https = told.proto.map(|proto| proto.eq_ignore_ascii_case(b"https"));
        let named = match value(Known::HttpXForwardedFor) {
            Some(list) => {
                follow(&self.http.forwarded_allow, nearest, &forwarded::x_forwarded_for(list)).client
            }
            None => told.client,
        };
        let client = named.map(|address| address.to_string());
        request.set_forwarded(https, client.as_deref().map(str::as_bytes));
        if let (true, Some(client)) = (self.http.forwarded_remote_addr, client) {
            request.set(Known::RemoteAddr, client.as_bytes());
            // It is the proxy's.
            request.remove(Known::RemotePort.name().as_bytes());
        }
    }
}

/// What believed hops say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told<'a> {
    client: Option<IpAddr>,
    proto: Option<&'a [u8]>,
}

/// Goes from hop to hop, away from us, while who tells is trusted. `nearest` has connected to us or to the front
/// server, which is trusted; `None` = by a UNIX socket.
fn follow<'a>(trust: &Trust, nearest: Option<IpAddr>, hops: &[Hop<'a>]) -> Told<'a> {
    let mut told = Told::default();
    let mut teller = nearest.map_or(PeerAddress::Unix, |ip| PeerAddress::Ip(SocketAddr::new(ip, 0)));
    for hop in hops.iter().rev() {
        if !is_trusted(trust, teller) {
            break;
        }
        if !hop.proto.is_empty() {
            told.proto = Some(hop.proto);
        }
        let Some(address) = forwarded::address(hop.node) else { break };
        told.client = Some(address);
        teller = PeerAddress::Ip(SocketAddr::new(address, 0));
    }
    told
}

/// Whether `peer` may tell us about the client behind it.
pub(crate) fn is_trusted(trust: &Trust, peer: PeerAddress) -> bool {
    let PeerAddress::Ip(address) = peer else { return *trust != Trust::Nobody };
    let ip = address.ip().to_canonical();
    match trust {
        Trust::Everyone => true,
        Trust::Nobody => false,
        Trust::Private => is_private(ip),
        Trust::Networks(networks) => networks.iter().any(|&(network, prefix)| contains(network, prefix, ip)),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let rest = 32 - u32::from(prefix.min(32));
            u32::from(network).checked_shr(rest).unwrap_or(0) == u32::from(ip).checked_shr(rest).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let rest = 128 - u32::from(prefix.min(128));
            u128::from(network).checked_shr(rest).unwrap_or(0)
                == u128::from(ip).checked_shr(rest).unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(trust: &Trust, peer: &str, expected: bool) {
        let address = PeerAddress::Ip(std::net::SocketAddr::new(peer.parse().unwrap(), 1));
        assert_eq!(is_trusted(trust, address), expected, "{trust:?} {peer}");
    }

    #[test]
    fn private_ranges_are_believed_by_default_and_the_world_is_not() {
        for peer in
            ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.5.4", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            check(&Trust::Private, peer, true);
        }
        for peer in ["8.8.8.8", "172.32.0.1", "2001:db8::1"] {
            check(&Trust::Private, peer, false);
        }
    }

    #[test]
    fn networks_match_by_prefix() {
        let trust =
            Trust::Networks(vec![("203.0.113.0".parse().unwrap(), 24), ("2001:db8::".parse().unwrap(), 32)]);
        check(&trust, "203.0.113.77", true);
        check(&trust, "203.0.114.1", false);
        check(&trust, "2001:db8:1::5", true);
        check(&trust, "127.0.0.1", false);
        check(&Trust::Networks(vec![("0.0.0.0".parse().unwrap(), 0)]), "8.8.8.8", true);
    }

    #[test]
    fn hops_are_believed_from_the_near_end_on() {
        let check = |nearest: &str, value: &str, expected: &str| {
            let hops = forwarded::forwarded(value.as_bytes()).unwrap();
            let told = follow(&Trust::Private, nearest.parse().ok(), &hops);
            let client = told.client.map_or("-".to_owned(), |client| client.to_string());
            let proto = told.proto.map_or("-".into(), String::from_utf8_lossy);
            assert_eq!(format!("{client} {proto}"), expected, "{nearest} {value}");
        };
        check("127.0.0.1", "for=8.8.8.8;proto=https", "8.8.8.8 https");
        check("9.9.9.9", "for=8.8.8.8;proto=https", "- -");
        check("10.0.0.1", "for=1.1.1.1;proto=https, for=8.8.8.8;proto=http", "8.8.8.8 http");
        check("10.0.0.1", "for=1.1.1.1;proto=https, for=10.0.0.2;proto=http", "1.1.1.1 https");
        check("10.0.0.1", "for=1.1.1.1, for=unknown;proto=http", "- http");
        check("unix", "for=8.8.8.8", "8.8.8.8 -");
        check("10.0.0.1", "for=10.0.0.3, for=10.0.0.2", "10.0.0.3 -");
    }

    #[test]
    fn nobody_means_not_even_a_unix_socket() {
        assert!(is_trusted(&Trust::Private, PeerAddress::Unix));
        assert!(!is_trusted(&Trust::Nobody, PeerAddress::Unix));
    }
}
