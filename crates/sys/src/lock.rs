//! Locks between processes that a killed holder cannot leave locked: robust mutexes in shared memory.
//!
//! The memory is a descriptor, so that processes that do not descend from each other can share it. A lock is not
//! re-entrant; its owner is a thread.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::cell::UnsafeCell;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

/// A fixed number of locks shared by all processes that map them.
#[derive(Debug)]
pub struct SharedLocks {
    locks: NonNull<UnsafeCell<libc::pthread_mutex_t>>,
    count: usize,
}

// SAFETY: the memory lives as long as the process, and mutexes are made to be used from every thread and process.
unsafe impl Send for SharedLocks {}
// SAFETY: as above.
unsafe impl Sync for SharedLocks {}

impl SharedLocks {
    /// Makes `count` locks, all free; the descriptor is what another process maps with [`Self::from_fd`].
    ///
    /// # Errors
    /// When the system has no memory to share.
    pub fn create(count: usize) -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create("margrave-locks", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, byte_length(count)? as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
        let shared = Self::from_fd(fd.as_fd(), count)?;
        for index in 0..count {
            shared.initialize(index)?;
        }
        Ok((shared, fd))
    }

    /// Maps `count` locks that [`Self::create`] made. They stay mapped as long as the process lives.
    ///
    /// # Errors
    /// When there are fewer, or the memory cannot be mapped.
    pub fn from_fd(fd: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let length = byte_length(count)?;
        if fstat(fd)?.st_size < length as i64 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "fewer locks than asked for"));
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let memory = unsafe {
            mmap(ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0)?
        };
        let locks = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { locks, count })
    }

    fn initialize(&self, index: usize) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        // SAFETY: the attributes are initialized first and destroyed last; the mutex memory is zeroed, ours, and
        // used by nobody before `create` returns.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()))?;
            let result = check(libc::pthread_mutexattr_setpshared(
                attributes.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            ))
            .and_then(|()| {
                check(libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST))
            })
            .and_then(|()| check(libc::pthread_mutex_init(self.mutex(index), attributes.as_ptr())));
            libc::pthread_mutexattr_destroy(attributes.as_mut_ptr());
            result
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn mutex(&self, index: usize) -> *mut libc::pthread_mutex_t {
        assert!(index < self.count, "invariant: callers check the number of a lock");
        // SAFETY: within the mapping, by the assertion.
        unsafe { UnsafeCell::raw_get(self.locks.as_ptr().add(index)) }
    }

    /// Waits for a lock and takes it. One whose holder died counts as free.
    ///
    /// # Errors
    /// When this thread holds it already and the system notices.
    pub fn lock(&self, index: usize) -> io::Result<()> {
        // SAFETY: an initialized mutex in memory that is never unmapped.
        match unsafe { libc::pthread_mutex_lock(self.mutex(index)) } {
            libc::EOWNERDEAD => self.recover(index),
            code => check(code),
        }
    }

    /// Takes a lock if it is free; says whether it did.
    ///
    /// # Errors
    /// When the lock is unusable.
    pub fn try_lock(&self, index: usize) -> io::Result<bool> {
        // SAFETY: as in `lock`.
        match unsafe { libc::pthread_mutex_trylock(self.mutex(index)) } {
            libc::EBUSY => Ok(false),
            libc::EOWNERDEAD => self.recover(index).map(|()| true),
            code => check(code).map(|()| true),
        }
    }

    fn recover(&self, index: usize) -> io::Result<()> {
        // SAFETY: as in `lock`; EOWNERDEAD made this thread the owner, which may declare the lock sound: it
        // protects no data of ours.
        check(unsafe { libc::pthread_mutex_consistent(self.mutex(index)) })
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// `PermissionDenied` when this thread does not hold it.
    pub fn unlock(&self, index: usize) -> io::Result<()> {
        // SAFETY: as in `lock`; a robust mutex checks its owner.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex(index)) })
    }

    /// Whether somebody holds a lock at this moment.
    ///
    /// # Errors
    /// When the lock is unusable.
    pub fn is_locked(&self, index: usize) -> io::Result<bool> {
        if self.try_lock(index)? {
            self.unlock(index)?;
            return Ok(false);
        }
        Ok(true)
    }
}

fn byte_length(count: usize) -> io::Result<usize> {
    let bytes = count.max(1).checked_mul(size_of::<libc::pthread_mutex_t>());
    bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too many locks"))
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    #[test]
    fn a_held_lock_is_seen_and_waited_for() {
        let locks = Arc::new(SharedLocks::create(2).unwrap().0);
        locks.lock(1).unwrap();
        let (sender, receiver) = channel();
        let other = {
            let locks = Arc::clone(&locks);
            std::thread::spawn(move || {
                assert!(locks.is_locked(1).unwrap());
                assert!(!locks.is_locked(0).unwrap());
                sender.send(()).unwrap();
                locks.lock(1).unwrap();
                locks.unlock(1).unwrap();
            })
        };
        receiver.recv().unwrap();
        locks.unlock(1).unwrap();
        other.join().unwrap();
    }

    #[test]
    fn a_lock_whose_holder_died_is_free() {
        let locks = Arc::new(SharedLocks::create(1).unwrap().0);
        let holder = Arc::clone(&locks);
        std::thread::spawn(move || holder.lock(0).unwrap()).join().unwrap();
        locks.lock(0).unwrap();
        locks.unlock(0).unwrap();
        assert!(!locks.is_locked(0).unwrap());
    }

    #[test]
    fn two_mappings_have_the_same_locks() {
        let (ours, fd) = SharedLocks::create(2).unwrap();
        let theirs = SharedLocks::from_fd(fd.as_fd(), 2).unwrap();
        ours.lock(1).unwrap();
        assert_eq!([theirs.is_locked(0).unwrap(), theirs.is_locked(1).unwrap()], [false, true]);
        ours.unlock(1).unwrap();
        assert!(!theirs.is_locked(1).unwrap());
        assert!(SharedLocks::from_fd(fd.as_fd(), 1000).is_err());
    }

    #[test]
    fn a_lock_is_given_back_only_by_its_owner() {
        let locks = Arc::new(SharedLocks::create(1).unwrap().0);
        assert_eq!(locks.unlock(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
