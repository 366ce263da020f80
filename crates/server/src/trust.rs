//! Whose forwarding fields (`X-Forwarded-Proto` and relatives) are believed: `forwarded-allow`.

use margrave_config::settings::Trust;
use margrave_sys::net::PeerAddress;
use std::net::IpAddr;

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
    fn nobody_means_not_even_a_unix_socket() {
        assert!(is_trusted(&Trust::Private, PeerAddress::Unix));
        assert!(!is_trusted(&Trust::Nobody, PeerAddress::Unix));
    }
}
