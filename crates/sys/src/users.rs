//! Users and groups by number or name, as the system's databases know them.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

/// Longest database row accepted, in bytes.
const ROW: usize = 64 * 1024;

/// The id of a user given as a number or a name; `None` when no such user exists.
#[must_use]
pub fn user_id(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| by_user_name(text))
}

/// The id of a group given as a number or a name; `None` when no such group exists.
#[must_use]
pub fn group_id(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| by_group_name(text))
}

/// The name of a user; `None` when the database has none.
#[must_use]
pub fn user_name(id: u32) -> Option<String> {
    let mut row = MaybeUninit::<libc::passwd>::uninit();
    let mut space = vec![0; ROW];
    let mut found = std::ptr::null_mut();
    // SAFETY: as in `by_user_name`; the name points into `space`, which lives until it has been copied.
    unsafe {
        libc::getpwuid_r(id, row.as_mut_ptr(), space.as_mut_ptr(), space.len(), &raw mut found);
        found.as_ref().map(|row| CStr::from_ptr(row.pw_name).to_string_lossy().into_owned())
    }
}

/// The name of a group; `None` when the database has none.
#[must_use]
pub fn group_name(id: u32) -> Option<String> {
    let mut row = MaybeUninit::<libc::group>::uninit();
    let mut space = vec![0; ROW];
    let mut found = std::ptr::null_mut();
    // SAFETY: as in `user_name`.
    unsafe {
        libc::getgrgid_r(id, row.as_mut_ptr(), space.as_mut_ptr(), space.len(), &raw mut found);
        found.as_ref().map(|row| CStr::from_ptr(row.gr_name).to_string_lossy().into_owned())
    }
}

fn by_user_name(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let mut row = MaybeUninit::<libc::passwd>::uninit();
    let mut space = vec![0; ROW];
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer is to memory of ours that outlives the call, with the length given; the call writes
    // `row` and points `found` to it exactly when it found the user.
    unsafe {
        libc::getpwnam_r(name.as_ptr(), row.as_mut_ptr(), space.as_mut_ptr(), space.len(), &raw mut found);
        found.as_ref().map(|row| row.pw_uid)
    }
}

fn by_group_name(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let mut row = MaybeUninit::<libc::group>::uninit();
    let mut space = vec![0; ROW];
    let mut found = std::ptr::null_mut();
    // SAFETY: as in `by_user_name`.
    unsafe {
        libc::getgrnam_r(name.as_ptr(), row.as_mut_ptr(), space.as_mut_ptr(), space.len(), &raw mut found);
        found.as_ref().map(|row| row.gr_gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_number_and_by_name() {
        assert_eq!(user_id("root"), Some(0));
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(user_id("4321"), Some(4321));
        assert_eq!(user_id("no such user"), None);
        assert_eq!(group_id("no\0such"), None);
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(0).as_deref(), Some("root"));
    }
}
