//! Opening files below a directory and nowhere else, whatever the path says (openat2(2), RESOLVE_BENEATH).

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// For reading, without waiting for the other end of a FIFO and without becoming a terminal's process.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);

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
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::io::retry_on_intr(|| openat2(&self.fd, relative, READ, Mode::empty(), resolve));
        match opened {
            // Kernels before 5.6, and filters of system calls that do not know it.
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(relative),
            opened => Ok(File::from(opened?)),
        }
    }

    /// The same without the kernel's help: one directory at a time, and through no link at all.
    fn open_step_by_step(&self, relative: &Path) -> io::Result<File> {
        let mut opened: Vec<OwnedFd> = Vec::new();
        let mut steps = relative.components().peekable();
        while let Some(step) = steps.next() {
            let here = opened.last().unwrap_or(&self.fd);
            match step {
                Component::CurDir => {}
                Component::ParentDir => drop(opened.pop().ok_or(Errno::XDEV)?),
                Component::Normal(name) if steps.peek().is_some() => {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    opened.push(openat(here, name, flags, Mode::empty())?);
                }
                Component::Normal(name) => {
                    return Ok(File::from(openat(here, name, READ | OFlags::NOFOLLOW, Mode::empty())?));
                }
                Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV.into()),
            }
        }
        Ok(File::from(openat(opened.last().unwrap_or(&self.fd), ".", READ, Mode::empty())?))
    }
}

/// Opens a file that the operator named, for reading; links are followed. Devices and FIFOs do not block.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub fn open_file(path: &Path) -> io::Result<File> {
    Ok(File::from(rustix::io::retry_on_intr(|| openat(CWD, path, READ, Mode::empty()))?))
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
        for (path, is_open) in [
            ("in", true),
            ("sub/../in", true),
            ("./sub/./../in", true),
            ("sub", true),
            ("sub/link-in", false),
        ] {
            assert_eq!(opened.open_step_by_step(Path::new(path)).is_ok(), is_open, "{path}");
        }
        for bad in ["../out", "sub/../../out", "sub/link-out", "absolute-out", "/etc/passwd", "missing"] {
            assert!(opened.open_file(Path::new(bad)).is_err(), "{bad}");
            assert!(opened.open_step_by_step(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
