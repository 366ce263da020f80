//! A world in which some files have another text: how a corrected copy is tried before anybody writes it.

use crate::world::{Embedded, Entry, Ran, Sources, World};
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

/// Another world's view with texts of its own for some files.
pub struct Overlay<'w> {
    world: &'w dyn World,
    texts: HashMap<String, String>,
}

impl<'w> Overlay<'w> {
    pub fn new(world: &'w dyn World) -> Self {
        Self { world, texts: HashMap::new() }
    }

    /// Puts a text in place of a file's.
    pub fn write(&mut self, file: &str, text: String) {
        self.texts.insert(file.to_owned(), text);
    }

    /// Lets a file have its own text again.
    pub fn remove(&mut self, file: &str) {
        self.texts.remove(file);
    }

    /// The text that stands in for a file's.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(String::as_str)
    }
}

impl World for Overlay<'_> {
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        match path.to_str().and_then(|name| self.texts.get(name)) {
            Some(text) if text.len() > limit => Err(io::ErrorKind::FileTooLarge.into()),
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.world.read_file(path, limit),
        }
    }

    fn read_stdin(&self, limit: usize) -> io::Result<Vec<u8>> {
        match self.texts.get("-") {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.world.read_stdin(limit),
        }
    }

    fn read_descriptor(&self, descriptor: i32, limit: usize) -> io::Result<Vec<u8>> {
        self.world.read_descriptor(descriptor, limit)
    }

    fn run_command(&self, command: &str, limit: usize) -> io::Result<Ran> {
        self.world.run_command(command, limit)
    }

    fn sources(&self) -> &dyn Sources {
        self.world.sources()
    }

    fn read_embedded(&self, part: Embedded<'_>, limit: usize) -> io::Result<Vec<u8>> {
        self.world.read_embedded(part, limit)
    }

    fn resolve_host(&self, name: &str) -> io::Result<Ipv4Addr> {
        self.world.resolve_host(name)
    }

    fn cwd(&self) -> String {
        self.world.cwd()
    }

    fn real_path(&self, path: &Path) -> io::Result<String> {
        self.world.real_path(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        self.world.entry(path)
    }

    fn target(&self, path: &Path) -> io::Result<Entry> {
        self.world.target(path)
    }

    fn is_readable(&self, path: &Path) -> bool {
        self.world.is_readable(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.world.glob(pattern)
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.world.environment()
    }

    fn hostname(&self) -> String {
        self.world.hostname()
    }

    fn uid(&self) -> u32 {
        self.world.uid()
    }

    fn gid(&self) -> u32 {
        self.world.gid()
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        self.world.user_name(uid)
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        self.world.group_name(gid)
    }

    fn cpu_count(&self) -> usize {
        self.world.cpu_count()
    }

    fn start_micros(&self) -> u64 {
        self.world.start_micros()
    }

    fn executable(&self) -> String {
        self.world.executable()
    }
}
