//! A [`World`] made of values, for tests of this crate and of those above it.
//!
//! Paths are plain text; links may point to files or directories. Not a file system: no modes, no owners.

use crate::world::{Embedded, Entry, EntryKind, Ran, Sources, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

/// Longest chain of links that is followed, as on Linux.
const MAX_LINKS: usize = 40;

/// An imaginary machine; every field may be set before use.
#[derive(Clone, Debug)]
pub struct MemoryWorld {
    /// Absolute path to content; directories exist by having something in them.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Absolute path of a link to its target as written.
    pub links: BTreeMap<String, String>,
    /// Command text to its output, for `exec://`.
    pub commands: BTreeMap<String, Vec<u8>>,
    /// Commands that end with this after their output.
    pub failures: BTreeMap<String, String>,
    /// Address to body, for `http://` and `https://`.
    pub pages: BTreeMap<String, Vec<u8>>,
    /// Absolute path and query to rows, for `sqlite`.
    pub databases: BTreeMap<(String, String), Vec<(String, String)>>,
    /// Texts behind the executable, the last one first.
    pub appended: Vec<Vec<u8>>,
    /// Sections of the executable.
    pub sections: BTreeMap<String, Vec<u8>>,
    /// Hosts and their addresses.
    pub hosts: BTreeMap<String, Ipv4Addr>,
    /// Inherited descriptors and what they hold.
    pub descriptors: BTreeMap<i32, Vec<u8>>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Environment in order.
    pub environment: Vec<(String, String)>,
    /// Working directory, absolute.
    pub cwd: String,
    /// Name of the host.
    pub hostname: String,
    /// Processors.
    pub cpus: usize,
    /// User and group, id and name.
    pub user: (u32, String),
    /// Group id and name.
    pub group: (u32, String),
    /// Start time in microseconds.
    pub start_micros: u64,
    /// Path of the executable.
    pub executable: String,
}

impl Default for MemoryWorld {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            commands: BTreeMap::new(),
            failures: BTreeMap::new(),
            pages: BTreeMap::new(),
            databases: BTreeMap::new(),
            appended: Vec::new(),
            sections: BTreeMap::new(),
            hosts: BTreeMap::new(),
            descriptors: BTreeMap::new(),
            stdin: Vec::new(),
            environment: Vec::new(),
            cwd: "/srv".to_owned(),
            hostname: "host".to_owned(),
            cpus: 2,
            user: (1000, "deploy".to_owned()),
            group: (1000, "deploy".to_owned()),
            start_micros: 1_700_000_000_123_456,
            executable: "/usr/bin/margrave".to_owned(),
        }
    }
}

impl MemoryWorld {
    /// A world with these files; relative paths are below [`MemoryWorld::cwd`], which is `/srv`.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let mut world = Self::default();
        for (path, text) in files {
            world.write(path, text.as_bytes());
        }
        world
    }

    /// Adds or replaces a file.
    pub fn write(&mut self, path: &str, content: &[u8]) {
        let path = self.absolute(path);
        self.files.insert(path, content.to_vec());
    }

    /// Sets an environment variable, at the end of the environment when it is new.
    pub fn set_env(&mut self, name: &str, value: &str) {
        match self.environment.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.cwd) }
    }

    /// Resolves links component by component; the last one only when `follow_last`.
    fn resolve(&self, path: &Path, follow_last: bool) -> io::Result<String> {
        let mut waiting: Vec<String> = split(&self.absolute(&path.to_string_lossy())).rev().collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = waiting.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = join(&done);
            if waiting.is_empty() && !follow_last {
                break;
            }
            if let Some(target) = self.links.get(&here) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                waiting.extend(split(target).rev());
            }
        }
        let here = join(&done);
        let is_link = !follow_last && self.links.contains_key(&here);
        if is_link || self.files.contains_key(&here) || self.is_directory(&here) {
            Ok(here)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        let prefix = if path == "/" { path.to_owned() } else { format!("{path}/") };
        path == "/" || self.files.keys().chain(self.links.keys()).any(|name| name.starts_with(&prefix))
    }

    fn describe(&self, path: &str) -> Entry {
        let kind = if self.links.contains_key(path) {
            EntryKind::Link
        } else if self.files.contains_key(path) {
            EntryKind::File
        } else {
            EntryKind::Directory
        };
        let inode = path.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Entry { kind, inode: inode % 100_000 }
    }
}

impl Sources for MemoryWorld {
    fn fetch(&self, url: &str, limit: usize) -> io::Result<Vec<u8>> {
        bounded(self.pages.get(url).ok_or(io::ErrorKind::ConnectionRefused)?, limit)
    }

    fn query_database(&self, path: &Path, query: &str, limit: usize) -> io::Result<Vec<(String, String)>> {
        let path = self.absolute(&path.to_string_lossy());
        let rows = self.databases.get(&(path, query.to_owned())).ok_or(io::ErrorKind::NotFound)?;
        let size: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(rows.clone()) }
    }
}

impl World for MemoryWorld {
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let path = self.resolve(path, true)?;
        bounded(self.files.get(&path).ok_or(io::ErrorKind::IsADirectory)?, limit)
    }

    fn read_stdin(&self, limit: usize) -> io::Result<Vec<u8>> {
        bounded(&self.stdin, limit)
    }

    fn read_descriptor(&self, descriptor: i32, limit: usize) -> io::Result<Vec<u8>> {
        bounded(self.descriptors.get(&descriptor).ok_or(io::ErrorKind::NotFound)?, limit)
    }

    fn run_command(&self, command: &str, limit: usize) -> io::Result<Ran> {
        let output = bounded(self.commands.get(command).ok_or(io::ErrorKind::NotFound)?, limit)?;
        Ok(Ran { output, failure: self.failures.get(command).cloned() })
    }

    fn sources(&self) -> &dyn Sources {
        self
    }

    fn read_embedded(&self, part: Embedded<'_>, limit: usize) -> io::Result<Vec<u8>> {
        let content = match part {
            Embedded::Appended(place) => self.appended.get(place),
            Embedded::Section(name) => self.sections.get(name),
        };
        bounded(content.ok_or(io::ErrorKind::NotFound)?, limit)
    }

    fn resolve_host(&self, name: &str) -> io::Result<Ipv4Addr> {
        Ok(*self.hosts.get(name).ok_or(io::ErrorKind::NotFound)?)
    }

    fn cwd(&self) -> String {
        self.cwd.clone()
    }

    fn real_path(&self, path: &Path) -> io::Result<String> {
        self.resolve(path, true)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        self.resolve(path, false).map(|path| self.describe(&path))
    }

    fn target(&self, path: &Path) -> io::Result<Entry> {
        self.resolve(path, true).map(|path| self.describe(&path))
    }

    fn is_readable(&self, path: &Path) -> bool {
        self.resolve(path, true).is_ok()
    }

    /// Knows `*` and `?` within one component.
    fn glob(&self, pattern: &str) -> Vec<String> {
        let wanted: Vec<String> = split(&self.absolute(pattern)).collect();
        let mut found = BTreeSet::new();
        for name in self.files.keys().chain(self.links.keys()) {
            let parts: Vec<String> = split(name).collect();
            let matches = parts.len() >= wanted.len()
                && wanted
                    .iter()
                    .zip(&parts)
                    .all(|(pattern, part)| matches(pattern.as_bytes(), part.as_bytes()));
            if matches {
                let mut path = join(&parts[..wanted.len()]);
                if !pattern.starts_with('/') {
                    path = path.trim_start_matches(&format!("{}/", self.cwd)).to_owned();
                }
                if parts.len() > wanted.len() {
                    path.push('/');
                }
                found.insert(path);
            }
        }
        found.into_iter().collect()
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    fn hostname(&self) -> String {
        self.hostname.clone()
    }

    fn uid(&self) -> u32 {
        self.user.0
    }

    fn gid(&self) -> u32 {
        self.group.0
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        (uid == self.user.0).then(|| self.user.1.clone())
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        (gid == self.group.0).then(|| self.group.1.clone())
    }

    fn cpu_count(&self) -> usize {
        self.cpus
    }

    fn start_micros(&self) -> u64 {
        self.start_micros
    }

    fn executable(&self) -> String {
        self.executable.clone()
    }
}

fn bounded(content: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    if content.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content.to_vec()) }
}

fn split(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

fn join(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
}

/// Whether a pattern of `*`, `?` and plain bytes matches; a failed attempt begins again behind the last `*` only.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    place = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
