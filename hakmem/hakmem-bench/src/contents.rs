//! What a benchmark writes into its blocks, as one type for each way, so that a loop over blocks
//! that are left alone contains nothing of the others.

use crate::c_heap::{Block, FilledBlock};
use crate::pattern::{Damage, Pattern};

/// What blocks contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing but the byte that touches the first page: for timing.
    Bare,
    /// Nothing but a byte that touches each page, so that page faults count: for timing large
    /// blocks.
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
    /// Random bits: 12..20 are for the first byte and 20..28 for the last. Neither overlaps the
    /// bits that the size comes from, so any byte can follow any size.
    pub random: u64,
}

/// A live block with its contents.
pub trait Held: Sized {
    /// Allocates a block and writes what it shall contain; `None` where `malloc` returned null.
    fn allocate(request: Request) -> Option<Self>;

    /// Frees the block, after a look at what should be in it.
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

/// A block of which a byte in each page was written.
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

/// A block whose first and last byte were written.
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
