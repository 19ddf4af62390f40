//! Batches: arrays of pointers to free blocks that threads pass to each other.
//!
//! A batch holds up to [`BLOCKS_MAX`] pointers and lies in memory of its own, so handing blocks
//! over touches none of them: their cache lines are in another core's cache, and the thread that
//! takes the blocks may never read what they contain. Empty batches wait on a stack until a thread
//! fills them again; there are as many as were ever waiting at once.
//!
//! # Safety
//! A batch that is on no stack belongs to the thread that holds it. Batches stay mapped for the
//! process's life, as [`Links`] demands.
#![allow(unsafe_code)]

use core::ptr;

use crate::batch_stack::{self, Batch, BatchStack, Links};
use crate::block::Block;
use crate::lock::{Lock, Locked};
use crate::os::memory::{Access, PAGE, Refusal};
use crate::region::Region;
use crate::steps;
use crate::sync::AtomicU64;

/// Maximum number of blocks in a batch. With the word that links batches they make 512 bytes, which
/// one compare-and-swap hands over.
pub(crate) const BLOCKS_MAX: usize = 63;

/// Maximum number of batches: their 8 MiB suffice for all blocks that may wait in the central
/// store.
const BATCHES_MAX: usize = 1 << 14;
const POOL_BYTES: usize = BATCHES_MAX * size_of::<Record>();
/// Bytes of the pool that are made usable at once, if there is that much memory.
const STEP_BYTES: usize = 64 << 10;

/// The memory of a batch.
#[repr(C, align(512))]
struct Record {
    /// Link to the next batch of the stack.
    word: AtomicU64,
    blocks: [*mut Block; BLOCKS_MAX],
}
const _: () = assert!(size_of::<Record>() == 512);

/// Memory for batches, and the bytes of it that have been used so far.
struct Pool {
    region: Region,
    used: usize,
}

static POOL: Locked<Pool> = Locked::new(Pool { region: Region::NONE, used: 0 });
/// Empty batches, by the bin of the blocks that they held last, so that threads of different bins
/// do not meet (false sharing).
#[repr(align(128))]
struct Empty(BatchStack);
const EMPTIES: usize = 16;
static EMPTY: [Empty; EMPTIES] = [const { Empty(BatchStack(AtomicU64::new(0))) }; EMPTIES];

/// Gives the stack access to a batch's word.
pub(crate) struct RecordLinks;

impl Links for RecordLinks {
    unsafe fn batch_word(&self, address: usize) -> &AtomicU64 {
        // SAFETY: only batches are pushed on stacks, and they stay mapped.
        unsafe { &*(address as *const AtomicU64) }
    }
}

/// The pool's lock, which fork needs.
pub(crate) fn lock() -> &'static Lock {
    &POOL.lock
}

/// Makes a batch of `blocks`, which are of `bin` and at most [`BLOCKS_MAX`]; `None` if there is no
/// memory.
pub(crate) fn fill(bin: usize, blocks: &[*mut Block]) -> Option<Batch> {
    debug_assert!(blocks.len() <= BLOCKS_MAX);
    let empty = EMPTY[bin % EMPTIES].0.pop(&RecordLinks).map(|batch| batch.address);
    let address = match empty {
        Some(address) => address,
        None => POOL.lock().extend()?,
    };
    let record = address as *mut Record;
    // SAFETY: the batch is on no stack, so this thread owns it.
    let entries = unsafe { ptr::addr_of_mut!((*record).blocks) };
    // SAFETY: as above, and it has room for `blocks`.
    unsafe { ptr::copy_nonoverlapping(blocks.as_ptr(), entries.cast(), blocks.len()) };
    Some(Batch { address, count: blocks.len() as u16 })
}

/// Moves the last blocks of `batch` to the end of `into`, as many as there is room for. Returns
/// their number and, if blocks are left, the batch with these; an empty batch goes back to the
/// pool.
///
/// # Safety
/// The caller owns the batch.
pub(crate) unsafe fn empty(
    bin: usize,
    batch: Batch,
    into: &mut [*mut Block],
) -> (usize, Option<Batch>) {
    let moved = into.len().min(batch.count.into());
    let left = usize::from(batch.count) - moved;
    let room = into.len() - moved;
    let record = batch.address as *mut Record;
    // SAFETY: the caller owns the batch.
    let entries = unsafe { ptr::addr_of!((*record).blocks) }.cast::<*mut Block>();
    // SAFETY: the batch has as many blocks as it says.
    let first = unsafe { entries.add(left) };
    // SAFETY: as above; `into` has room for them.
    unsafe { ptr::copy_nonoverlapping(first, into[room..].as_mut_ptr(), moved) };
    if left > 0 {
        return (moved, Some(Batch { count: left as u16, ..batch }));
    }
    // SAFETY: the caller owned the batch and has given it up.
    unsafe { EMPTY[bin % EMPTIES].0.push(&RecordLinks, Batch { count: 0, ..batch }) };
    (moved, None)
}

impl Pool {
    /// Address of a batch that was never used.
    fn extend(&mut self) -> Option<usize> {
        let needed = self.used + size_of::<Record>();
        match self.region.extend(needed, STEP_BYTES - PAGE, Access::ReadWrite) {
            Ok(()) => {}
            Err(Refusal::NoMemory) => return None,
            // There is no region yet, its addresses are used up, or other code has mapped the next
            // ones.
            Err(Refusal::Taken) => self.begin_region()?,
        }
        steps::any();
        let address = self.region.start() + self.used;
        self.used += size_of::<Record>();
        Some(address)
    }

    /// Begins another region. A child process may find this half done, by a thread that no longer
    /// exists; it then finds no region or a whole one.
    fn begin_region(&mut self) -> Option<()> {
        let first = size_of::<Record>();
        let region = Region::new(POOL_BYTES, POOL_BYTES, first, Access::ReadWrite)?;
        if !batch_stack::reaches(region.start() + POOL_BYTES) {
            region.give_up();
            return None;
        }
        self.region.replace(Region::NONE);
        self.used = 0;
        self.region.replace(region);
        Some(())
    }
}
