//! Texts inside the running executable: appended behind it, or sections of it.
//!
//! As uWSGI lays them out, so that its recipes work: `data://0` is the text appended last, each followed by its length in 8
//! bytes, little endian; `section://name` is an ELF section, as `objcopy --add-section` makes it.

use object::read::{Object as _, ObjectSection as _, ReadCache};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Bytes of the length behind each text.
const TRAILER: u64 = 8;

/// The text appended last but `place`.
///
/// # Errors
/// When the executable ends before it, or it is longer than `limit`.
pub fn appended(executable: &File, place: usize, limit: usize) -> io::Result<Vec<u8>> {
    let mut executable = executable;
    let mut end = executable.metadata()?.len();
    for later in (0..=place).rev() {
        let trailer = end.checked_sub(TRAILER).ok_or_else(nothing)?;
        let mut length = [0; TRAILER as usize];
        executable.seek(SeekFrom::Start(trailer))?;
        executable.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let start = trailer.checked_sub(length).ok_or_else(nothing)?;
        if later == 0 {
            let size = usize::try_from(length).ok().filter(|size| *size <= limit);
            let mut text = vec![0; size.ok_or(io::ErrorKind::FileTooLarge)?];
            executable.seek(SeekFrom::Start(start))?;
            executable.read_exact(&mut text)?;
            return Ok(text);
        }
        end = start;
    }
    Err(nothing())
}

fn nothing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the executable has no such text behind it")
}

/// A section of the executable.
///
/// # Errors
/// When there is none of that name, it is longer than `limit`, or the executable cannot be read.
pub fn section(executable: &File, name: &str, limit: usize) -> io::Result<Vec<u8>> {
    let cache = ReadCache::new(executable);
    let file = object::File::parse(&cache).map_err(io::Error::other)?;
    let section = file.section_by_name(name).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "the executable has no section of this name")
    })?;
    if section.size() > limit as u64 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    section.data().map(<[u8]>::to_vec).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn executable(texts: &[&str]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"\x7fELF").unwrap();
        for text in texts {
            file.write_all(text.as_bytes()).unwrap();
            file.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
        }
        file
    }

    #[test]
    fn appended_texts_are_counted_from_the_end() {
        let file = executable(&["first", "", "last"]);
        for (place, expected) in [(0, "last"), (1, ""), (2, "first")] {
            assert_eq!(appended(&file, place, 10).unwrap(), expected.as_bytes(), "{place}");
        }
    }

    #[test]
    fn what_is_not_there_or_too_long_is_an_error() {
        assert_eq!(appended(&executable(&["x"]), 3, 10).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(appended(&executable(&[]), 0, 10).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(appended(&executable(&["text"]), 0, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn sections_of_this_very_executable_are_found() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(!section(&file, ".shstrtab", 1 << 20).unwrap().is_empty());
        assert_eq!(section(&file, ".shstrtab", 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(section(&file, "margrave-none", 10).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
