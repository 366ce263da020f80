//! The PROXY protocol: a balancer's word for whom a connection comes from.
//!
//! Only peers that `forwarded-allow` believes are asked; what the others send for a header is a bad request. A header
//! may be missing, as in uWSGI, since a believed peer could name any client in its fields as well.

use crate::connection::Peer;
use crate::reactor::Reactor;
use margrave_sys::net::PeerAddress;
use margrave_wire::proxy_protocol::{Decoded, Source, decode};
use std::net::SocketAddr;

impl Reactor {
    /// Looks for a header where a connection begins, then goes on to its first request.
    pub(crate) fn feed_proxy(&mut self, slot: usize, bytes: &[u8]) {
        let connection = &mut self.connections[slot];
        connection.input.extend_from_slice(bytes);
        let (used, client) = match decode(&connection.input, self.site.limits.head) {
            Ok(Decoded::Incomplete) => return self.note_head(slot),
            Ok(Decoded::Absent) => (0, None),
            Ok(Decoded::Complete { used, source: Source::Tcp { source, .. } }) => (used, Some(source)),
            Ok(Decoded::Complete { used, source: Source::Connection | Source::Unix }) => (used, None),
            Err(error) => return self.refuse(slot, &error),
        };
        let input = std::mem::take(&mut connection.input);
        connection.awaits_proxy = false;
        connection.head_began &= used == 0;
        self.name_client(slot, client);
        if used < input.len() {
            self.feed(slot, &input[used..]);
        }
    }

    /// From here on the connection is the client's, in what its requests show and in how far it is believed.
    pub(crate) fn name_client(&mut self, slot: usize, client: Option<SocketAddr>) {
        let Some(client) = client else { return };
        let address = PeerAddress::Ip(client);
        let peer = Peer::new(address, self.site.trusts(address));
        let connection = &mut self.connections[slot];
        connection.awaits_proxy = false;
        connection.client = Some(client);
        connection.peer = peer;
    }
}
