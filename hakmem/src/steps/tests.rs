//! Stages a thread that ceases to exist at some point: a child process makes a change, and at the
//! point of a given number, in the middle of the change, it runs the test's verification and ends.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread_local;

thread_local! {
    /// Number of points until the end, 0 if no end is staged; and the verification that runs there.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    static AT_END: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Exit status of a child that completed the change before it reached the point.
const TOO_FEW: i32 = 77;
const FAILED: i32 = 78;

/// Counts a point, and ends the child at the chosen one.
pub(crate) fn next() {
    let Ok(left) = LEFT.try_with(|left| left.replace(left.get().saturating_sub(1))) else { return };
    if left == 1
        && let Some(verify) = AT_END.get()
    {
        end(verify);
    }
}

/// Counts a point where the order of stores does not matter.
pub(crate) fn any() {
    next();
}

/// Runs `verify` and ends the child.
fn end(verify: fn()) -> ! {
    let is_well = catch_unwind(AssertUnwindSafe(verify)).is_ok();
    // SAFETY: no precondition.
    unsafe { libc::_exit(if is_well { 0 } else { FAILED }) }
}

/// Makes `change` in a child process for each of its points, stops it there for good, and runs
/// `verify`, which may panic, in its place. Returns the number of points.
pub(crate) fn stop_at_each(change: fn(), verify: fn()) -> u32 {
    for point in 1.. {
        // SAFETY: the child makes no call that another thread's lock could block, except for calls
        // of this crate, which are what is tested; a panic there would be a failure anyway.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork failed");
        if child == 0 {
            AT_END.set(Some(verify));
            LEFT.set(point);
            change();
            // SAFETY: no precondition.
            unsafe { libc::_exit(TOO_FEW) };
        }
        let mut status = 0;
        // SAFETY: the call fills the word that it is given.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "killed by {} at point {point}", libc::WTERMSIG(status));
        match libc::WEXITSTATUS(status) {
            0 => {}
            TOO_FEW => return point - 1,
            code => panic!("the child failed with {code} at point {point}"),
        }
    }
    unreachable!("some change has no end")
}
