//! System calls that tests have refused: a plan of the calling thread's, so that tests that run side
//! by side do not meet.
//!
//! # Safety
//! [`call`] demands what the real one demands.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::thread_local;

use super::super::syscall::{self, Errno};

/// What the thread's next calls of one number meet.
#[derive(Clone, Copy)]
struct Plan {
    number: Option<libc::c_long>,
    passed: usize,
    refused: usize,
}

const NO_PLAN: Plan = Plan { number: None, passed: 0, refused: 0 };

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(NO_PLAN) };
}

/// Lets `passed` calls of a number pass and has the next `refused` ones refused for want of memory,
/// while `work` runs.
pub(crate) fn with<R>(
    number: libc::c_long,
    passed: usize,
    refused: usize,
    work: impl FnOnce() -> R,
) -> R {
    PLAN.set(Plan { number: Some(number), passed, refused });
    let result = work();
    PLAN.set(NO_PLAN);
    result
}

/// Makes a system call about an address in whole pages, or refuses it as the plan says.
///
/// # Safety
/// As the call demands.
pub(super) unsafe fn call<const N: usize>(
    number: libc::c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    // qemu-user, under which tests meet larger pages, is not as strict as a kernel.
    assert!(arguments[0].is_multiple_of(super::page_bytes()), "{number}: {arguments:x?}");
    let mut plan = PLAN.get();
    if plan.number == Some(number) {
        let is_refused = plan.passed == 0 && plan.refused > 0;
        if is_refused {
            plan.refused -= 1;
        } else {
            plan.passed = plan.passed.saturating_sub(1);
        }
        PLAN.set(plan);
        if is_refused {
            return Err(Errno(libc::ENOMEM));
        }
    }
    // SAFETY: the caller's duty.
    unsafe { syscall::call(number, arguments) }
}
