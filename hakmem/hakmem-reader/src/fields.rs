//! Reads little-endian fields of a byte buffer, at offsets from `offset_of!`.
//!
//! Offsets and lengths come from the layout, never from the file: an access beyond the buffer is a
//! bug here, and panics.

use std::mem::offset_of;

use hakmem_segment::BinRecord;

/// A buffer to read fields from.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// `length` bytes at `offset`.
    pub(crate) fn bytes(self, offset: usize, length: usize) -> &'a [u8] {
        &self.0[offset..offset + length]
    }

    fn array<const N: usize>(self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.bytes(offset, N));
        bytes
    }

    pub(crate) fn u8(self, offset: usize) -> u8 {
        self.0[offset]
    }

    pub(crate) fn u16(self, offset: usize) -> u16 {
        u16::from_le_bytes(self.array(offset))
    }

    pub(crate) fn u32(self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array(offset))
    }

    pub(crate) fn u64(self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }

    /// `N` consecutive words.
    pub(crate) fn u64s<const N: usize>(self, offset: usize) -> [u64; N] {
        std::array::from_fn(|index| self.u64(offset + index * 8))
    }

    /// The part of the buffer from `offset` on.
    pub(crate) fn from(self, offset: usize) -> Self {
        Self(&self.0[offset..])
    }

    /// The record of a bin that lies at the start of the buffer.
    pub(crate) fn bin_record(self) -> BinRecord {
        BinRecord {
            alloc_reasons: self.u64s(offset_of!(BinRecord, alloc_reasons)),
            free_reasons: self.u64s(offset_of!(BinRecord, free_reasons)),
            outcomes: self.u64s(offset_of!(BinRecord, outcomes)),
            refilled_blocks: self.u64(offset_of!(BinRecord, refilled_blocks)),
            flushed_blocks: self.u64(offset_of!(BinRecord, flushed_blocks)),
            spare_blocks: self.u64(offset_of!(BinRecord, spare_blocks)),
            freed_fast_carried: self.u64(offset_of!(BinRecord, freed_fast_carried)),
        }
    }
}
