//! The one-byte header of the ancestor: `0xa0 | class`, in front of a block.
//!
//! The header lies in the last byte *before* its block, which is the tail of the preceding block.
//! So blocks stay aligned to 16 bytes, and a block of a bin with headers has one byte less than its
//! stride. It is written once, when the block is carved, and never by `malloc`.
//!
//! This module writes headers; only the front gate reads them.
//!
//! # Safety
//! Headers are written only in front of blocks whose layout has room for them.
#![allow(unsafe_code)]

use hakmem_segment::Class;

use crate::block::Block;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 1;
const MAGIC: u8 = 0xa0;
const MAGIC_MASK: u8 = 0xf8;

/// The header of a tiny class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header(u8);

impl Header {
    /// The header of one of C0..C7.
    pub(crate) const fn of(class: Class) -> Self {
        Self(MAGIC | (class as u8 & !MAGIC_MASK))
    }

    /// Number of the class that `byte` claims, 0 to 7; `None` if it does not look like a header.
    #[inline(always)]
    pub(crate) const fn claimed_class(byte: u8) -> Option<usize> {
        if byte & MAGIC_MASK == MAGIC { Some((byte & !MAGIC_MASK) as usize) } else { None }
    }

    /// The byte in memory.
    pub(crate) const fn byte(self) -> u8 {
        self.0
    }

    /// Whether `byte` is this header.
    pub(crate) const fn is(self, byte: u8) -> bool {
        self.0 == byte
    }

    /// Writes the header in front of `block`.
    ///
    /// # Safety
    /// The byte before the block belongs to the allocator.
    pub(crate) unsafe fn write(self, block: *mut Block) {
        // SAFETY: the caller guarantees that the byte is the allocator's.
        unsafe { block.cast::<u8>().wrapping_sub(HEADER_BYTES).write(self.0) };
    }
}
