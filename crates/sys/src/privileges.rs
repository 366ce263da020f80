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
    /// No such capability.
    #[error("cap: no capability `{0}`; write names such as net_bind_service, separated by commas")]
    NoCapability(String),
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
    /// The supplementary groups to have; `None` = those that there are.
    groups: Option<Vec<u32>>,
    capabilities: Vec<(u32, String)>,
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
        let (user, group) = (user.transpose()?, group.transpose()?);
        // A user known by number only has no row, and no groups.
        let own = user.as_ref().map(|(_, name)| {
            let group = group.as_ref().map_or_else(|| crate::process::user_and_group().1, |(id, _)| *id);
            groups_of(name, group)
        });
        let groups = own.or_else(|| group.as_ref().map(|_| Vec::new()));
        Ok(Self { user, group, groups, capabilities: Vec::new() })
    }

    /// Adds supplementary groups; without `own` those of the user are left out.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn with_groups(mut self, more: &[String], own: bool) -> Result<Self, PrivilegeError> {
        if !own && self.groups.is_some() {
            self.groups = Some(Vec::new());
        }
        if more.is_empty() {
            return Ok(self);
        }
        let mut groups = match self.groups.take() {
            Some(groups) => groups,
            None => {
                rustix::process::getgroups().unwrap_or_default().into_iter().map(|id| id.as_raw()).collect()
            }
        };
        for name in more {
            let id = group_id(name).ok_or_else(|| PrivilegeError::NoGroup(name.clone()))?;
            if !groups.contains(&id) {
                groups.push(id);
            }
        }
        self.groups = Some(groups);
        Ok(self)
    }

    /// Keeps capabilities beyond the change of user, also for the programs that are started.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn with_capabilities(mut self, names: &[String]) -> Result<Self, PrivilegeError> {
        for name in names {
            let number = capability(name).ok_or_else(|| PrivilegeError::NoCapability(name.clone()))?;
            self.capabilities.push((number, name.clone()));
        }
        Ok(self)
    }

    /// The user and the group in numbers, where they are given.
    #[must_use]
    pub fn ids(&self) -> (Option<u32>, Option<u32>) {
        (self.user.as_ref().map(|(id, _)| *id), self.group.as_ref().map(|(id, _)| *id))
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
        let (uid, gid) = self.ids();
        let is_root = crate::process::is_root();
        let refused = |option, name: &str| PrivilegeError::Refused {
            option,
            name: name.to_owned(),
            error: io::Error::last_os_error(),
        };
        if let Some(groups) = self.groups.as_ref().filter(|_| is_root) {
            // SAFETY: the pointer is to `groups.len()` numbers; that of an empty list is never read.
            if unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } != 0 {
                return Err(refused("add-gid", "the supplementary groups"));
            }
        }
        if let Some((gid, (_, name))) = gid.zip(self.group.as_ref()) {
            // SAFETY: it takes a number.
            if unsafe { libc::setgid(gid) } != 0 {
                return Err(refused("gid", name));
            }
        }
        if !self.capabilities.is_empty() {
            // Else they would go with the user.
            rustix::thread::set_keep_capabilities(true).map_err(|error| self.capability_error(error))?;
        }
        if let Some((uid, (_, name))) = uid.zip(self.user.as_ref()) {
            // SAFETY: it takes a number.
            if unsafe { libc::setuid(uid) } != 0 {
                return Err(refused("uid", name));
            }
        }
        if self.capabilities.is_empty() {
            return Ok(());
        }
        self.keep_capabilities().map_err(|error| self.capability_error(error))
    }

    /// Has these capabilities and no others, and passes them on over an exec.
    fn keep_capabilities(&self) -> rustix::io::Result<()> {
        use rustix::thread::{CapabilitySet, CapabilitySets};
        let wanted = self.capabilities.iter().fold(CapabilitySet::empty(), |set, (number, _)| {
            set | CapabilitySet::from_bits_retain(1 << number)
        });
        let sets = CapabilitySets { effective: wanted, permitted: wanted, inheritable: wanted };
        rustix::thread::set_capabilities(None, sets)?;
        self.capabilities.iter().try_for_each(|(number, _)| {
            let one = CapabilitySet::from_bits_retain(1 << number);
            rustix::thread::configure_capability_in_ambient_set(one, true)
        })
    }

    fn capability_error(&self, error: rustix::io::Errno) -> PrivilegeError {
        let names: Vec<&str> = self.capabilities.iter().map(|(_, name)| name.as_str()).collect();
        PrivilegeError::Refused { option: "cap", name: names.join(","), error: error.into() }
    }
}

/// The groups of a user, as the database has them.
fn groups_of(user: &str, group: u32) -> Vec<u32> {
    /// Most groups that the kernel takes.
    const MOST: usize = 65_536;
    let Ok(name) = CString::new(user) else { return Vec::new() };
    let mut list = vec![0; 64];
    loop {
        let mut count = i32::try_from(list.len()).unwrap_or(i32::MAX);
        // SAFETY: `name` is NUL-terminated; the list has room for `count` numbers, and `count` says how many there are.
        let found = unsafe { libc::getgrouplist(name.as_ptr(), group, list.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if found >= 0 {
            list.truncate(count);
            return list;
        }
        if list.len() >= MOST {
            return list;
        }
        list.resize((list.len() * 2).max(count).min(MOST), 0);
    }
}

/// The number of a capability, with or without `cap_` in front.
fn capability(name: &str) -> Option<u32> {
    /// In the order of `linux/capability.h`.
    const NAMES: [&str; 41] = [
        "chown",
        "dac_override",
        "dac_read_search",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "linux_immutable",
        "net_bind_service",
        "net_broadcast",
        "net_admin",
        "net_raw",
        "ipc_lock",
        "ipc_owner",
        "sys_module",
        "sys_rawio",
        "sys_chroot",
        "sys_ptrace",
        "sys_pacct",
        "sys_admin",
        "sys_boot",
        "sys_nice",
        "sys_resource",
        "sys_time",
        "sys_tty_config",
        "mknod",
        "lease",
        "audit_write",
        "audit_control",
        "setfcap",
        "mac_override",
        "mac_admin",
        "syslog",
        "wake_alarm",
        "block_suspend",
        "audit_read",
        "perfmon",
        "bpf",
        "checkpoint_restore",
    ];
    let plain = name.trim().to_ascii_lowercase();
    let plain = plain.strip_prefix("cap_").unwrap_or(&plain);
    NAMES.iter().position(|known| *known == plain).and_then(|number| u32::try_from(number).ok())
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

    #[test]
    fn groups_and_capabilities_are_named_or_refused() {
        let identity = Identity::resolve(None, None).unwrap();
        let identity = identity.with_groups(&["12345".into(), "12345".into()], true).unwrap();
        assert_eq!(identity.groups.as_ref().unwrap().iter().filter(|id| **id == 12345).count(), 1);
        assert!(identity.clone().with_groups(&["no such group".into()], true).is_err());
        let identity = identity.with_capabilities(&["net_bind_service".into(), "CAP_SETUID".into()]).unwrap();
        let numbers: Vec<u32> = identity.capabilities.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [10, 7]);
        assert!(identity.with_capabilities(&["flying".into()]).is_err());
        assert!(groups_of("root", 0).contains(&0));
        let own = Identity::resolve(Some("root"), None).unwrap();
        assert_eq!(own.with_groups(&[], false).unwrap().groups, Some(Vec::new()));
    }
}
