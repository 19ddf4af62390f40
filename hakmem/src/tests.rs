//! Tests of the crate as a whole, and what tests of its parts share.
#![allow(unsafe_code)]

mod carry;
mod exact;
mod layers;
mod model;
mod small;

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());

/// Starts the allocator, unpublished: tests must not leave segments behind.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: of the tests, only those that come here read or write the environment, and they
        // wait for this.
        unsafe { std::env::set_var("HAKMEM_TELEMETRY", "off") };
        crate::entry::start();
    });
}

/// Starts the allocator and keeps others that use it away while the guard lives: for tests that
/// look at what the whole process holds.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    start();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
