//! The clocks: monotonic for deadlines (the same in every process), wall for what people read.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Time since an arbitrary start that all processes of this machine share.
#[must_use]
pub fn monotonic() -> Duration {
    to_duration(clock_gettime(ClockId::Monotonic))
}

/// Time since the Unix epoch.
#[must_use]
pub fn wall() -> Duration {
    to_duration(clock_gettime(ClockId::Realtime))
}

/// Seconds that local time is ahead of UTC at `epoch_seconds`.
#[must_use]
pub fn utc_offset(epoch_seconds: i64) -> i64 {
    let mut broken_down = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to memory of ours; the call fills `broken_down` whenever it returns non-null.
    unsafe {
        if libc::localtime_r(&raw const epoch_seconds, broken_down.as_mut_ptr()).is_null() {
            return 0;
        }
        broken_down.assume_init().tm_gmtoff
    }
}

/// Minute, hour, day of the month, month (from 1) and weekday (from Sunday) of local time.
#[must_use]
pub fn local_minute(epoch_seconds: i64) -> [i32; 5] {
    let mut found = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: as in `utc_offset`.
    unsafe {
        if libc::localtime_r(&raw const epoch_seconds, found.as_mut_ptr()).is_null() {
            return [0, 0, 1, 1, 4];
        }
        let tm = found.assume_init();
        [tm.tm_min, tm.tm_hour, tm.tm_mday, tm.tm_mon + 1, tm.tm_wday]
    }
}

/// Local time in the words of a strftime pattern; empty when the pattern is unusable or its text very long.
#[must_use]
pub fn format_local(pattern: &str, epoch_seconds: u64) -> String {
    let Ok(pattern) = CString::new(pattern) else { return String::new() };
    let seconds = i64::try_from(epoch_seconds).unwrap_or(i64::MAX);
    let mut broken_down = MaybeUninit::<libc::tm>::uninit();
    let mut text = [0u8; 256];
    // SAFETY: all pointers are to memory of ours with the length given; `broken_down` is filled whenever localtime_r
    // returns non-null, and `pattern` is NUL-terminated.
    let length = unsafe {
        if libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()).is_null() {
            return String::new();
        }
        libc::strftime(text.as_mut_ptr().cast(), text.len(), pattern.as_ptr(), broken_down.as_ptr())
    };
    String::from_utf8_lossy(&text[..length]).into_owned()
}

/// In the form in which the kernel takes times; longer ones than it knows become the longest.
pub(crate) fn to_timespec(time: Duration) -> rustix::time::Timespec {
    rustix::time::Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

fn to_duration(time: rustix::time::Timespec) -> Duration {
    // Both clocks count from a start in the past, so neither part is negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
