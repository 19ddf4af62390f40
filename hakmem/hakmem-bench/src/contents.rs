//! Contents that a benchmark writes into its blocks: one type for each kind, so that a loop over
//! untouched blocks contains no code for the other kinds.

use crate::c_heap::{Block, FilledBlock};
use crate::pattern::{Damage, Pattern};

/// What blocks contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Only the byte that touches the first page is written: for timing.
    Bare,
    /// One byte in each page is written, so that page faults count: for timing large blocks.
    Pages,
    /// The first and the last byte are random, as if the program had filled the block.
    Ends,
    /// Every byte is written, and checked before the block is freed.
    Verified,
}

/// One allocation of a run.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Bytes to ask for, at least 1.
    pub size: usize,
    /// Allocations before this one.
    pub number: u64,
    /// Random bits: bits 12 to 19 give the first byte and bits 20 to 27 the last. The size comes
    /// from other bits, so any byte can occur with any size.
    pub random: u64,
}

/// A live block with its contents.
pub trait Held: Sized {
    /// Allocates a block and writes its contents; `None` if `malloc` returned null.
    fn allocate(request: Request) -> Option<Self>;

    /// Checks the contents if the type can, and frees the block.
    fn free(self) -> Result<(), Damage>;
}

impl Held for Block {
    #[inline(always)]
    fn allocate(request: Request) -> Option<Self> {
        Self::allocate(request.size)
    }

    #[inline(always)]
    fn free(self) -> Result<(), Damage> {
        self.free();
        Ok(())
    }
}

/// A block with one byte written in each page.
#[derive(Debug)]
pub(crate) struct PagedBlock(Block);

impl Held for PagedBlock {
    #[inline(always)]
    fn allocate(request: Request) -> Option<Self> {
        let mut block = Block::allocate(request.size)?;
        block.touch_pages(0, request.size);
        Some(Self(block))
    }

    #[inline(always)]
    fn free(self) -> Result<(), Damage> {
        self.0.free();
        Ok(())
    }
}

/// A block with its first and last byte written.
pub(crate) struct EndedBlock(Block);

impl Held for EndedBlock {
    #[inline(always)]
    fn allocate(request: Request) -> Option<Self> {
        let mut block = Block::allocate(request.size)?;
        let [first, last] = [(request.random >> 12) as u8, (request.random >> 20) as u8];
        block.write_ends(request.size, first, last);
        Some(Self(block))
    }

    #[inline(always)]
    fn free(self) -> Result<(), Damage> {
        self.0.free();
        Ok(())
    }
}

impl Held for FilledBlock {
    fn allocate(request: Request) -> Option<Self> {
        Self::allocate(request.size, Pattern::of_allocation(request.number))
    }

    fn free(self) -> Result<(), Damage> {
        self.check()?;
        self.free();
        Ok(())
    }
}
