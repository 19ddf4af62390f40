//! The live bits: one bit for each 8 bytes of an arena, kept only where every free is checked
//! (`HAKMEM_CHECK=full`).
//!
//! A set bit says that the program holds the block at that address. Each allocation sets the bit,
//! and each free clears it. A free that finds the bit clear is wrong; the slab tells in which way.
//!
//! # Orderings
//! Relaxed throughout: a bit changes by an atomic read-modify-write, and a thread that frees a
//! block received it from the allocating thread through the program's own synchronisation. If two
//! threads free one block at once, one of them finds the bit clear.
//!
//! # Safety
//! The bits of an arena's usable part are mapped before blocks of that part are handed out.

use hakmem_segment::Check;

use super::{ARENAS_MAX, COUNT, RANGES};
use crate::os::memory::{Access, PAGE};
use crate::region::Region;
use crate::routing::Choice;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// Bytes of an arena that one word of bits covers.
const WORD_COVERS: usize = 64 * 8;

/// Address of each arena's words.
static WORDS: [AtomicUsize; ARENAS_MAX] = [const { AtomicUsize::new(0) }; ARENAS_MAX];

/// Makes sure that the first `bytes` of the arena's blocks have live bits, which lie in `region`;
/// false if there is no memory.
pub(super) fn grow(arena: usize, region: &mut Region, bytes: usize) -> bool {
    if Choice::current().check != Check::Full {
        return true;
    }
    let needed = bytes.div_ceil(64).next_multiple_of(PAGE);
    if WORDS[arena].load(Ordering::Relaxed) == 0 {
        let planned = RANGES[arena].bytes.load(Ordering::Relaxed) / 64;
        let planned = planned.next_multiple_of(PAGE);
        let Some(new) = Region::new(planned, planned, needed, Access::ReadWrite) else {
            return false;
        };
        WORDS[arena].store(new.start(), Ordering::Relaxed);
        *region = new;
    }
    region.extend(needed, 0, Access::ReadWrite).is_ok()
}

/// Marks the block at `address` as held by the program.
pub(crate) fn set(address: usize) {
    if let Some((word, bit)) = place(address) {
        word.fetch_or(bit, Ordering::Relaxed);
    }
}

/// Marks the block at `address` as freed; false if the program did not hold it.
pub(crate) fn clear(address: usize) -> bool {
    place(address).is_some_and(|(word, bit)| word.fetch_and(!bit, Ordering::Relaxed) & bit != 0)
}

/// Whether the program holds a block at `address`.
pub(crate) fn is_set(address: usize) -> bool {
    place(address).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
}

/// Word and bit for `address`; `None` outside the usable parts, and for an address that is not
/// aligned to 8 bytes, as every block is.
fn place(address: usize) -> Option<(&'static AtomicU64, u64)> {
    // Acquire: pairs with the Release in `append`, which publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    let arena = RANGES[..count].iter().position(|range| range.holds(address))?;
    let words = WORDS[arena].load(Ordering::Relaxed);
    if words == 0 || !address.is_multiple_of(8) {
        return None;
    }
    let offset = address - RANGES[arena].first.load(Ordering::Relaxed);
    let word = words + offset / WORD_COVERS * size_of::<AtomicU64>();
    // SAFETY: `grow` mapped the words of the usable part before it became usable.
    let word = unsafe { &*(word as *const AtomicU64) };
    Some((word, 1 << (offset / 8 % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_outside_of_every_arena_is_never_live() {
        let here = [0_u64; 2];
        let address = here.as_ptr() as usize;
        set(address);
        assert!(!is_set(address));
        assert!(!clear(address));
    }
}
