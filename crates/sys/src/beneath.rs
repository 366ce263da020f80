//! Opening files below a directory and nowhere else, whatever the path says (openat2(2), RESOLVE_BENEATH).

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A directory below which files are opened.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens the directory; links on the way to it are followed.
    ///
    /// # Errors
    /// When it is no directory or cannot be searched.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: openat(CWD, path, flags, Mode::empty())? })
    }

    /// Opens a file for reading. `..` and links may be used inside the directory, but never lead out of it.
    /// Devices and FIFOs do not block.
    ///
    /// # Errors
    /// When there is no such file, it may not be read, or the path leaves the directory.
    pub fn open_file(&self, relative: &Path) -> io::Result<File> {
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(File::from(rustix::io::retry_on_intr(|| {
            openat2(&self.fd, relative, flags, Mode::empty(), resolve)
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_never_leads_out_of_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("in"), "in").unwrap();
        fs::write(folder.path().join("out"), "out").unwrap();
        symlink("../in", root.join("sub/link-in")).unwrap();
        symlink("../../out", root.join("sub/link-out")).unwrap();
        symlink(folder.path().join("out"), root.join("absolute-out")).unwrap();
        let opened = Root::open(&root).unwrap();
        for good in ["in", "sub/../in", "sub/link-in"] {
            assert!(opened.open_file(Path::new(good)).is_ok(), "{good}");
        }
        for bad in ["../out", "sub/../../out", "sub/link-out", "absolute-out", "/etc/passwd", "missing"] {
            assert!(opened.open_file(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
