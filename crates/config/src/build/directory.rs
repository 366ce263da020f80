//! Which relative paths count from `chdir`: those that uWSGI opens after it has changed the directory.
//!
//! UNIX sockets, the stats socket, `touch-reload`, `logger = file:`, `req-logger = file:` and `pidfile2`. The files that
//! are opened before (`pidfile`, `logto`, `daemonize`, configuration) count from the directory of the start. The
//! master itself never changes its directory, so that a reload reads the same files again.

use crate::settings::{Address, LogTarget, Settings};
use std::path::{Path, PathBuf};

pub fn enter(settings: &mut Settings) {
    let directory: PathBuf = settings.host.chdir.clone().unwrap_or_default();
    if directory.as_os_str().is_empty() {
        return;
    }
    let listeners = settings.listen.listeners.iter_mut().map(|listener| &mut listener.address);
    for address in listeners.chain(&mut settings.stats.address) {
        if let Address::Unix(path) = address {
            resolve(&directory, path);
        }
    }
    for logger in settings.log.loggers.iter_mut().chain(&mut settings.log.request_loggers) {
        if let LogTarget::File(path) = &mut logger.target {
            resolve(&directory, path);
        }
    }
    settings.process.touch_reload.iter_mut().for_each(|path| resolve(&directory, path));
    let hooks = &mut settings.hooks;
    hooks.touched.iter_mut().for_each(|(path, _)| resolve(&directory, path));
    hooks.mount_points.iter_mut().for_each(|path| resolve(&directory, path));
    settings.host.pidfile2.iter_mut().for_each(|path| resolve(&directory, path));
}

fn resolve(directory: &Path, path: &mut PathBuf) {
    *path = directory.join(&path);
}
