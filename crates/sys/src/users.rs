//! Users and groups by number or name, as the system's databases know them.

use std::ffi::CString;
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
    }
}
