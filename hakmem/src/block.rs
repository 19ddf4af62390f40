//! A free block.

/// A free block. Only ever handled by pointer: a block is at least this large, and while it is free
/// nobody reads what is in it, but for `e3`, whose lists run through their blocks.
#[repr(C)]
pub(crate) struct Block {
    /// Next block of such a list, or null.
    pub(crate) next: *mut Block,
}
