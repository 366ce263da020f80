//! From a request's path to an open file, or to its content in memory.

use crate::compressed::{Coding, Compressed, accepted};
use crate::conditions::text;
use crate::expires::Expires;
use crate::media_type::MediaTypes;
use crate::memory::{Identity, Memory};
use margrave_config::settings::{CompressedSettings, ExpiresSubject, FileServeMode, StaticSettings};
use margrave_sys::beneath::Root;
use margrave_wire::{Known, Request};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The configured places of static files.
#[derive(Debug)]
pub struct StaticFiles {
    pub(crate) settings: StaticSettings,
    pub(crate) expires: Expires,
    compressed: Compressed,
    types: MediaTypes,
    /// Some option compares itself with real paths, so that they are worth finding out.
    resolves: bool,
}

/// What answers a request.
#[derive(Debug)]
pub struct Found {
    /// Where its bytes are.
    pub content: Content,
    pub(crate) about: Arc<About>,
    /// Another client may get another coding of the same file.
    pub(crate) varies: bool,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory, all of them.
    Memory(Arc<[u8]>),
    /// In an open file; read by offset.
    File(Arc<File>),
}

/// What is said of a file, the same for every request.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) path: PathBuf,
    /// The path as text, for patterns.
    pub(crate) name: String,
    /// The path that links lead to, for patterns too; the same where no option asks for it.
    pub(crate) real_name: String,
    pub(crate) length: u64,
    pub(crate) length_text: String,
    pub(crate) modified: SystemTime,
    pub(crate) last_modified: String,
    /// Strong: it changes with the file. Another coding is another content, and has another tag.
    pub(crate) tag: String,
    pub(crate) media_type: String,
    pub(crate) coding: Option<Coding>,
}

/// A file that a path may mean.
#[derive(Debug)]
struct Target<'a> {
    /// The directory that it must not leave, or the file itself.
    root: &'a Path,
    /// Below the directory; empty for the file itself.
    relative: PathBuf,
    /// Both together.
    path: PathBuf,
}

/// Who asks, and what with.
struct Asker<'a> {
    request: &'a Request,
    memory: &'a mut Memory,
    now: SystemTime,
}

impl StaticFiles {
    /// `None` when the configuration names no static files.
    #[must_use]
    pub fn new(settings: &StaticSettings) -> Option<Self> {
        if settings.maps.is_empty() && settings.check.is_empty() && !settings.check_docroot {
            return None;
        }
        Some(Self {
            settings: settings.clone(),
            expires: Expires::new(&settings.expires),
            compressed: Compressed::new(&settings.compressed),
            types: MediaTypes::new(&settings.mime_files),
            resolves: resolves(settings),
        })
    }

    /// Bytes of small files that are kept in memory at most.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.settings.memory
    }

    /// The file that a request means, if any. Only GET and HEAD ask for files. Below a mount point that moves to
    /// SCRIPT_NAME the rest of the path is tried first, as in uWSGI, and then the whole one, which maps may name as well.
    #[must_use]
    pub fn find(&self, request: &Request, memory: &mut Memory, now: SystemTime) -> Option<Found> {
        matches!(request.var(Known::RequestMethod)?, b"GET" | b"HEAD").then_some(())?;
        let path = request.var(Known::PathInfo)?;
        if path.contains(&0) || self.is_skipped(path) {
            return None;
        }
        let mut asker = Asker { request, memory, now };
        let mounts = self.settings.mounts.iter().filter_map(|mount| below(mount.as_bytes(), path));
        // The longest mount point leaves the shortest rest.
        let moved = mounts.min_by_key(|rest| rest.len());
        moved.and_then(|rest| self.find_at(rest, &mut asker)).or_else(|| self.find_at(path, &mut asker))
    }

    /// The file that a path means: tried are `check-static`, `static-map`, `static-map2` and `check-static-docroot`,
    /// in this order.
    fn find_at(&self, path: &[u8], asker: &mut Asker<'_>) -> Option<Found> {
        let whole = relative(path);
        let checked = self.settings.check.iter().find_map(|root| self.look(root, whole, asker));
        let mapped = checked.or_else(|| {
            self.settings.maps.iter().find_map(|(mountpoint, target)| {
                let rest = below(mountpoint.as_bytes(), path)?;
                self.look_mapped(target, relative(rest), asker)
            })
        });
        mapped.or_else(|| {
            let root = self.settings.check_docroot.then(|| document_root(asker.request)).flatten()?;
            self.look(root, whole, asker)
        })
    }

    /// Asked of the path that is asked for, of the file that it means, and of the one that links lead to: any of them may
    /// name a source that only the application may see.
    fn is_skipped(&self, path: &[u8]) -> bool {
        self.settings.skip_ext.iter().any(|extension| path.ends_with(extension.as_bytes()))
    }

    /// The same of what links lead to. A neighbour is called as the file is, and the coding.
    fn is_really_skipped(&self, real: &Path, coding: Option<Coding>) -> bool {
        let real = real.as_os_str().as_bytes();
        let suffix = coding.map_or("", Coding::suffix);
        self.is_skipped(real.strip_suffix(suffix.as_bytes()).unwrap_or(real))
    }

    /// What a path below a root means.
    fn look(&self, root: &Path, relative: &Path, asker: &mut Asker<'_>) -> Option<Found> {
        let target = Target::new(root, relative);
        let metadata = fs::metadata(&target.path).ok()?;
        self.look_at(&target, &metadata, asker)
    }

    /// The same for the root of a map. When that is a file, it answers all paths below: applications of one page find
    /// their way from any of them.
    fn look_mapped(&self, root: &Path, relative: &Path, asker: &mut Asker<'_>) -> Option<Found> {
        let target = Target::new(root, relative);
        match fs::metadata(&target.path) {
            Ok(metadata) => self.look_at(&target, &metadata, asker),
            Err(error) if error.kind() == ErrorKind::NotADirectory && !leaves(relative) => {
                let metadata = fs::metadata(root).ok().filter(Metadata::is_file)?;
                self.choose(&Target::new(root, Path::new("")), &metadata, asker)
            }
            Err(_) => None,
        }
    }

    /// Nothing is opened here: opening a FIFO or a device has effects.
    fn look_at(&self, target: &Target<'_>, metadata: &Metadata, asker: &mut Asker<'_>) -> Option<Found> {
        if metadata.is_file() {
            return self.choose(target, metadata, asker);
        }
        if !metadata.is_dir() {
            return None;
        }
        // The first one that is there decides, also when it is skipped.
        let (target, metadata) = self.settings.index.iter().find_map(|index| {
            let target = Target::new(target.root, &target.relative.join(index));
            let metadata = fs::metadata(&target.path).ok().filter(Metadata::is_file)?;
            Some((target, metadata))
        })?;
        self.choose(&target, &metadata, asker)
    }

    /// The file itself or a compressed neighbour.
    fn choose(&self, target: &Target<'_>, metadata: &Metadata, asker: &mut Asker<'_>) -> Option<Found> {
        if self.is_skipped(target.path.as_os_str().as_bytes()) {
            return None;
        }
        // A front server that sends the file drops Content-Encoding, and looks for codings itself.
        if self.settings.mode != FileServeMode::Direct {
            return self.load(target, metadata, None, asker);
        }
        // The file itself tells where links lead to: what is skipped has no neighbours, and patterns are for real paths.
        let mut plain = None;
        let is_concerned = self.compressed.concerns(&target.path.to_string_lossy());
        if !is_concerned || !self.settings.skip_ext.is_empty() {
            let found = self.load(target, metadata, None, asker)?;
            if !is_concerned && !self.compressed.concerns(&found.about.real_name) {
                return Some(found);
            }
            plain = Some(found);
        }
        let neighbour = |coding: Coding| {
            let neighbour = target.neighbour(coding);
            let metadata = fs::metadata(&neighbour.path).ok().filter(Metadata::is_file)?;
            Some((neighbour, metadata))
        };
        let accepted = accepted(text(asker.request, "HTTP_ACCEPT_ENCODING").unwrap_or_default());
        for &coding in &accepted {
            if let Some((neighbour, metadata)) = neighbour(coding)
                && let Some(found) = self.load(&neighbour, &metadata, Some((coding, &target.path)), asker)
            {
                return Some(Found { varies: true, ..found });
            }
        }
        let mut others = Coding::ALL.into_iter().filter(|coding| !accepted.contains(coding));
        let varies = others.any(|coding| neighbour(coding).is_some());
        let plain = plain.or_else(|| self.load(target, metadata, None, asker))?;
        Some(Found { varies, ..plain })
    }

    /// Content and description of a file, from memory when it is there and has not changed.
    fn load(
        &self,
        target: &Target<'_>,
        metadata: &Metadata,
        coding: Option<(Coding, &Path)>,
        asker: &mut Asker<'_>,
    ) -> Option<Found> {
        let key = target.key(coding.map(|(coding, _)| coding));
        if let Some((about, content)) = asker.memory.find(&key, &Identity::of(metadata)) {
            return Some(Found { content: Content::Memory(content), about, varies: false });
        }
        let file = self.open(target)?;
        let metadata = file.metadata().ok().filter(Metadata::is_file)?;
        let identity = Identity::of(&metadata);
        let (coding, named) = coding.map_or((None, &*target.path), |(coding, named)| (Some(coding), named));
        // What has gone meanwhile is nobody's.
        let real = if self.resolves { &*fs::canonicalize(&target.path).ok()? } else { &*target.path };
        if self.is_really_skipped(real, coding) {
            return None;
        }
        let about = Arc::new(About::new(&target.path, real, self.types.of(named), coding, &metadata));
        let length = usize::try_from(about.length).unwrap_or(usize::MAX);
        if length <= self.settings.memory_file
            && asker.memory.has_room_for(length)
            && identity.is_settled(asker.now)
            && asker.memory.is_wanted_again(&key)
            && let Some(content) = read(&file, length, &identity)
        {
            asker.memory.insert(key, identity, Arc::clone(&about), Arc::clone(&content));
            return Some(Found { content: Content::Memory(content), about, varies: false });
        }
        Some(Found { content: Content::File(Arc::new(file)), about, varies: false })
    }

    fn open(&self, target: &Target<'_>) -> Option<File> {
        if target.relative.as_os_str().is_empty() {
            // Named by the operator, thus followed wherever it leads.
            return margrave_sys::beneath::open_file(target.root).ok();
        }
        let opened = Root::open(target.root).ok()?;
        opened
            .open_file(&target.relative)
            .ok()
            .or_else(|| self.open_through_link(target.root, &target.relative))
    }

    /// A link with an absolute target is refused by the kernel even where it stays inside; and `static-safe` names
    /// further directories that links may lead to. The real path is opened below the root it belongs to.
    fn open_through_link(&self, root: &Path, relative: &Path) -> Option<File> {
        let real = fs::canonicalize(root.join(relative)).ok()?;
        let roots = std::iter::once(root).chain(self.settings.safe.iter().map(PathBuf::as_path));
        // Where `..` leads out of the root textually, it was no link that did.
        if leaves(relative) {
            return None;
        }
        roots.filter_map(|root| fs::canonicalize(root).ok()).find_map(|root| {
            let relative = real.strip_prefix(&root).ok()?;
            Root::open(&root).ok()?.open_file(relative).ok()
        })
    }
}

impl<'a> Target<'a> {
    fn new(root: &'a Path, relative: &Path) -> Self {
        let path = if relative.as_os_str().is_empty() { root.to_owned() } else { root.join(relative) };
        Self { root, relative: relative.to_owned(), path }
    }

    /// The same in a coding: what has a directory is looked for there, and what is named alone beside it.
    fn neighbour(&self, coding: Coding) -> Target<'_> {
        let with_suffix = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(coding.suffix());
            PathBuf::from(name)
        };
        let path = with_suffix(&self.path);
        if self.relative.as_os_str().is_empty() {
            let root = self.root.parent().unwrap_or(self.root);
            let relative = path.file_name().map(PathBuf::from).unwrap_or_default();
            return Target { root, relative, path };
        }
        Target { root: self.root, relative: with_suffix(&self.relative), path }
    }

    /// What it is called in memory. The same file as a coding of another one is described in another way.
    fn key(&self, coding: Option<Coding>) -> Vec<u8> {
        let mut key = self.path.as_os_str().as_bytes().to_vec();
        if let Some(coding) = coding {
            // No path contains this byte.
            key.push(0);
            key.extend_from_slice(coding.name().as_bytes());
        }
        key
    }
}

impl About {
    fn new(
        path: &Path,
        real: &Path,
        media_type: String,
        coding: Option<Coding>,
        metadata: &Metadata,
    ) -> Self {
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH);
        let nanos = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let length = metadata.len();
        let tag = match coding {
            None => format!("\"{nanos:x}-{length:x}\""),
            Some(coding) => format!("\"{nanos:x}-{length:x}-{}\"", coding.name()),
        };
        Self {
            path: path.to_owned(),
            name: path.to_string_lossy().into_owned(),
            real_name: real.to_string_lossy().into_owned(),
            length,
            length_text: length.to_string(),
            modified,
            last_modified: httpdate::fmt_http_date(modified),
            tag,
            media_type,
            coding,
        }
    }

    /// A description of nothing.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self::new(Path::new("/"), Path::new("/"), String::new(), None, &fs::metadata("/").unwrap())
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether an option compares itself with real paths.
fn resolves(settings: &StaticSettings) -> bool {
    let CompressedSettings { all: _, patterns, prefixes, suffixes } = &settings.compressed;
    !settings.skip_ext.is_empty()
        || settings.expires.iter().any(|rule| rule.subject == ExpiresSubject::File)
        || !(patterns.is_empty() && prefixes.is_empty() && suffixes.is_empty())
}

/// The whole content, unless the file changes while it is read.
fn read(file: &File, length: usize, identity: &Identity) -> Option<Arc<[u8]>> {
    let mut content = vec![0; length];
    file.read_exact_at(&mut content, 0).ok()?;
    (Identity::of(&file.metadata().ok()?) == *identity).then(|| content.into())
}

/// The front server's document root, if it says one.
fn document_root(request: &Request) -> Option<&Path> {
    let root = Path::new(OsStr::from_bytes(request.find(b"DOCUMENT_ROOT")?));
    root.is_absolute().then_some(root)
}

/// What of `path` lies below a mount point; whole segments only, so that `/static` is no part of `/static-private`.
fn below<'a>(mountpoint: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let mountpoint = mountpoint.strip_suffix(b"/").unwrap_or(mountpoint);
    let rest = path.strip_prefix(mountpoint)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

fn relative(path: &[u8]) -> &Path {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    Path::new(OsStr::from_bytes(&path[start..]))
}

fn leaves(relative: &Path) -> bool {
    let mut depth = 0i32;
    relative.components().any(|component| {
        depth += match component {
            std::path::Component::ParentDir => -1,
            std::path::Component::Normal(_) => 1,
            _ => 0,
        };
        depth < 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use margrave_wire::Name;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    struct Site {
        folder: tempfile::TempDir,
        files: StaticFiles,
        memory: Memory,
        now: SystemTime,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            for directory in [
                "static/css",
                "static/sub",
                "static-private",
                "public/docs",
                "shared",
                "docroot",
                "deep/static2",
            ] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            for file in [
                "static/css/a.css",
                "static/css/a.css.gz",
                "static/css/a.css.br",
                "static/plain.js",
                "static/skipped.py",
                "static/sub/index.py",
                "static/sub/index.html",
                "static/link.txt.gz",
                "static/css/b.css",
                "static-private/x",
                "public/docs/index.html",
                "public/robots.txt",
                "public/robots.txt.gz",
                "shared/s.js",
                "docroot/d.txt",
                "deep/static2/deep.txt",
            ] {
                fs::write(root.join(file), file).unwrap();
            }
            symlink(root.join("shared/s.js"), root.join("static/s.js")).unwrap();
            symlink(root.join("static-private/x"), root.join("static/secret")).unwrap();
            symlink("../static-private", root.join("static/secrets")).unwrap();
            symlink(root.join("static/css/a.css"), root.join("static/absolute.css")).unwrap();
            symlink(root.join("static-private/x"), root.join("static/plain.js.gz")).unwrap();
            symlink("skipped.py", root.join("static/link.txt")).unwrap();
            symlink("../skipped.py", root.join("static/css/b.css.gz")).unwrap();
            make_fifo(&root.join("static/fifo"));
            let settings = StaticSettings {
                maps: vec![
                    ("/static".into(), root.join("static")),
                    ("/favicon.ico".into(), root.join("public/robots.txt")),
                    ("/static2".into(), root.join("deep/static2")),
                ],
                check: vec![root.join("missing"), root.join("public")],
                check_docroot: true,
                index: vec!["index.htm".into(), "index.py".into(), "index.html".into()],
                skip_ext: vec![".py".into()],
                safe: vec![root.join("shared")],
                compressed: CompressedSettings { all: true, ..CompressedSettings::default() },
                mounts: vec!["/app".into(), "/app/sub".into()],
                ..StaticSettings::default()
            };
            let files = StaticFiles::new(&settings).unwrap();
            Self {
                folder,
                files,
                memory: Memory::new(1 << 20),
                now: SystemTime::now() + Duration::from_secs(10),
            }
        }

        /// What answers a request: where its content comes from, and what it is.
        fn find(&mut self, method: &str, path: &str, coding: &str) -> Option<(bool, String, Found)> {
            let mut request = Request::new();
            request.push(Name::Known(Known::RequestMethod), method.as_bytes());
            request.push(Name::Known(Known::PathInfo), path.as_bytes());
            request.push(Name::from_bytes(b"HTTP_ACCEPT_ENCODING"), coding.as_bytes());
            let root = self.folder.path().join("docroot");
            request.push(Name::from_bytes(b"DOCUMENT_ROOT"), root.as_os_str().as_bytes());
            let found = self.files.find(&request, &mut self.memory, self.now)?;
            let (in_memory, content) = match &found.content {
                Content::Memory(content) => (true, content.to_vec()),
                Content::File(file) => {
                    let mut content = vec![0; usize::try_from(found.about.length).unwrap()];
                    file.read_exact_at(&mut content, 0).unwrap();
                    (false, content)
                }
            };
            Some((in_memory, String::from_utf8(content).unwrap(), found))
        }
    }

    fn make_fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let mut site = Site::new();
        let found = site.find("GET", path, "").map(|(_, content, _)| content);
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn paths_lead_to_the_files_they_mean() {
        check("/static/css/a.css", Some("static/css/a.css"));
        check("/static//css/a.css", Some("static/css/a.css"));
        check("/static/css/../css/./a.css", Some("static/css/a.css"));
        check("/favicon.ico", Some("public/robots.txt"));
        check("/favicon.ico/", Some("public/robots.txt"));
        check("/favicon.ico/more/of.it", Some("public/robots.txt"));
        check("/robots.txt", Some("public/robots.txt"));
        check("/docs", Some("public/docs/index.html"));
        check("/docs/", Some("public/docs/index.html"));
        check("/static2/deep.txt", Some("deep/static2/deep.txt"));
        check("/d.txt", Some("docroot/d.txt"));
        check("/app/static/plain.js", Some("static/plain.js"));
        check("/app/sub/static/plain.js", Some("static/plain.js"));
        check("/app/robots.txt", Some("public/robots.txt"));
        check("/app/d.txt", Some("docroot/d.txt"));
    }

    #[test]
    fn nothing_outside_is_ever_found() {
        for path in [
            "/static/../static-private/x",
            "/static-private/x",
            "/static/../../etc/passwd",
            "/static/css/../../static-private/x",
            "/static/../static/css/a.css",
            "/static//../static-private/x",
            "/static/./../static-private/x",
            "/../static-private/x",
            "/static/secret",
            "/static/secrets/x",
            "/static/secrets/../static-private/x",
            "/static/css",
            "/static",
            "/",
            "",
            "/staticcss/a.css",
            "/application/static/plain.js",
            "/app/app/sub/static/plain.js",
            "/app/static/../static-private/x",
            "/app/../static-private/x",
            "/app",
            "/app/",
            "/favicon.icon",
            "/favicon.ico/more.py",
            "/favicon.ico/../x",
            "/missing",
            "/static/css/a.css/",
            "/static/css/a.css/.",
            "/static/css/a.css\0",
            "/static/css/a.css\0.py",
            "/static/skipped.py",
            "/static/sub",
            "/static/sub/",
            "/static/link.txt",
            "/static/fifo",
            "/static/css\\a.css",
            "/static/%2e%2e/static-private/x",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn links_may_lead_inside_and_to_safe_directories() {
        check("/static/absolute.css", Some("static/css/a.css"));
        check("/static/s.js", Some("shared/s.js"));
    }

    #[test]
    fn what_is_skipped_does_not_come_from_memory_or_by_a_neighbour() {
        let mut site = Site::new();
        for (path, coding) in
            [("/static/sub/", ""), ("/static/link.txt", ""), ("/static/link.txt", "gzip")].repeat(4)
        {
            assert!(site.find("GET", path, coding).is_none(), "{path} {coding}");
        }
        // A file in memory becomes a link to what is skipped.
        let path = site.folder.path().join("static/plain.js");
        for _ in 0..3 {
            site.find("GET", "/static/plain.js", "").unwrap();
        }
        fs::remove_file(&path).unwrap();
        symlink("skipped.py", &path).unwrap();
        for _ in 0..3 {
            assert!(site.find("GET", "/static/plain.js", "").is_none());
        }
    }

    #[test]
    fn only_get_and_head_ask_for_files() {
        for (method, expected) in
            [("GET", true), ("HEAD", true), ("POST", false), ("OPTIONS", false), ("get", false), ("", false)]
        {
            assert_eq!(Site::new().find(method, "/robots.txt", "").is_some(), expected, "{method}");
        }
    }

    #[test]
    fn a_client_gets_the_neighbour_that_it_takes() {
        for (path, coding, content, name, varies) in [
            ("/static/css/a.css", "gzip", "static/css/a.css.gz", Some("gzip"), true),
            ("/static/css/a.css", "gzip, br", "static/css/a.css.br", Some("br"), true),
            ("/static/css/a.css", "zstd", "static/css/a.css", None, true),
            ("/static/css/a.css", "", "static/css/a.css", None, true),
            ("/static/css/a.css.gz", "gzip", "static/css/a.css.gz", None, false),
            ("/favicon.ico", "gzip", "public/robots.txt.gz", Some("gzip"), true),
            ("/docs/", "gzip", "public/docs/index.html", None, false),
            // The neighbour is a link to what is skipped.
            ("/static/css/b.css", "gzip", "static/css/b.css", None, false),
            // The neighbour is a link that leads out.
            ("/static/plain.js", "gzip", "static/plain.js", None, false),
        ] {
            let (_, found, about) = Site::new().find("GET", path, coding).unwrap();
            let coded = about.about.coding.map(Coding::name);
            assert_eq!((found.as_str(), coded), (content, name), "{path} {coding}");
            assert_eq!(about.varies, varies, "{path} {coding}");
        }
        let (_, _, plain) = Site::new().find("GET", "/static/css/a.css.gz", "").unwrap();
        assert_eq!(plain.about.media_type, "application/gzip");
        let (_, _, coded) = Site::new().find("GET", "/static/css/a.css", "gzip").unwrap();
        assert_eq!(coded.about.media_type, "text/css");
        assert!(coded.about.tag.ends_with("-gzip\""));
    }

    #[test]
    fn neighbours_are_chosen_by_the_real_path_too() {
        let mut site = Site::new();
        let root = fs::canonicalize(site.folder.path()).unwrap();
        symlink("static", root.join("current")).unwrap();
        for (prefix, expected) in [("current", Some("gzip")), ("static", Some("gzip")), ("shared", None)] {
            let prefix = root.join(prefix).to_string_lossy().into_owned();
            let compressed = CompressedSettings { prefixes: vec![prefix], ..CompressedSettings::default() };
            let maps = vec![("/c".into(), root.join("current"))];
            let settings = StaticSettings { maps, compressed, ..StaticSettings::default() };
            site.files = StaticFiles::new(&settings).unwrap();
            for _ in 0..4 {
                let (_, _, found) = site.find("GET", "/c/css/a.css", "gzip").unwrap();
                assert_eq!(found.about.coding.map(Coding::name), expected, "{settings:?}");
                assert_eq!(found.varies, expected.is_some());
            }
            site.memory = Memory::new(1 << 20);
        }
    }

    #[test]
    fn a_file_asked_for_again_comes_from_memory_until_it_changes() {
        let mut site = Site::new();
        let path = site.folder.path().join("static/plain.js");
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (in_memory, content, _) = site.find("GET", "/static/plain.js", "").unwrap();
            seen.push((in_memory, content));
        }
        let file = "static/plain.js".to_owned();
        assert_eq!(seen, [(false, file.clone()), (true, file.clone()), (true, file)]);
        fs::write(&path, "changed").unwrap();
        assert_eq!(site.find("GET", "/static/plain.js", "").unwrap().1, "changed");
        fs::remove_file(&path).unwrap();
        assert!(site.find("GET", "/static/plain.js", "").is_none());
        symlink("../static-private/x", &path).unwrap();
        assert!(site.find("GET", "/static/plain.js", "").is_none());
    }

    #[test]
    fn a_file_that_has_just_changed_is_not_kept() {
        let mut site = Site::new();
        site.now = SystemTime::now();
        for _ in 0..3 {
            assert!(!site.find("GET", "/static/plain.js", "").unwrap().0);
        }
    }

    #[test]
    fn a_large_file_is_not_kept() {
        let mut site = Site::new();
        fs::write(site.folder.path().join("static/large"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        for _ in 0..3 {
            assert!(!site.find("GET", "/static/large", "").unwrap().0);
        }
    }
}
