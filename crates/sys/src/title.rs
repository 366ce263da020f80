//! The name a process shows in `ps`: written over the memory of its arguments, which is the only place `ps` reads.

use std::ffi::CString;
use std::fs;
use std::sync::OnceLock;

/// The memory that holds the command line of this process.
#[derive(Clone, Copy, Debug)]
pub struct Title {
    start: usize,
    length: usize,
}

impl Title {
    /// Finds the memory of the command line. `None` when the system does not say where it is.
    #[must_use]
    pub fn find() -> Option<Self> {
        // Children have it where it is here.
        static FOUND: OnceLock<Option<Title>> = OnceLock::new();
        *FOUND.get_or_init(Self::ask)
    }

    fn ask() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold anything, so fields are counted after its last `)`: arg_start is field 48.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let (start, end) = (fields.get(45)?.parse::<usize>().ok()?, fields.get(46)?.parse::<usize>().ok()?);
        (start != 0 && end > start).then_some(Self { start, length: end - start })
    }

    /// Longest title in bytes; longer ones are cut.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.length - 1
    }

    /// Shows `text` instead of the command line, and its first 15 bytes as the name of the thread.
    pub fn set(&self, text: &str) {
        let shown = &text.as_bytes()[..text.len().min(self.capacity())];
        // SAFETY: the kernel laid out `length` writable bytes of arguments at `start` in this process, and they stay
        // mapped for its life. Nobody reads them as strings after start: Rust and Python copy their arguments.
        unsafe {
            let memory = std::slice::from_raw_parts_mut(self.start as *mut u8, self.length);
            memory.fill(0);
            memory[..shown.len()].copy_from_slice(shown);
        }
        let short: Vec<u8> = text.bytes().filter(|byte| *byte != 0).take(15).collect();
        if let Ok(short) = CString::new(short) {
            let _ = rustix::thread::set_name(&short);
        }
    }
}
