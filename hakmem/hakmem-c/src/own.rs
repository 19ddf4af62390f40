//! hakmem's own functions, which `hakmem.h` declares.
//!
//! The preload library comes before this one and then serves the program; it stores its answers in
//! `hakmem_in_front`. Behind any other allocator there are no answers.
//!
//! # Safety
//! Each function's duties are those that `hakmem.h` names.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::answers::{ANSWERS, Answers, BAD_KEY, BAD_VALUE, Counts, LABELS_FULL, OK, WRONG_SIZE};
use crate::variant;

/// Another allocator serves the program.
const NOT_SERVING: c_int = 2;

/// The answers of the library in front of this one; null if there is none. Not for programs.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static hakmem_in_front: AtomicPtr<Answers> = AtomicPtr::new(ptr::null_mut());

/// The answers about the allocator that serves the program, if it is hakmem.
fn answers() -> Option<&'static Answers> {
    // Acquire: pairs with the Release of the library in front.
    let in_front = hakmem_in_front.load(Ordering::Acquire);
    // SAFETY: null, or a constant of a library that stays loaded.
    match unsafe { in_front.as_ref() } {
        Some(answers) if answers.size >= size_of::<Answers>() => Some(answers),
        Some(_) => None,
        None => variant::is_serving().then_some(&ANSWERS),
    }
}

/// `hakmem_version`.
#[unsafe(no_mangle)]
extern "C" fn hakmem_version() -> c_int {
    const fn number(text: &str) -> c_int {
        let (mut number, mut at) = (0, 0);
        while at < text.len() {
            number = number * 10 + (text.as_bytes()[at] - b'0') as c_int;
            at += 1;
        }
        number
    }
    const MAJOR: c_int = number(env!("CARGO_PKG_VERSION_MAJOR"));
    const MINOR: c_int = number(env!("CARGO_PKG_VERSION_MINOR"));
    const PATCH: c_int = number(env!("CARGO_PKG_VERSION_PATCH"));
    MAJOR * 10_000 + MINOR * 100 + PATCH
}

/// `hakmem_thread_counts`.
#[unsafe(no_mangle)]
unsafe extern "C" fn hakmem_thread_counts(counts: *mut Counts) -> c_int {
    match answers() {
        // SAFETY: the caller's duty.
        Some(answers) => unsafe { (answers.thread_counts)(counts) },
        None => NOT_SERVING,
    }
}

/// `hakmem_process_counts`.
#[unsafe(no_mangle)]
unsafe extern "C" fn hakmem_process_counts(counts: *mut Counts) -> c_int {
    match answers() {
        // SAFETY: the caller's duty.
        Some(answers) => unsafe { (answers.process_counts)(counts) },
        None => NOT_SERVING,
    }
}

/// `hakmem_segment_key`.
#[unsafe(no_mangle)]
unsafe extern "C" fn hakmem_segment_key(buffer: *mut c_char, size: usize) -> usize {
    match answers() {
        // SAFETY: the caller's duty.
        Some(answers) => unsafe { (answers.segment_key)(buffer, size) },
        None => {
            if size > 0 {
                // SAFETY: the caller's buffer has `size` bytes.
                unsafe { *buffer = 0 };
            }
            0
        }
    }
}

/// `hakmem_mark_exit`.
#[unsafe(no_mangle)]
extern "C" fn hakmem_mark_exit(code: c_int) {
    if let Some(answers) = answers() {
        (answers.mark_exit)(code);
    }
}

/// `hakmem_set_label`.
#[unsafe(no_mangle)]
unsafe extern "C" fn hakmem_set_label(key: *const c_char, value: *const c_char) -> c_int {
    match answers() {
        // SAFETY: the caller's duty.
        Some(answers) => unsafe { (answers.set_label)(key, value) },
        None => NOT_SERVING,
    }
}

/// `hakmem_message`.
#[unsafe(no_mangle)]
extern "C" fn hakmem_message(status: c_int) -> *const c_char {
    let text = match status {
        OK => c"no error",
        WRONG_SIZE => c"the size of hakmem_counts is wrong; begin it as HAKMEM_COUNTS_INIT",
        NOT_SERVING => {
            c"another allocator serves the program's malloc; link -lhakmem first, preload nothing"
        }
        BAD_KEY => {
            c"a label's key must be UTF-8, not empty, without a comma, =, or control character, \
              and without a space at an end"
        }
        BAD_VALUE => {
            c"a label's value must be UTF-8, without a comma or control character, and without a \
              space at an end"
        }
        LABELS_FULL => c"all labels together may have 511 bytes; shorten some",
        _ => c"not a status of hakmem",
    };
    text.as_ptr()
}
