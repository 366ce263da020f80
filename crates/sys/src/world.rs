//! The real machine as configuration sees it: [`margrave_config::World`] on the operating system.

use crate::shell;
use margrave_config::{Embedded, Entry, EntryKind, Ran, Sources, World};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The machine this process runs on. Keeps what can be read only once.
#[derive(Debug)]
pub struct OsWorld {
    cwd: PathBuf,
    executable: PathBuf,
    start_micros: u64,
    reloads: u32,
    once: RefCell<HashMap<i32, Vec<u8>>>,
    sources: Box<dyn Sources>,
}

impl OsWorld {
    /// The machine as it is now; start time and working directory are remembered. `sources` reads what is beyond its files.
    #[must_use]
    pub fn new(sources: Box<dyn Sources>) -> Self {
        Self {
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            executable: std::env::current_exe().unwrap_or_default(),
            start_micros: u64::try_from(crate::clock::wall().as_micros()).unwrap_or(u64::MAX),
            reloads: 0,
            once: RefCell::default(),
            sources,
        }
    }

    /// Counts a reload: `UWSGI_RELOADS` in the environment that configuration sees.
    pub fn count_reload(&mut self) {
        self.reloads += 1;
    }

    /// What came from a descriptor that can be read only once; the first call reads it.
    fn remembered(&self, descriptor: i32, limit: usize) -> io::Result<Vec<u8>> {
        if let Some(known) = self.once.borrow().get(&descriptor) {
            return Ok(known.clone());
        }
        let content = read_bounded(crate::file::duplicate(descriptor)?, limit)?;
        self.once.borrow_mut().insert(descriptor, content.clone());
        Ok(content)
    }
}

impl World for OsWorld {
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        read_bounded(file, limit)
    }

    fn read_stdin(&self, limit: usize) -> io::Result<Vec<u8>> {
        self.remembered(0, limit)
    }

    fn read_descriptor(&self, descriptor: i32, limit: usize) -> io::Result<Vec<u8>> {
        self.remembered(descriptor, limit)
    }

    fn run_command(&self, command: &str, limit: usize) -> io::Result<Ran> {
        shell::output(command, limit, shell::COMMAND_TIMEOUT)
    }

    fn sources(&self) -> &dyn Sources {
        self.sources.as_ref()
    }

    fn read_embedded(&self, part: Embedded<'_>, limit: usize) -> io::Result<Vec<u8>> {
        let executable = File::open(&self.executable)?;
        match part {
            Embedded::Appended(place) => crate::embedded::appended(&executable, place, limit),
            Embedded::Section(name) => crate::embedded::section(&executable, name, limit),
        }
    }

    fn resolve_host(&self, name: &str) -> io::Result<Ipv4Addr> {
        let found = (name, 0).to_socket_addrs()?.find_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        });
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no IPv4 address"))
    }

    fn cwd(&self) -> String {
        text(&self.cwd)
    }

    fn real_path(&self, path: &Path) -> io::Result<String> {
        Ok(text(&fs::canonicalize(path)?))
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        Ok(describe(&fs::symlink_metadata(path)?))
    }

    fn target(&self, path: &Path) -> io::Result<Entry> {
        Ok(describe(&fs::metadata(path)?))
    }

    fn is_readable(&self, path: &Path) -> bool {
        rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok()
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        glob(pattern)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let mut list: Vec<_> = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
        if self.reloads > 0 {
            list.retain(|(name, _)| name != "UWSGI_RELOADS");
            list.push(("UWSGI_RELOADS".to_owned(), self.reloads.to_string()));
        }
        list
    }

    fn hostname(&self) -> String {
        crate::net::host_name()
    }

    fn uid(&self) -> u32 {
        crate::process::user_and_group().0
    }

    fn gid(&self) -> u32 {
        crate::process::user_and_group().1
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        crate::users::user_name(uid)
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        crate::users::group_name(gid)
    }

    fn cpu_count(&self) -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    fn start_micros(&self) -> u64 {
        self.start_micros
    }

    fn executable(&self) -> String {
        text(&self.executable)
    }
}

fn read_bounded(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn describe(metadata: &Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Directory,
        kind if kind.is_symlink() => EntryKind::Link,
        _ => EntryKind::Other,
    };
    Entry { kind, inode: metadata.ino() }
}

/// The names that a shell pattern matches, sorted bytewise; directories end in `/`.
#[must_use]
pub fn glob(pattern: &str) -> Vec<String> {
    let Ok(pattern) = CString::new(Path::new(pattern).as_os_str().as_bytes()) else {
        return Vec::new();
    };
    let mut found = MaybeUninit::<libc::glob_t>::zeroed();
    // SAFETY: `pattern` is NUL-terminated; `found` is zeroed as glob wants it, filled on success with `gl_pathc`
    // NUL-terminated strings that stay valid until globfree, and freed in either case.
    let mut names: Vec<String> = unsafe {
        let flags = libc::GLOB_MARK | libc::GLOB_NOSORT;
        let result = libc::glob(pattern.as_ptr(), flags, None, found.as_mut_ptr());
        let list = found.assume_init_ref();
        let count = if result == 0 { list.gl_pathc } else { 0 };
        let names = (0..count)
            .map(|index| std::ffi::CStr::from_ptr(*list.gl_pathv.add(index)).to_string_lossy().into_owned())
            .collect();
        libc::globfree(found.as_mut_ptr());
        names
    };
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoSources;

    impl Sources for NoSources {
        fn fetch(&self, _: &str, _: usize) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn query_database(&self, _: &Path, _: &str, _: usize) -> io::Result<Vec<(String, String)>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn world() -> OsWorld {
        OsWorld::new(Box::new(NoSources))
    }

    #[test]
    fn globs_are_sorted_and_directories_are_marked() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.ini", "a.ini", "c.txt"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        fs::create_dir(root.path().join("d.ini")).unwrap();
        let found = world().glob(&format!("{}/*.ini", root.path().display()));
        let names: Vec<&str> = found.iter().map(|name| &name[root.path().as_os_str().len() + 1..]).collect();
        assert_eq!(names, ["a.ini", "b.ini", "d.ini/"]);
    }

    #[test]
    fn a_file_past_the_limit_and_a_directory_are_errors() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        fs::write(&file, "12345").unwrap();
        let world = world();
        assert_eq!(world.read_file(&file, 5).unwrap(), b"12345");
        assert_eq!(world.read_file(&file, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(world.read_file(root.path(), 4).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_reload_shows_in_the_environment() {
        let mut world = world();
        world.count_reload();
        assert!(world.environment().contains(&("UWSGI_RELOADS".to_owned(), "1".to_owned())));
    }
}
