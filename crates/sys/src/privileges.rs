//! Giving up privileges: from root to the user and group that the configuration names.

use crate::users::{group_id, user_id};
use std::ffi::CString;
use std::io;

/// Why privileges could not be given up; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// No such user.
    #[error("uid: no user `{0}` on this machine; create it or write another name or number")]
    NoUser(String),
    /// No such group.
    #[error("gid: no group `{0}` on this machine; create it or write another name or number")]
    NoGroup(String),
    /// Not root.
    #[error(
        "{option}: cannot change to `{name}`: {error}; only root can, so start as root or remove the option"
    )]
    Refused {
        /// `uid` or `gid`.
        option: &'static str,
        /// The name as written.
        name: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Whom to become; resolved before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    user: Option<(u32, String)>,
    group: Option<(u32, String)>,
}

impl Identity {
    /// Resolves names to numbers.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Self, PrivilegeError> {
        let user = user.map(|name| {
            user_id(name)
                .map(|id| (id, name.to_owned()))
                .ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))
        });
        let group = group.map(|name| {
            group_id(name)
                .map(|id| (id, name.to_owned()))
                .ok_or_else(|| PrivilegeError::NoGroup(name.to_owned()))
        });
        Ok(Self { user: user.transpose()?, group: group.transpose()? })
    }

    /// Gives a file to the user and group.
    ///
    /// # Errors
    /// When the file cannot be given away.
    pub fn give(&self, path: &std::path::Path) -> io::Result<()> {
        let id = |one: &Option<(u32, String)>| one.as_ref().map(|(id, _)| *id);
        std::os::unix::fs::chown(path, id(&self.user), id(&self.group))
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let (uid, gid) = crate::process::user_and_group();
        self.user.as_ref().is_none_or(|(id, _)| *id == uid)
            && self.group.as_ref().is_none_or(|(id, _)| *id == gid)
    }

    /// Becomes this identity, for ever: group, supplementary groups, user, in that order.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn assume(&self) -> Result<(), PrivilegeError> {
        if self.is_current() {
            return Ok(());
        }
        let refused = |option, name: &str| PrivilegeError::Refused {
            option,
            name: name.to_owned(),
            error: io::Error::last_os_error(),
        };
        if let Some((gid, name)) = &self.group {
            // SAFETY: plain system calls on numbers; the pointer of an empty group list is never read.
            let result = unsafe {
                if libc::geteuid() == 0 {
                    libc::setgroups(0, std::ptr::null());
                }
                libc::setgid(*gid)
            };
            if result != 0 {
                return Err(refused("gid", name));
            }
        }
        if let Some((uid, name)) = &self.user {
            let group = self.group.as_ref().map_or_else(|| crate::process::user_and_group().1, |(id, _)| *id);
            if let Ok(text) = CString::new(name.as_str()) {
                // SAFETY: `text` is NUL-terminated and outlives the call. A user known by number only has no row and
                // keeps the empty list.
                unsafe { libc::initgroups(text.as_ptr(), group) };
            }
            // SAFETY: a plain system call on a number.
            if unsafe { libc::setuid(*uid) } != 0 {
                return Err(refused("uid", name));
            }
        }
        Ok(())
    }
}

/// Makes a directory the root of this process, and enters it.
///
/// # Errors
/// When the system refuses.
pub fn change_root(root: &std::path::Path) -> io::Result<()> {
    rustix::process::chroot(root)?;
    std::env::set_current_dir("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_named_before_anything_changes() {
        let error = Identity::resolve(Some("no such user"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "uid: no user `no such user` on this machine; create it or write another name or number"
        );
    }

    #[test]
    fn becoming_oneself_changes_nothing() {
        let (uid, gid) = crate::process::user_and_group();
        let identity = Identity::resolve(Some(&uid.to_string()), Some(&gid.to_string())).unwrap();
        assert!(identity.is_current());
        identity.assume().unwrap();
    }
}
