//! Why an instance cannot start: one sentence each, with where and what to do.

use margrave_sys::net::BindError;
use margrave_sys::privileges::PrivilegeError;
use std::io;
use std::path::PathBuf;

/// The operator's to mend, except [`StartError::System`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The user or group cannot be assumed.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// No usable interpreter.
    #[error("{0}")]
    Interpreter(String),
    /// A directory of `chdir` cannot be entered.
    #[error("chdir: cannot enter {}: {}; create the directory or correct the path", directory.display(), plain(error))]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file that the configuration names cannot be written.
    #[error("{option}: cannot write {}: {}; check that its directory exists and is writable", path.display(), plain(error))]
    Unwritable {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A descriptor of `reload-on-fd` cannot be watched.
    #[error(
        "reload-on-fd: descriptor {number} cannot be watched: {}; open a pipe, a FIFO or an eventfd under that number before the start",
        plain(error)
    )]
    Descriptor {
        /// Its number.
        number: i32,
        /// What the system said.
        error: io::Error,
    },
    /// A file of `flock` or its relatives cannot be had.
    #[error("{option}: {} {why}", path.display())]
    Held {
        /// The option that names it.
        option: String,
        /// The file.
        path: PathBuf,
        /// What is in the way, and what to do.
        why: String,
    },
    /// A log target cannot be used.
    #[error("logger: cannot use {target}: {}; correct the option or start what listens there", plain(error))]
    Logger {
        /// The target as written.
        target: String,
        /// What the system said.
        error: io::Error,
    },
    /// More listeners than one message can carry.
    #[error("{0} listening sockets are more than an instance can have ({max}); split the configuration", max = MAX_LISTENERS)]
    TooManyListeners(usize),
    /// The root directory cannot be changed.
    #[error("chroot: cannot make {} the root directory: {}; only root can, and it must be a directory", root.display(), plain(error))]
    Root {
        /// The directory.
        root: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A hook of the start failed.
    #[error("{0}")]
    Hook(String),
    /// A hook asked for the end, with this exit code.
    #[error("a hook ended the instance with exit code {0}")]
    Asked(u8),
    /// A pidfile command failed.
    #[error("{0}")]
    Pidfile(String),
    /// The system refused something that it does not refuse a healthy process.
    #[error("cannot {what}: {}", plain(error))]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Most listening sockets of one instance: they travel in one message beside four other descriptors.
pub const MAX_LISTENERS: usize = 240;

impl StartError {
    /// Names what was tried, for an error of the system.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// The process exit code: uWSGI's for everything that prevents a start.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Asked(code) => (*code).into(),
            _ => 1,
        }
    }
}

/// What the system said, in words only: the number at the end of Rust's text helps nobody.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_is_told_in_words() {
        assert_eq!(plain(&io::Error::from_raw_os_error(2)), "no such file or directory");
    }
}
