//! Batches: arrays of pointers to free blocks on their way from thread to thread.
//!
//! A batch holds up to [`BLOCKS_MAX`] blocks and lies in memory of its own, so that handing blocks
//! over touches none of them: who takes them may need them for something else than their contents,
//! and their lines are in another core's cache. Batches that are empty wait on a stack for whoever
//! fills the next one; there are as many as ever waited at once.
//!
//! # Safety
//! A batch that is on no stack is its holder's. Batches stay mapped for the process's life, as
//! [`Links`] demands.
#![allow(unsafe_code)]

use core::ptr;

use crate::batch_stack::{self, Batch, BatchStack, Links};
use crate::block::Block;
use crate::lock::{Lock, Locked};
use crate::os::memory::{Access, PAGE, Refusal};
use crate::region::Region;
use crate::steps;
use crate::sync::AtomicU64;

/// Blocks of one batch: with the word that links batches, 512 bytes, whose handover costs one
/// compare and exchange.
pub(crate) const BLOCKS_MAX: usize = 63;

/// Batches there are at most: their 8 MiB are enough for whatever the central store lets wait.
const BATCHES_MAX: usize = 1 << 14;
const POOL_BYTES: usize = BATCHES_MAX * size_of::<Record>();
/// Memory made usable at once, where there is as much.
const STEP_BYTES: usize = 64 << 10;

/// A batch in memory.
#[repr(C, align(512))]
struct Record {
    /// What the stack links batches with.
    word: AtomicU64,
    blocks: [*mut Block; BLOCKS_MAX],
}
const _: () = assert!(size_of::<Record>() == 512);

/// Memory for batches, and what of it was used so far.
struct Pool {
    region: Region,
    used: usize,
}

static POOL: Locked<Pool> = Locked::new(Pool { region: Region::NONE, used: 0 });
/// Empty batches, by what they held last: threads of different bins should not meet.
#[repr(align(128))]
struct Empty(BatchStack);
const EMPTIES: usize = 16;
static EMPTY: [Empty; EMPTIES] = [const { Empty(BatchStack(AtomicU64::new(0))) }; EMPTIES];

/// Reaches a batch's word.
pub(crate) struct RecordLinks;

impl Links for RecordLinks {
    unsafe fn batch_word(&self, address: usize) -> &AtomicU64 {
        // SAFETY: only batches are pushed on stacks, and they stay mapped.
        unsafe { &*(address as *const AtomicU64) }
    }
}

/// The pool's lock, for fork.
pub(crate) fn lock() -> &'static Lock {
    &POOL.lock
}

/// A batch of these blocks of a bin, of which there are at most [`BLOCKS_MAX`]; `None` if there is no
/// memory.
pub(crate) fn fill(bin: usize, blocks: &[*mut Block]) -> Option<Batch> {
    debug_assert!(blocks.len() <= BLOCKS_MAX);
    let empty = EMPTY[bin % EMPTIES].0.pop(&RecordLinks).map(|batch| batch.address);
    let address = match empty {
        Some(address) => address,
        None => POOL.lock().extend()?,
    };
    let record = address as *mut Record;
    // SAFETY: on no stack, so it is this thread's.
    let entries = unsafe { ptr::addr_of_mut!((*record).blocks) };
    // SAFETY: as above, and it has room for as many.
    unsafe { ptr::copy_nonoverlapping(blocks.as_ptr(), entries.cast(), blocks.len()) };
    Some(Batch { address, count: blocks.len() as u16 })
}

/// Moves the last blocks of a batch to the end of a slice, as many as there is room for. Returns how
/// many; a batch that is empty then is given up, what is left of another is the caller's.
///
/// # Safety
/// The batch is the caller's.
pub(crate) unsafe fn empty(
    bin: usize,
    batch: Batch,
    into: &mut [*mut Block],
) -> (usize, Option<Batch>) {
    let moved = into.len().min(batch.count.into());
    let left = usize::from(batch.count) - moved;
    let room = into.len() - moved;
    let record = batch.address as *mut Record;
    // SAFETY: the caller's duty.
    let entries = unsafe { ptr::addr_of!((*record).blocks) }.cast::<*mut Block>();
    // SAFETY: the batch has as many blocks as it says.
    let first = unsafe { entries.add(left) };
    // SAFETY: as above; the slice has room for them.
    unsafe { ptr::copy_nonoverlapping(first, into[room..].as_mut_ptr(), moved) };
    if left > 0 {
        return (moved, Some(Batch { count: left as u16, ..batch }));
    }
    // SAFETY: the caller's duty: nobody else has it.
    unsafe { EMPTY[bin % EMPTIES].0.push(&RecordLinks, Batch { count: 0, ..batch }) };
    (moved, None)
}

impl Pool {
    /// A batch that was never used.
    fn extend(&mut self) -> Option<usize> {
        let needed = self.used + size_of::<Record>();
        match self.region.extend(needed, STEP_BYTES - PAGE, Access::ReadWrite) {
            Ok(()) => {}
            Err(Refusal::NoMemory) => return None,
            // There is none yet, its addresses are used up, or somebody has mapped the next ones.
            Err(Refusal::Taken) => self.begin_region()?,
        }
        steps::any();
        let address = self.region.start() + self.used;
        self.used += size_of::<Record>();
        Some(address)
    }

    /// Goes on in another region. A child process may find this half done, by a thread that does not
    /// exist: then it finds no region, or a whole one.
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
