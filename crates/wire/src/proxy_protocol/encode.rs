//! Encodes headers: for balancers and tests.

use super::Source;
use super::decode::{HEADER, SIGNATURE};
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// Encodes the line of version 1, which knows no UNIX sockets: of those it says UNKNOWN.
pub fn encode_v1(source: Source, out: &mut Vec<u8>) {
    let line = match source {
        Source::Connection | Source::Unix => "PROXY UNKNOWN\r\n".into(),
        Source::Tcp { source, destination } => {
            let ports = format!("{} {}", source.port(), destination.port());
            match (source.ip(), destination.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => format!("PROXY TCP4 {from} {to} {ports}\r\n"),
                (from, to) => format!("PROXY TCP6 {} {} {ports}\r\n", v6(from), v6(to)),
            }
        }
    };
    out.extend_from_slice(line.as_bytes());
}

/// Encodes the header of version 2, with `values` (types, lengths and values) behind the addresses.
pub fn encode_v2(source: Source, values: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    match source {
        Source::Connection => out.extend_from_slice(&[0x20, 0x00, 0, 0]),
        Source::Unix => {
            out.extend_from_slice(&[0x21, 0x31, 0, 0]);
            out.resize(out.len() + 216, 0);
        }
        Source::Tcp { source, destination } => {
            match (source.ip(), destination.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    out.extend_from_slice(&[0x21, 0x11, 0, 0]);
                    out.extend_from_slice(&from.octets());
                    out.extend_from_slice(&to.octets());
                }
                (from, to) => {
                    out.extend_from_slice(&[0x21, 0x21, 0, 0]);
                    out.extend_from_slice(&v6(from).octets());
                    out.extend_from_slice(&v6(to).octets());
                }
            }
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&destination.port().to_be_bytes());
        }
    }
    out.extend_from_slice(values);
    let length = u16::try_from(out.len() - start - HEADER).unwrap_or(u16::MAX);
    out.truncate(start + HEADER + usize::from(length));
    out[start + 14..start + HEADER].copy_from_slice(&length.to_be_bytes());
}

/// Addresses of two families are written as those of IPv6.
fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
