//! What configuration asks of the machine: the one door between this crate and the outside.
//!
//! `margrave_sys` implements [`World`] on the real system, tests use [`MemoryWorld`](crate::MemoryWorld). Every method only
//! looks; none changes anything. Text that is not UTF-8 comes with U+FFFD in place of the invalid bytes, except file
//! contents, which come as bytes so that the reader can name the line.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

/// Files, environment and host facts that a configuration may refer to.
///
/// Relative paths are relative to [`World::cwd`]. A method that reads takes `limit` and fails with
/// [`io::ErrorKind::FileTooLarge`] rather than return more bytes than that.
pub trait World {
    /// The whole content of a file (or FIFO, or device, up to its end).
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// Standard input up to its end (`--ini -`). A second call, at a reload, returns the same bytes.
    fn read_stdin(&self, limit: usize) -> io::Result<Vec<u8>>;

    /// An inherited descriptor up to its end (`fd://N`). A second call, at a reload, returns the same bytes.
    fn read_descriptor(&self, descriptor: i32, limit: usize) -> io::Result<Vec<u8>>;

    /// Standard output of `/bin/sh -c command` (`exec://command`), within bounds of size and time that the implementation
    /// names. A command that ran and failed is no error: [`Ran::failure`] says how it ended.
    fn run_command(&self, command: &str, limit: usize) -> io::Result<Ran>;

    /// What is beyond this machine's files: addresses and databases.
    fn sources(&self) -> &dyn Sources;

    /// What was put into the running executable: `data://`, `section://`.
    fn read_embedded(&self, part: Embedded<'_>, limit: usize) -> io::Result<Vec<u8>>;

    /// The first IPv4 address of a host (`resolve`).
    fn resolve_host(&self, name: &str) -> io::Result<Ipv4Addr>;

    /// The working directory at start, absolute.
    fn cwd(&self) -> String;

    /// The absolute path with every symbolic link and `..` resolved.
    fn real_path(&self, path: &Path) -> io::Result<String>;

    /// The entry itself, links not followed.
    fn entry(&self, path: &Path) -> io::Result<Entry>;

    /// What the path leads to, links followed.
    fn target(&self, path: &Path) -> io::Result<Entry>;

    /// Whether this process may read the path (`access(2)` with `R_OK`).
    fn is_readable(&self, path: &Path) -> bool;

    /// The names that a shell pattern matches, sorted bytewise; directories end in `/`. Empty when nothing matches.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// The environment in its own order. At a reload `UWSGI_RELOADS` is the number of reloads so far.
    fn environment(&self) -> Vec<(String, String)>;

    /// Name of the host.
    fn hostname(&self) -> String;

    /// Real user id.
    fn uid(&self) -> u32;

    /// Real group id.
    fn gid(&self) -> u32;

    /// Name of a user, if the system knows one.
    fn user_name(&self, uid: u32) -> Option<String>;

    /// Name of a group, if the system knows one.
    fn group_name(&self, gid: u32) -> Option<String>;

    /// Number of processors online.
    fn cpu_count(&self) -> usize;

    /// When this instance started, in microseconds since 1970.
    fn start_micros(&self) -> u64;

    /// Absolute path of the running executable.
    fn executable(&self) -> String;
}

/// Sources that need more than system calls, and so have a home of their own (`margrave_sources`).
pub trait Sources: std::fmt::Debug {
    /// The body of the answer to a GET request (`http://`, `https://`), followed over a few redirections, within a bound of
    /// time. Every status but 2xx is an error. Fails with [`io::ErrorKind::FileTooLarge`] past `limit` bytes.
    fn fetch(&self, url: &str, limit: usize) -> io::Result<Vec<u8>>;

    /// The first two columns of each row that `query` gives on an SQLite database, opened for reading only, within a bound
    /// of time. `limit` counts the bytes of all texts together.
    fn query_database(&self, path: &Path, query: &str, limit: usize) -> io::Result<Vec<(String, String)>>;
}

/// What a command wrote, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its standard output.
    pub output: Vec<u8>,
    /// How it ended, when that was not with exit code 0.
    pub failure: Option<String>,
}

/// A part of the executable that holds configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded<'a> {
    /// A text behind the executable proper, each followed by its length in 8 bytes, little endian; 0 is the last one.
    Appended(usize),
    /// An ELF section.
    Section(&'a str),
}

/// What the file system says of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: EntryKind,
    /// Its inode number.
    pub inode: u64,
}

/// Kinds of directory entries that configuration tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; only [`World::entry`] reports it.
    Link,
    /// A socket, FIFO or device.
    Other,
}
