//! System calls that tests have refused, by a plan of the calling thread, so that tests that run at
//! the same time do not affect each other.
//!
//! # Safety
//! [`call`] has the conditions of the real one.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::thread_local;

use super::super::syscall::{self, Errno};

/// How the thread's next calls of one number fare.
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

/// While `work` runs, lets `passed` calls of `number` pass and refuses the next `refused` ones for
/// lack of memory.
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

/// Makes a system call whose first argument is a page-aligned address, or refuses it as planned.
///
/// # Safety
/// As for the system call `number`.
pub(super) unsafe fn call<const N: usize>(
    number: libc::c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    // qemu-user, under which the tests meet larger pages, is less strict than a kernel.
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
