//! How much memory this process has, as the kernel counts it.

use std::io;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident set.
    pub resident: u64,
    /// Address space.
    pub virtual_size: u64,
}

/// The memory of the calling process.
///
/// # Errors
/// When `/proc` is not there.
pub fn memory() -> io::Result<Memory> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let page = rustix::param::page_size() as u64;
    let mut pages = text.split_ascii_whitespace().map(|number| number.parse::<u64>().unwrap_or(0) * page);
    let virtual_size = pages.next().unwrap_or(0);
    Ok(Memory { virtual_size, resident: pages.next().unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_more_address_space() {
        let memory = memory().unwrap();
        assert!(memory.resident > 0 && memory.virtual_size >= memory.resident);
    }
}
