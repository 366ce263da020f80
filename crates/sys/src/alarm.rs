//! A sleep that others end: at once, or at a time that they set and take back without waking anybody.

use crate::poller::Waker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What one thread sleeps on.
#[derive(Debug)]
pub struct Alarm {
    caller: Waker,
    timer: OwnedFd,
}

impl Alarm {
    /// An alarm for which no time is set.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn new() -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { caller: Waker::new()?, timer })
    }

    /// Ends the sleep, or the next one, at once.
    pub fn call(&self) {
        self.caller.wake();
    }

    /// Ends the sleep after so long, and not at the time that was set before.
    pub fn set(&self, after: Duration) {
        self.set_timer(after.max(Duration::from_nanos(1)));
    }

    /// Takes the time back that was set, over or not.
    pub fn clear(&self) {
        self.set_timer(Duration::ZERO);
    }

    /// Whether the time that was set last is over; `true` once.
    pub fn take_expired(&self) -> bool {
        rustix::io::read(&self.timer, &mut [0u8; 8]).is_ok()
    }

    /// Sleeps until it is called or the time that is set is over, which stays so until it is taken.
    pub fn sleep(&self) {
        self.poll(
            &mut [PollFd::new(&self.caller, PollFlags::IN), PollFd::new(&self.timer, PollFlags::IN)],
            None,
        );
    }

    /// Sleeps until it is called or for so long, whatever time is set.
    pub fn sleep_for(&self, time: Duration) {
        self.poll(&mut [PollFd::new(&self.caller, PollFlags::IN)], Some(time));
    }

    fn poll(&self, watched: &mut [PollFd<'_>], timeout: Option<Duration>) {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // Interrupted or not: whoever sleeps looks at why it woke.
        let _ = poll(watched, timeout.as_ref());
        if watched[0].revents().contains(PollFlags::IN) {
            self.caller.drain();
        }
    }

    fn set_timer(&self, after: Duration) {
        let once = Timespec::try_from(after).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Fails for values that are no time only, and these are.
        let _ = timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: never, it_value: once },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_over_ends_the_sleep_and_is_taken_once() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Duration::from_millis(1));
        alarm.sleep();
        assert!(alarm.take_expired());
        assert!(!alarm.take_expired());
    }

    #[test]
    fn a_call_ends_the_next_sleep_and_leaves_the_time_alone() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Duration::from_secs(3600));
        alarm.call();
        alarm.sleep();
        alarm.call();
        alarm.sleep_for(Duration::from_secs(3600));
        assert!(!alarm.take_expired());
    }

    #[test]
    fn a_time_that_was_taken_back_does_not_count_even_when_it_is_over() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Duration::from_nanos(1));
        alarm.sleep();
        alarm.clear();
        assert!(!alarm.take_expired());
    }
}
