//! The one descriptor that this process was started with.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Becomes the owner of the inherited descriptor `number`; from now on it is closed on exec.
///
/// # Errors
/// The second time, for the standard streams, and when `number` is not open.
pub fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let copy = margrave_sys::file::duplicate(number)?;
    // SAFETY: open (it could be duplicated), inherited through exec for this purpose, and taken once: nobody else in
    // this process owns it. Dropped here, so that only the close-on-exec copy stays.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(copy.into())
}
