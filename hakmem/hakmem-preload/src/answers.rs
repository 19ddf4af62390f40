//! What a program may ask the allocator: the functions behind `hakmem.h`, in C's types.
//!
//! Structures grow at their end alone. A program says how long the one is that it was compiled
//! with; it gets what both know, and zeros for the rest.
//!
//! # Safety
//! Each function's duties are those that `hakmem.h` names.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};
use core::ptr;

use hakmem::{AllocReason, Class, FreeReason, LabelError};

/// The question was answered.
pub const OK: c_int = 0;
/// The size in a structure is not that of any version.
pub const WRONG_SIZE: c_int = 1;
/// The key of a label is one that readers would not take as it is.
pub const BAD_KEY: c_int = 3;
/// The value of a label is one that readers would not take as it is.
pub const BAD_VALUE: c_int = 4;
/// There is no room for the label.
pub const LABELS_FULL: c_int = 5;

/// `hakmem_class_counts`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ClassCounts {
    allocations: u64,
    frees: u64,
    allocated_bytes: u64,
    freed_bytes: u64,
}

/// `hakmem_counts`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Counts {
    size: usize,
    allocations: u64,
    frees: u64,
    reallocations_in_place: u64,
    reallocations_moved: u64,
    allocated_bytes: u64,
    freed_bytes: u64,
    classes: [ClassCounts; 10],
    slow_allocations: [u64; 8],
    slow_frees: [u64; 8],
}

/// Bytes of the first version of [`Counts`].
const COUNTS_MIN: usize = 504;
/// Bytes beyond which a size is a mistake and not a later version.
const COUNTS_MAX: usize = 64 << 10;

/// Functions that answer.
#[derive(Debug)]
#[repr(C)]
pub struct Answers {
    /// Bytes of this structure, which grows at its end.
    pub size: usize,
    /// Fills in the counts of the calling thread.
    pub thread_counts: unsafe extern "C" fn(*mut Counts) -> c_int,
    /// Fills in the counts of the process.
    pub process_counts: unsafe extern "C" fn(*mut Counts) -> c_int,
    /// Writes the segment's key.
    pub segment_key: unsafe extern "C" fn(*mut c_char, usize) -> usize,
    /// Notes a normal end.
    pub mark_exit: extern "C" fn(c_int),
    /// Sets a label.
    pub set_label: unsafe extern "C" fn(*const c_char, *const c_char) -> c_int,
}

/// The functions of this library.
pub static ANSWERS: Answers = Answers {
    size: size_of::<Answers>(),
    thread_counts,
    process_counts,
    segment_key,
    mark_exit,
    set_label,
};

unsafe extern "C" fn thread_counts(counts: *mut Counts) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { fill(counts, hakmem::thread_counts) }
}

unsafe extern "C" fn process_counts(counts: *mut Counts) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { fill(counts, hakmem::process_counts) }
}

/// Fills in a structure of the length that it says.
///
/// # Safety
/// `to` is valid for as many bytes as its size says.
unsafe fn fill(to: *mut Counts, count: fn() -> hakmem::Counts) -> c_int {
    // SAFETY: the caller's duty.
    let size = unsafe { (*to).size };
    if !(COUNTS_MIN..=COUNTS_MAX).contains(&size) || !size.is_multiple_of(size_of::<u64>()) {
        return WRONG_SIZE;
    }
    let counts = Counts::of(&count(), size);
    let known = size.min(size_of::<Counts>());
    // SAFETY: the caller's structure has at least `known` bytes.
    unsafe { ptr::copy_nonoverlapping((&raw const counts).cast::<u8>(), to.cast(), known) };
    // SAFETY: the caller's structure has `size` bytes.
    let rest = unsafe { to.cast::<u8>().add(known) };
    // SAFETY: as above.
    unsafe { rest.write_bytes(0, size - known) };
    OK
}

impl Counts {
    fn of(counts: &hakmem::Counts, size: usize) -> Self {
        let mut all = Self {
            size,
            allocations: counts.allocations(),
            frees: counts.frees(),
            reallocations_in_place: counts.reallocations_in_place(),
            reallocations_moved: counts.reallocations_moved(),
            allocated_bytes: counts.allocated_bytes(),
            freed_bytes: counts.freed_bytes(),
            ..Self::default()
        };
        for (to, &class) in all.classes.iter_mut().zip(Class::ALL) {
            let from = counts.class(class);
            *to = ClassCounts {
                allocations: from.allocations,
                frees: from.frees,
                allocated_bytes: from.allocated_bytes,
                freed_bytes: from.freed_bytes,
            };
        }
        for &reason in AllocReason::ALL {
            all.slow_allocations[reason as usize] = counts.slow_allocations(reason);
        }
        for &reason in FreeReason::ALL {
            all.slow_frees[reason as usize] = counts.slow_frees(reason);
        }
        all
    }
}

/// Writes the key, cut to `size` bytes with a null at its end; returns the length of the whole key,
/// 0 if the process publishes no segment.
unsafe extern "C" fn segment_key(buffer: *mut c_char, size: usize) -> usize {
    let mut text = Text { buffer: buffer.cast(), size, length: 0 };
    if let Some(key) = hakmem::segment_key() {
        let _ = write!(text, "{key}");
    }
    if size > 0 {
        // SAFETY: the caller's buffer has `size` bytes.
        let end = unsafe { buffer.add(text.length.min(size - 1)) };
        // SAFETY: inside the buffer.
        unsafe { end.write(0) };
    }
    text.length
}

/// A buffer of the program's.
struct Text {
    buffer: *mut u8,
    size: usize,
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.size.saturating_sub(1).saturating_sub(self.length);
        let bytes = text.len().min(room);
        if bytes > 0 {
            // SAFETY: the buffer has room for that many bytes behind those written.
            let to = unsafe { self.buffer.add(self.length) };
            // SAFETY: as above.
            unsafe { ptr::copy_nonoverlapping(text.as_ptr(), to, bytes) };
        }
        self.length += text.len();
        Ok(())
    }
}

extern "C" fn mark_exit(code: c_int) {
    hakmem::mark_exit(code);
}

unsafe extern "C" fn set_label(key: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: the caller's duty.
    let Some(key) = (unsafe { text(key) }) else { return BAD_KEY };
    // SAFETY: the caller's duty.
    let Some(value) = (unsafe { text(value) }) else { return BAD_VALUE };
    match hakmem::set_label(key, value) {
        Ok(()) => OK,
        Err(LabelError::Key) => BAD_KEY,
        Err(LabelError::Value) => BAD_VALUE,
        Err(LabelError::Full) => LABELS_FULL,
    }
}

/// A C string as text; `None` if it is null or not UTF-8.
///
/// # Safety
/// `string` is null or a C string that lives long enough.
unsafe fn text<'a>(string: *const c_char) -> Option<&'a str> {
    if string.is_null() {
        return None;
    }
    // SAFETY: the caller's duty.
    unsafe { CStr::from_ptr(string) }.to_str().ok()
}

const _: () = assert!(size_of::<Counts>() >= COUNTS_MIN);
