//! Message channels between processes: SOCK_SEQPACKET sockets that carry packets and descriptors.
//!
//! Knows nothing of what a packet means (see `margrave-lifecycle`'s messages).

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most descriptors in one packet; the kernel's own bound is 253.
pub const MAX_DESCRIPTORS: usize = 250;

/// One end of a packet channel.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

/// A received packet: its length and the descriptors that came with it.
pub type Packet = (usize, Vec<OwnedFd>);

impl Channel {
    /// Two connected ends, close-on-exec, blocking.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { fd: a }, Self { fd: b }))
    }

    /// Makes this end return `WouldBlock` instead of waiting. The flag belongs to the open socket: everybody
    /// who holds this end sees it.
    ///
    /// # Errors
    /// When the descriptor is not usable.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.fd, true)?)
    }

    /// Sends one packet with descriptors beside it.
    ///
    /// # Errors
    /// `WouldBlock` when the peer's queue is full and this end does not wait; `BrokenPipe` when the peer has gone.
    pub fn send(&self, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one packet"));
        }
        let sent = rustix::io::retry_on_intr(|| {
            sendmsg(&self.fd, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)
        })?;
        if sent != packet.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "packet cut short"));
        }
        Ok(())
    }

    /// Receives one packet into `buffer`; `None` when the peer has closed its end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits and this end does not wait; `InvalidData` when the packet is longer than `buffer`.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Packet>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&self.fd, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                descriptors.extend(fds);
            }
        }
        if received.flags.contains(ReturnFlags::TRUNC) || received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "packet longer than its buffer"));
        }
        Ok((received.bytes > 0).then_some((received.bytes, descriptors)))
    }

    /// Ends sending on this end, for everybody who holds it: the peer reads what was sent, then the end.
    pub fn end_sending(&self) {
        // A peer that has gone already needs no telling.
        let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Write);
    }

    /// The descriptor itself, given away.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_borders_and_carry_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let (x, y) = Channel::pair().unwrap();
        a.send(b"one", &[x.as_fd()]).unwrap();
        a.send(b"two", &[]).unwrap();
        let mut buffer = [0; 16];
        let (length, mut fds) = b.recv(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..length], b"one");
        assert_eq!(fds.len(), 1);
        Channel::from(fds.remove(0)).send(b"through", &[]).unwrap();
        assert_eq!(b.recv(&mut buffer).unwrap().unwrap().0, 3);
        let (length, _) = y.recv(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..length], b"through");
    }

    #[test]
    fn a_closed_peer_reads_as_the_end() {
        let (a, b) = Channel::pair().unwrap();
        drop(a);
        assert!(b.recv(&mut [0; 4]).unwrap().is_none());
    }

    #[test]
    fn what_was_sent_before_the_end_is_read_and_nothing_follows() {
        let (a, b) = Channel::pair().unwrap();
        a.send(b"last", &[]).unwrap();
        a.end_sending();
        assert_eq!(a.send(b"late", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(b.recv(&mut [0; 8]).unwrap().unwrap().0, 4);
        assert!(b.recv(&mut [0; 8]).unwrap().is_none());
    }

    #[test]
    fn a_packet_longer_than_the_buffer_is_an_error() {
        let (a, b) = Channel::pair().unwrap();
        a.send(b"too long", &[]).unwrap();
        assert_eq!(b.recv(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
