//! Adds up what a slot says of its owners' calls.
//!
//! The owner itself reads plain words: nothing else writes them. Another thread reads each bin
//! under the slot's sequence, as readers of the segment do.
//!
//! # Orderings
//! Relaxed for the owner. For another thread, the first load of the sequence is an Acquire load,
//! which pairs with the Release store at the end of [`SlotWriter::update`], and an Acquire fence
//! precedes the second one, which pairs with the Release fence at the beginning.
//!
//! # Safety
//! The rules of `slot` apply.
#![allow(unsafe_code)]

use core::hint;
#[cfg(target_arch = "x86_64")]
use core::mem;
#[cfg(target_arch = "x86_64")]
use core::ptr;
use core::ptr::addr_of_mut;

use hakmem_segment::{AllocReason, BIN_LARGE, BIN_NONE, FreeReason, ListWord};

use super::SlotWriter;
use crate::bins;
use crate::counts::Details;
use crate::sync::{AtomicU64, Ordering, fence};

/// The words that fast paths may change, rounded up to a pair.
const SUMMED: usize = (*bins::in_use().end() + 1).next_multiple_of(2);

/// Those words.
#[repr(C, align(16))]
struct Words([u64; SUMMED]);

#[cfg(target_arch = "x86_64")]
impl Words {
    /// Their sum. The compiler does not vectorise it by itself.
    #[inline(always)]
    fn sum(&self) -> u64 {
        use core::arch::x86_64::{__m128i, _mm_add_epi64};
        let words = ptr::from_ref(self).cast::<[__m128i; SUMMED / 2]>();
        // SAFETY: of equal size and alignment, and any bits are valid.
        let [first, others @ ..] = unsafe { &*words };
        let pair = others.iter().fold(*first, |sum, &pair| {
            // SAFETY: every x86-64 processor has SSE2.
            unsafe { _mm_add_epi64(sum, pair) }
        });
        // SAFETY: any bits are valid.
        let [low, high] = unsafe { mem::transmute::<__m128i, [u64; 2]>(pair) };
        low.wrapping_add(high)
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Words {
    /// Their sum.
    #[inline(always)]
    fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, &word| sum.wrapping_add(word))
    }
}
const _: () = assert!(core::mem::offset_of!(hakmem_segment::Slot, words).is_multiple_of(16));

/// Equal before and after a piece of code if its thread made no call that the slot counts.
///
/// A slow path changes the sequence. Without one, `p` pushes and `q` pops change the sum of the
/// words by `65537 p - q`, and `q` is at most `p` and the blocks on all lists. Those are fewer than
/// 65536, so the sum is the same only if both are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    sequence: u64,
    sum: u64,
}

impl Glance {
    /// A look that never comes: between two calls, the sequence is even.
    pub(crate) const UNSEEN: Self = Self { sequence: 1, sum: 0 };
}

const _: () = {
    assert!(ListWord::PUSH == 65537 && ListWord::POP == 1);
    let (mut blocks, mut bin) = (0, 0);
    while bin < hakmem_segment::BINS {
        if bins::in_use_contains(bin) {
            blocks += bins::capacity_max(bin) as usize;
        }
        bin += 1;
    }
    assert!(blocks < 65536);
};

/// Attempts to read a bin of another thread between two of its slow paths. A thread that was
/// stopped in the middle of one is read as it is.
const ATTEMPTS: u32 = 1000;

impl SlotWriter {
    /// Looks at the slot of the calling thread.
    #[inline(always)]
    pub(crate) fn glance(self) -> Glance {
        // SAFETY: inside the slot, which is mapped.
        let words = unsafe { addr_of_mut!((*self.0).words) }.cast::<Words>();
        // SAFETY: a slot is aligned to pages, and its words to sixteen bytes in it; only the
        // calling thread writes them.
        let words = unsafe { &*words };
        Glance { sequence: self.sequence().load(Ordering::Relaxed), sum: words.sum() }
    }

    #[inline(always)]
    fn sequence(self) -> &'static AtomicU64 {
        word!(self, header.sequence)
    }

    /// Adds to `details` what the slot of the calling thread counts.
    pub(crate) fn add_own_to(self, details: &mut Details) {
        for bin in counted_bins() {
            self.read(bin).add_to(bin, details);
        }
    }

    /// Adds to `details` what the slot of any thread counts.
    pub(crate) fn add_to(self, details: &mut Details) {
        for bin in counted_bins() {
            self.read_settled(bin).add_to(bin, details);
        }
    }

    fn read_settled(self, bin: usize) -> Tally {
        let sequence = self.sequence();
        for _ in 1..ATTEMPTS {
            // Acquire: pairs with the end of `update`, whose stores are then seen.
            let before = sequence.load(Ordering::Acquire);
            let tally = self.read(bin);
            // Acquire: pairs with the Release fence of `update`; the sequence is read last.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && sequence.load(Ordering::Relaxed) == before {
                return tally;
            }
            hint::spin_loop();
        }
        self.read(bin)
    }

    /// Reads the counts of a bin, of which only the word changes while the sequence stays.
    fn read(self, bin: usize) -> Tally {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let list = ListWord(load(self.list_word(bin)));
        let depth = list.depth(self.capacity(bin).load(Ordering::Relaxed));
        let freed =
            list.freed_fast().wrapping_add(load(word!(self, records[bin].freed_fast_carried)));
        // The identity of `hakmem_segment`.
        let allocated = load(word!(self, records[bin].refilled_blocks))
            .wrapping_add(freed)
            .wrapping_sub(load(word!(self, records[bin].flushed_blocks)))
            .wrapping_sub(u64::from(depth))
            .wrapping_sub(load(word!(self, records[bin].spare_blocks)));
        // It can be below 0 only where a thread was stopped in the middle of a slow path.
        let allocated = (allocated as i64).max(0) as u64;
        let mut tally = Tally { allocated, freed, ..Tally::default() };
        for &reason in AllocReason::ALL {
            let at = reason as usize;
            tally.slow_allocations[at] = load(word!(self, records[bin].alloc_reasons[at]));
        }
        for &reason in FreeReason::ALL {
            let at = reason as usize;
            tally.slow_frees[at] = load(word!(self, records[bin].free_reasons[at]));
        }
        if bin == BIN_LARGE {
            let bytes =
                (word!(self, header.large_allocated_bytes), word!(self, header.large_freed_bytes));
            (tally.large_allocated_bytes, tally.large_freed_bytes) = (load(bytes.0), load(bytes.1));
        }
        tally
    }
}

/// The bins that a slot counts in, and that of pointers without one, whose frees are rejected.
fn counted_bins() -> impl Iterator<Item = usize> {
    [BIN_NONE].into_iter().chain(bins::in_use()).chain([BIN_LARGE])
}

/// What a slot counts in one bin.
#[derive(Default)]
struct Tally {
    /// Fast allocations and fast frees.
    allocated: u64,
    freed: u64,
    slow_allocations: [u64; 8],
    slow_frees: [u64; 8],
    large_allocated_bytes: u64,
    large_freed_bytes: u64,
}

impl Tally {
    fn add_to(&self, bin: usize, details: &mut Details) {
        let (mut allocated, mut freed) = (self.allocated, self.freed);
        for &reason in AllocReason::ALL {
            let count = self.slow_allocations[reason as usize];
            details.slow_allocations[reason as usize] += count;
            allocated += if reason == AllocReason::OutOfMemory { 0 } else { count };
        }
        for &reason in FreeReason::ALL {
            let count = self.slow_frees[reason as usize];
            details.slow_frees[reason as usize] += count;
            freed += if reason == FreeReason::Rejected { 0 } else { count };
        }
        let Some(class) = details.classes.get_mut(bins::class(bin) as usize) else { return };
        class.allocations += allocated;
        class.frees += freed;
        if bin == BIN_LARGE {
            class.allocated_bytes += self.large_allocated_bytes;
            class.freed_bytes += self.large_freed_bytes;
        } else {
            class.allocated_bytes += allocated * bins::stride(bin) as u64;
            class.freed_bytes += freed * bins::stride(bin) as u64;
        }
    }
}
