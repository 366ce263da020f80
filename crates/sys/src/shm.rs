//! Anonymous shared memory: words that several processes count in, and read-only blobs handed to a child.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

/// A shared array of 64-bit words, zero at first. Stays mapped as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub struct SharedWords {
    words: &'static [AtomicU64],
}

impl SharedWords {
    /// Makes a memfd of `words` words and maps it; the descriptor is what another process maps with [`Self::from_fd`].
    ///
    /// # Errors
    /// When memory or descriptors are exhausted.
    pub fn create(words: usize) -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create("margrave-scoreboard", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, byte_length(words)? as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
        Ok((Self::from_fd(fd.as_fd(), words)?, fd))
    }

    /// Maps `words` words of a memfd that [`Self::create`] made.
    ///
    /// # Errors
    /// When the memfd is smaller than that, or cannot be mapped.
    pub fn from_fd(fd: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        let length = byte_length(words)?;
        if rustix::fs::fstat(fd)?.st_size < length as i64 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "shared memory smaller than its layout"));
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours.
        let start = unsafe {
            mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0)?
        };
        // SAFETY: the mapping is `length` bytes, page-aligned, zero or written by atomics only, is never unmapped,
        // and the memfd is sealed against shrinking, so the words stay valid for the life of the process.
        let words = unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), words) };
        Ok(Self { words })
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &'static [AtomicU64] {
        self.words
    }
}

fn byte_length(words: usize) -> io::Result<usize> {
    words
        .max(1)
        .checked_mul(size_of::<AtomicU64>())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "shared memory too large"))
}

/// An empty file in memory that inherits to nobody.
///
/// # Errors
/// When memory or descriptors are exhausted.
pub fn memory_file(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

/// A sealed memfd that holds `content`, positioned at its start.
///
/// # Errors
/// When memory or descriptors are exhausted.
pub fn memfd_with(content: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create("margrave-settings", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(content)?;
    let fd = OwnedFd::from(file);
    rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(0))?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::atomic::Ordering;

    #[test]
    fn two_mappings_see_the_same_words() {
        let (ours, fd) = SharedWords::create(10).unwrap();
        let theirs = SharedWords::from_fd(fd.as_fd(), 10).unwrap();
        ours.words()[9].store(7, Ordering::Relaxed);
        assert_eq!(theirs.words()[9].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_layout_larger_than_the_memory_is_refused() {
        let (_, fd) = SharedWords::create(10).unwrap();
        assert!(SharedWords::from_fd(fd.as_fd(), 100_000).is_err());
    }

    #[test]
    fn a_blob_reads_back_from_its_start() {
        let mut text = String::new();
        File::from(memfd_with(b"settings").unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "settings");
    }
}
