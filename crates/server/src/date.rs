//! The `Date` field's value (RFC 9110 section 6.6.1), formatted once a second for each thread.

use margrave_sys::clock;
use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

thread_local! {
    static CACHE: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Calls `use_it` with the present date in IMF-fixdate form.
pub(crate) fn with_date<R>(use_it: impl FnOnce(&str) -> R) -> R {
    let second = clock::wall().as_secs();
    CACHE.with_borrow_mut(|(cached, text)| {
        if *cached != second {
            *text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            *cached = second;
        }
        use_it(text)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_date_has_the_fixed_form() {
        super::with_date(|date| {
            assert_eq!(date.len(), 29);
            assert!(date.ends_with(" GMT"));
        });
    }
}
