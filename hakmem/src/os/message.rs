//! Prints one clear line to standard error without allocating.
//!
//! # Safety
//! Writing to descriptor 2 has no precondition; if it is closed, the line is lost.
#![allow(unsafe_code)]

use core::fmt::{self, Write};

use super::syscall::call;

/// A line under construction; text that does not fit is cut off.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

/// Prints `hakmem: ` and the message as one line, in one system call so that the line stays whole.
#[cold]
#[inline(never)]
pub(crate) fn print(message: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 512], length: 0 };
    let _ = write!(line, "hakmem: {message}");
    line.bytes[line.length] = b'\n';
    let (at, bytes) = (line.bytes.as_ptr() as usize, line.length + 1);
    // SAFETY: the range is initialised and inside the array.
    let _ = unsafe { call(libc::SYS_write, [libc::STDERR_FILENO as usize, at, bytes]) };
}
