//! The exchange of a running request, lent to the Python objects that may use it.
//!
//! `start_response`, `write` and `wsgi.input` can be kept by the application and called from other threads or after
//! the request. They hold a [`Lease`]: it gives the exchange out to one borrower at a time while the request runs
//! and to nobody afterwards.

use margrave_server::Exchange;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

/// How long a thread that has no GIL to wait for waits for another one that uses the exchange: longer than any use that
/// does not wait for the client itself.
const PATIENCE: Duration = Duration::from_millis(10);

/// Why the exchange cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The request has ended.
    #[error("the request has ended: start_response, write and wsgi.input may be used only while it runs")]
    Ended,
    /// Another thread is using it.
    #[error("another thread of the application is using this request at the same moment")]
    Busy,
}

/// One slot for the exchange of the request in progress, and state of type `S` that belongs to the request.
#[derive(Debug)]
pub struct Lease<S> {
    exchange: AtomicPtr<c_void>,
    busy: AtomicBool,
    state: UnsafeCell<S>,
}

const fn may_move<T: Send>() {}
const _: () = may_move::<Exchange<'static>>();

// SAFETY: the exchange and the state are reached only by the thread that has set `busy` (acquire) and until it
// clears it (release); `Exchange` and `S` may move between threads.
unsafe impl<S: Send> Sync for Lease<S> {}
// SAFETY: as above; the pointer is null whenever no `grant` is running.
unsafe impl<S: Send> Send for Lease<S> {}

/// The right to use the exchange and the state of the lease it came from; given back when dropped.
struct Borrowed<'a>(&'a AtomicBool);

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<S> Lease<S> {
    /// An empty lease.
    pub const fn new(state: S) -> Self {
        Self {
            exchange: AtomicPtr::new(ptr::null_mut()),
            busy: AtomicBool::new(false),
            state: UnsafeCell::new(state),
        }
    }

    /// Lends `exchange` to everybody who holds this lease while `body` runs. `waiting` is called again and again
    /// when another thread still uses it at the end.
    pub fn grant<R>(&self, exchange: &mut Exchange<'_>, waiting: impl Fn(), body: impl FnOnce() -> R) -> R {
        struct Revoke<'a, S, W: Fn()>(&'a Lease<S>, W);
        impl<S, W: Fn()> Drop for Revoke<'_, S, W> {
            fn drop(&mut self) {
                let _release = self.0.wait(&self.1);
                self.0.exchange.store(ptr::null_mut(), Ordering::Relaxed);
            }
        }
        self.exchange.store(ptr::from_mut(exchange).cast(), Ordering::Release);
        let _revoke = Revoke(self, waiting);
        body()
    }

    /// Uses the exchange.
    ///
    /// # Errors
    /// When the request has ended or another thread is using it.
    #[inline]
    pub fn with<R>(&self, body: impl FnOnce(&mut Exchange<'_>, &mut S) -> R) -> Result<R, LeaseError> {
        let borrowed = match self.try_borrow() {
            Some(borrowed) => borrowed,
            // With a GIL it is another thread that waits for the client: nobody else could be seen at it.
            None if cfg!(Py_GIL_DISABLED) => self.borrow_soon().ok_or(LeaseError::Busy)?,
            None => return Err(LeaseError::Busy),
        };
        self.lend(borrowed, body)
    }

    /// As [`Self::with`]; calls `waiting` again and again while another thread is using the exchange.
    ///
    /// # Errors
    /// When the request has ended.
    pub fn with_patience<R>(
        &self,
        waiting: impl Fn(),
        body: impl FnOnce(&mut Exchange<'_>, &mut S) -> R,
    ) -> Result<R, LeaseError> {
        self.lend(self.wait(&waiting), body)
    }

    /// Uses the state without an exchange, once the request has ended; `None` while another thread still uses them.
    pub fn with_rest<R>(&self, body: impl FnOnce(&mut S) -> R) -> Option<R> {
        let _borrowed = self.try_borrow()?;
        // SAFETY: `_borrowed` is of this lease and makes this the only borrower of the state.
        Some(body(unsafe { &mut *self.state.get() }))
    }

    fn try_borrow(&self) -> Option<Borrowed<'_>> {
        // Not `then_some`: a `Borrowed` that is made and not given out would give back what another thread has.
        (!self.busy.swap(true, Ordering::Acquire)).then(|| Borrowed(&self.busy))
    }

    #[cold]
    fn borrow_soon(&self) -> Option<Borrowed<'_>> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(borrowed) = self.try_borrow() {
                return Some(borrowed);
            }
            std::thread::yield_now();
        }
        None
    }

    fn wait(&self, waiting: &impl Fn()) -> Borrowed<'_> {
        loop {
            if let Some(borrowed) = self.try_borrow() {
                return borrowed;
            }
            waiting();
        }
    }

    fn lend<R>(
        &self,
        _borrowed: Borrowed<'_>,
        body: impl FnOnce(&mut Exchange<'_>, &mut S) -> R,
    ) -> Result<R, LeaseError> {
        let exchange = self.exchange.load(Ordering::Acquire).cast::<Exchange<'_>>();
        if exchange.is_null() {
            return Err(LeaseError::Ended);
        }
        // SAFETY: non-null means that `grant` runs and holds the only reference to the exchange, without using it;
        // `grant` cannot return before `busy` is cleared; `_borrowed` is of this lease and makes this the only borrower of
        // exchange and state; `body` is generic over the lifetime and can keep nothing.
        let (exchange, state) = unsafe { (&mut *exchange, &mut *self.state.get()) };
        Ok(body(exchange, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_in_vain_leaves_it_to_the_one_who_has_it() {
        let lease = Lease::new(());
        let borrowed = lease.try_borrow().unwrap();
        assert!(lease.try_borrow().is_none());
        assert!(lease.try_borrow().is_none(), "the second question has the same answer");
        assert!(lease.with_rest(|()| ()).is_none());
        drop(borrowed);
        assert!(lease.try_borrow().is_some());
        assert!(lease.with_rest(|()| ()).is_some());
    }
}
