//! How many connections wait to be accepted on a listener.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// Connections that wait, and how many may; zeroes for sockets that cannot tell (UNIX).
///
/// # Errors
/// When the descriptor is no TCP listener.
pub fn of(listener: impl AsFd) -> io::Result<(u32, u32)> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes into `info`, which was zeroed and is plain numbers.
    let info = unsafe {
        let fd = listener.as_fd().as_raw_fd();
        let result = libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        );
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        info.assume_init()
    };
    // On a listener these two fields mean the queue and its bound.
    Ok((info.tcpi_unacked, info.tcpi_sacked))
}

/// Connections that wait on the listener with most of them; none on those that cannot tell.
pub fn longest<F: AsFd>(listeners: impl Iterator<Item = F>) -> u32 {
    listeners.map(|listener| of(listener).map_or(0, |(waiting, _)| waiting)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_nobody_accepted_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The client may go on before the last packet of the handshake has been handled.
        while of(&listener).unwrap().0 == 0 {
            std::thread::yield_now();
        }
        let (queue, bound) = of(&listener).unwrap();
        assert_eq!(queue, 1);
        assert!(bound >= 1);
        let quiet = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(longest([&quiet, &listener].into_iter()), 1);
        assert_eq!(longest([&quiet].into_iter()), 0);
    }
}
