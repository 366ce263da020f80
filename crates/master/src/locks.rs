//! The locks of the application (`uwsgi.lock`): one memory for all generations, because during a reload workers of two
//! must exclude each other.

use margrave_sys::lock::SharedLocks;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The locks of an instance.
#[derive(Debug, Default)]
pub struct Locks {
    made: Option<(usize, OwnedFd)>,
}

impl Locks {
    /// The memory of at least `count` locks. More than there have been make it anew: the generations before and after
    /// that reload do not exclude each other.
    ///
    /// # Errors
    /// When memory or descriptors are exhausted.
    pub fn at_least(&mut self, count: usize) -> io::Result<BorrowedFd<'_>> {
        let made = match self.made.take().filter(|(made, _)| *made >= count) {
            Some(made) => made,
            None => (count, SharedLocks::create(count)?.1),
        };
        let (_, fd) = &*self.made.insert(made);
        Ok(fd.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks(made: &mut Locks, count: usize) -> SharedLocks {
        SharedLocks::from_fd(made.at_least(count).unwrap(), count).unwrap()
    }

    #[test]
    fn generations_share_locks_unless_there_are_more_of_them() {
        let mut made = Locks::default();
        let first = locks(&mut made, 3);
        first.lock(0).unwrap();
        assert!(locks(&mut made, 3).is_locked(0).unwrap());
        assert!(locks(&mut made, 1).is_locked(0).unwrap());
        assert!(!locks(&mut made, 4).is_locked(0).unwrap());
    }
}
