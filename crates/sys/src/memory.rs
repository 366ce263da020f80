//! Pages that a process has had and does not need any more.

use crate::thread;
use rustix::mm::{Advice, madvise};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

/// Lets go of the pages of files that are mapped here for reading only, such as the code of libraries: they stay in the kernel's
/// cache, and what is touched again is mapped again from there. A process that has done its work and only waits holds on to
/// nothing then but what it has changed.
///
/// A process with threads that are not Margrave's keeps its pages: they could put other mappings in the place of these meanwhile.
/// So does one that cannot read `/proc`.
pub fn release_files() {
    let _ = release_clean();
}

/// Gives the bytes of the mappings whose pages are gone.
fn release_clean() -> io::Result<usize> {
    if thread::all().iter().any(|(id, name)| *id != thread::id() && !name.starts_with(thread::OURS)) {
        return Ok(0);
    }
    let mut released = 0;
    for mapping in clean_mappings(BufReader::new(File::open("/proc/self/smaps")?))? {
        // SAFETY: this thread has unmapped nothing since the mappings were read, and our threads unmap no files. Without pages of
        // its own a private mapping of a file reads the same after this as before.
        let gone = unsafe { madvise(mapping.start as *mut _, mapping.len(), Advice::LinuxDontNeed) };
        // Locked memory stays.
        released += if gone.is_ok() { mapping.len() } else { 0 };
    }
    Ok(released)
}

/// The mappings of files, private and for reading only, in which this process has never written, from the text of
/// [`smaps`](https://docs.kernel.org/filesystems/proc.html). What it has written may have been swapped out since.
fn clean_mappings(text: impl BufRead) -> io::Result<Vec<Range<usize>>> {
    let mut clean = Vec::new();
    let mut is_candidate = false;
    for line in text.lines() {
        let line = line?;
        match line.split_once(':') {
            Some(("Anonymous" | "Swap", size)) => {
                if size.trim() != "0 kB" && std::mem::take(&mut is_candidate) {
                    clean.pop();
                }
            }
            _ => {
                if let Some((range, is_clean)) = head(&line) {
                    is_candidate = is_clean;
                    clean.extend(is_clean.then_some(range));
                }
            }
        }
    }
    Ok(clean)
}

/// `start-end perms offset device inode path`: the range, and whether it is of a file, private, and for reading only.
fn head(line: &str) -> Option<(Range<usize>, bool)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let permissions = words.next()?;
    let inode = words.nth(2)?;
    Some((range, permissions.starts_with("r-") && permissions.ends_with('p') && inode != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
55e0c0000000-55e0c0002000 r--p 00000000 fe:00 1234                       /usr/bin/a
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd
55e0c0002000-55e0c0004000 r-xp 00002000 fe:00 1234                       /usr/bin/a (deleted)
Anonymous:             0 kB
55e0c0004000-55e0c0005000 r--p 00004000 fe:00 1234                       /usr/bin/a
Anonymous:             4 kB
55e0c0006000-55e0c0007000 r--p 00006000 fe:00 1234                       /usr/bin/a
Anonymous:             0 kB
Swap:                  4 kB
SwapPss:               0 kB
55e0c0007000-55e0c0008000 rw-p 00005000 fe:00 1234                       /usr/bin/a
Anonymous:             0 kB
55e0c1000000-55e0c1021000 r--p 00000000 00:00 0                          [heap]
Anonymous:             0 kB
7f0000000000-7f0000001000 r--s 00000000 00:01 77                         /memfd:board (deleted)
Anonymous:             0 kB
7f0000001000-7f0000002000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_what_comes_from_a_file_and_was_never_written_to_is_let_go_of() {
        let clean = clean_mappings(TEXT.as_bytes()).unwrap();
        assert_eq!(clean, [0x55e0_c000_0000..0x55e0_c000_2000, 0x55e0_c000_2000..0x55e0_c000_4000]);
    }

    #[test]
    fn a_process_with_threads_of_others_keeps_its_pages() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let other = std::thread::Builder::new().name("an-application".into()).spawn(move || stopped.recv());
        assert_eq!(release_clean().unwrap(), 0);
        drop(stop);
        let _ = other.unwrap().join();
    }
}
