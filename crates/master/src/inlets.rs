//! The ways by which orders come in beside signals: FIFOs and files that are watched.

use crate::error::StartError;
use crate::event::Source;
use crate::touch::Touch;
use margrave_config::Settings;
use margrave_config::settings::WatchedDescriptor;
use margrave_lifecycle::order::{Manner, Order};
use margrave_sys::fifo::Fifo;
use margrave_sys::poller::Poller;
use margrave_sys::watch::Watcher;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file that is being written changes many times; it is looked at when this long nothing has happened.
pub const QUIET: Duration = Duration::from_millis(150);

/// What touches of files order.
#[must_use]
pub fn touches(settings: &Settings) -> Touch<Order> {
    let (process, reload) = (&settings.process, &settings.reload);
    let lists = [
        (&process.touch_reload, Order::Reload(Manner::Graceful)),
        (&reload.touch_workers, Order::ReloadWorkers(Manner::Graceful)),
        (&reload.touch_chain, Order::ChainReload),
        (&reload.touch_log_rotate, Order::RotateLogs),
        (&reload.touch_log_reopen, Order::ReopenLogs),
    ];
    Touch::new(
        lists.into_iter().flat_map(|(paths, order)| paths.iter().map(move |path| (path.clone(), order))),
    )
}

/// The master FIFO: one of several paths at a time, chosen by a digit.
#[derive(Debug, Default)]
pub struct Fifos {
    paths: Vec<PathBuf>,
    vacuum: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    slot: usize,
    fifo: Fifo,
    /// Device and inode of what we made.
    identity: Option<(u64, u64)>,
}

impl Fifos {
    /// Opens the first of the configured FIFOs.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(settings: &Settings, poller: &Poller) -> Result<Self, StartError> {
        let paths = settings
            .reload
            .fifos
            .iter()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        let mut fifos = Self { paths: paths.collect(), vacuum: settings.host.vacuum, open: None };
        if !fifos.paths.is_empty() {
            fifos.switch(0, poller)?;
        }
        Ok(fifos)
    }

    /// Reads from the FIFO of another slot from now on. The one before stays where it is, unread: it may be meant for
    /// another instance.
    fn switch(&mut self, slot: usize, poller: &Poller) -> Result<(), StartError> {
        let path = self.paths[slot].clone();
        let unwritable = |error| StartError::Unwritable { option: "master-fifo", path: path.clone(), error };
        let fifo = Fifo::create(&path).map_err(unwritable)?;
        poller.add_readable(&fifo, Source::Fifo.token()).map_err(unwritable)?;
        self.open = Some(Open { slot, fifo, identity: identity(&path) });
        Ok(())
    }

    /// The orders that have been written, and what went wrong with a change of slots.
    pub fn read(&mut self, poller: &Poller) -> (Vec<Order>, Option<StartError>) {
        let (mut orders, mut trouble) = (Vec::new(), None);
        while let Some(open) = &self.open {
            let letters = open.fifo.read();
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                match letter {
                    b'0'..=b'9' => {
                        let slot = usize::from(letter - b'0');
                        let is_other = self.open.as_ref().is_none_or(|open| open.slot != slot);
                        if is_other && slot < self.paths.len() {
                            trouble = self.switch(slot, poller).err().or(trouble);
                        }
                    }
                    letter => orders.extend(Order::from_letter(letter)),
                }
            }
        }
        (orders, trouble)
    }
}

impl Drop for Fifos {
    fn drop(&mut self) {
        if let Some(open) = self.open.take().filter(|_| self.vacuum) {
            let path = &self.paths[open.slot];
            if identity(path) == open.identity {
                // Its directory may not be ours any more after privileges were dropped.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// `reload-on-fd` and `brutal-reload-on-fd`: what whoever started the instance writes into descriptors that it left open.
#[derive(Debug, Default)]
pub struct Descriptors {
    open: Vec<(WatchedDescriptor, Option<fs::File>)>,
}

impl Descriptors {
    /// Watches those of the configuration.
    ///
    /// # Errors
    /// When one is not open, or is a file, which never has to be waited for.
    pub fn new(settings: &Settings, poller: &Poller) -> Result<Self, StartError> {
        let mut open = Vec::new();
        for (place, watched) in (0..).zip(&settings.reload.descriptors) {
            let watch = || {
                let file = margrave_sys::file::duplicate(watched.number)?;
                poller.add_readable(&file, Source::Descriptor(place).token()).map(|()| file)
            };
            let file = watch().map_err(|error| StartError::Descriptor { number: watched.number, error })?;
            open.push((*watched, Some(file)));
        }
        Ok(Self { open })
    }

    /// Reads what was written; the order that it stands for, and who gave it. After its end a descriptor is watched no more.
    pub fn read(&mut self, place: u32, poller: &Poller) -> Option<(Order, String)> {
        let (watched, file) = self.open.get_mut(usize::try_from(place).ok()?)?;
        let count = file.as_mut()?.read(&mut [0; 4096]);
        let cause = match count {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
            Ok(0) | Err(_) => {
                poller.delete(file.take()?).ok()?;
                format!("the end of descriptor {}, which is watched no more", watched.number)
            }
            Ok(_) => format!("descriptor {}", watched.number),
        };
        let manner = if watched.brutal { Manner::Brutal } else { Manner::Graceful };
        Some((Order::Reload(manner), cause))
    }
}

/// `fs-reload` and `fs-brutal-reload`: changes as the system tells them.
#[derive(Debug, Default)]
pub struct FileWatch {
    watcher: Option<Watcher>,
    /// Number, path and meaning of each watch.
    watches: Vec<(Option<i32>, PathBuf, Order)>,
    /// What has changed and will be said when it is quiet.
    changed: Option<(Order, PathBuf, Duration)>,
}

impl FileWatch {
    /// Watches what the configuration names; and what could not be watched.
    #[must_use]
    pub fn new(settings: &Settings, poller: &Poller) -> (Self, Vec<String>) {
        let (gentle, brutal) = (&settings.reload.watch, &settings.reload.watch_brutal);
        let all = gentle.iter().map(|path| (path, Manner::Graceful));
        let all = all.chain(brutal.iter().map(|path| (path, Manner::Brutal)));
        let watches: Vec<_> = all.map(|(path, manner)| (None, path.clone(), Order::Reload(manner))).collect();
        if watches.is_empty() {
            return (Self::default(), Vec::new());
        }
        let made = Watcher::new()
            .and_then(|watcher| poller.add_readable(&watcher, Source::Watch.token()).map(|()| watcher));
        let mut watch = match made {
            Ok(watcher) => Self { watcher: Some(watcher), watches, changed: None },
            Err(error) => {
                return (Self::default(), vec![format!("fs-reload: cannot watch files: {error}")]);
            }
        };
        let troubles = watch.add_missing();
        (watch, troubles)
    }

    /// Watches again what was replaced, and what is there only now.
    fn add_missing(&mut self) -> Vec<String> {
        let Some(watcher) = &self.watcher else { return Vec::new() };
        let mut troubles = Vec::new();
        for (number, path, _) in &mut self.watches {
            match watcher.add(path) {
                Ok(found) => *number = Some(found),
                Err(error) => {
                    if number.take().is_none() {
                        troubles.push(format!("fs-reload: cannot watch {}: {error}", path.display()));
                    }
                }
            }
        }
        troubles
    }

    /// Notes what has changed.
    pub fn read(&mut self, now: Duration) {
        let Some(watcher) = &self.watcher else { return };
        for number in watcher.changed() {
            let found = self.watches.iter().find(|(known, _, _)| *known == Some(number));
            if let Some((_, path, order)) = found {
                let order = match &self.changed {
                    // What must go at once does not wait for what need not.
                    Some((earlier @ Order::Reload(Manner::Brutal), _, _)) => *earlier,
                    _ => *order,
                };
                self.changed = Some((order, path.clone(), now));
            }
        }
        self.add_missing();
    }

    /// When something that has changed has been quiet for long enough.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.changed.as_ref().map(|(_, _, at)| *at + QUIET)
    }

    /// What is to be done about a change that has become quiet.
    pub fn due(&mut self, now: Duration) -> Option<(Order, PathBuf)> {
        let (order, path, _) = self.changed.take_if(|(_, _, at)| now >= *at + QUIET)?;
        Some((order, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn write(path: &Path, text: &str) {
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn letters_become_orders_and_digits_choose_among_fifos() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        let mut settings = Settings::default();
        settings.reload.fifos = vec![first.clone(), second.clone()];
        let poller = Poller::new().unwrap();
        let mut fifos = Fifos::open(&settings, &poller).unwrap();
        assert!(!second.exists());
        write(&first, "r\nx9c");
        let (orders, trouble) = fifos.read(&poller);
        assert_eq!(orders, [Order::Reload(Manner::Graceful), Order::ChainReload]);
        assert!(trouble.is_none());
        write(&first, "q1");
        assert_eq!(fifos.read(&poller).0, [Order::Stop]);
        write(&second, "-");
        assert_eq!(fifos.read(&poller).0, [Order::Workers(-1)]);
        drop(fifos);
        assert!(!second.exists());
        assert!(first.exists(), "it may be another instance's by now");
    }

    #[test]
    fn a_watched_file_that_is_written_in_pieces_is_one_change_also_when_it_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("app.py");
        fs::write(&path, "").unwrap();
        let mut settings = Settings::default();
        settings.reload.watch = vec![path.clone()];
        let poller = Poller::new().unwrap();
        let (mut watch, troubles) = FileWatch::new(&settings, &poller);
        assert!(troubles.is_empty());
        let mut now = Duration::from_secs(1);
        for replaced in [false, true, false] {
            for piece in ["a", "b"] {
                if replaced {
                    let new = root.path().join(piece);
                    fs::write(&new, piece).unwrap();
                    fs::rename(&new, &path).unwrap();
                } else {
                    write(&path, piece);
                }
                watch.read(now);
                assert_eq!(watch.due(now), None);
                now += QUIET / 2;
            }
            assert!(watch.due(now).is_none());
            now += QUIET;
            assert_eq!(watch.due(now), Some((Order::Reload(Manner::Graceful), path.clone())));
            assert_eq!(watch.due(now + QUIET), None);
        }
    }
}
