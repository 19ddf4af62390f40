//! A program without the standard library: hakmem needs none.
//!
//! Such a program aborts when it panics, which its manifest says (`panic = "abort"` in its
//! profiles), and is built with optimization, for otherwise `core` asks for an unwinder. The
//! packages of a workspace share their profiles, so here the command says it:
//!
//! ```sh
//! cargo build --release -p hakmem-no-std --features without-std \
//!     --config 'profile.release.panic="abort"'
//! ```

#![no_std]
#![no_main]
#![allow(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::ffi::c_int;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::abort() }
}

/// What unwinds calls this. Nothing here unwinds, but tables of the libraries name it.
// SAFETY: no other symbol has the name, for the standard library is not linked.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

struct Output;

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the text is readable for its whole length.
        let written = unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
        if usize::try_from(written) == Ok(text.len()) { Ok(()) } else { Err(fmt::Error) }
    }
}

// SAFETY: the C library's start calls this, once.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    let (sum, counts) = hakmem::measure(|| {
        let mut numbers = Vec::with_capacity(100);
        numbers.extend(1..=100_u64);
        numbers.iter().sum::<u64>()
    });
    match writeln!(Output, "sum {sum}, {} allocation", counts.allocations()) {
        Ok(()) => 0,
        Err(fmt::Error) => 1,
    }
}

// Without the standard library nobody else asks for the C library.
#[link(name = "c")]
unsafe extern "C" {}
