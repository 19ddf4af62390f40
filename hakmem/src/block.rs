//! A block's memory while it is free.

/// A free block, only ever handled by pointer. A block is at least this large. While it is free its
/// contents are not read, except under `e3`, whose lists run through their blocks.
#[repr(C)]
pub(crate) struct Block {
    /// Next block of an `e3` list, or null.
    pub(crate) next: *mut Block,
}
