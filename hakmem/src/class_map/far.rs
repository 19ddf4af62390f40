//! Maps for single arenas that the class map does not reach.
//!
//! # Orderings
//! Maps are only ever appended. The count is stored with Release after a map's address and range,
//! and loaded with Acquire before these are read.
//!
//! # Safety
//! A map has as many entries as it says, and is never unmapped.

use super::entry as entry_at;
use crate::os::memory::Access;
use crate::region::Region;
use crate::sync::{AtomicU8, AtomicUsize, Ordering};

/// Maximum number of maps: one for each arena.
pub(crate) const FAR_MAX: usize = 64;

struct Far {
    base: AtomicUsize,
    /// The first granule that the map covers, and the number of granules.
    first: AtomicUsize,
    granules: AtomicUsize,
}

static MAPS: [Far; FAR_MAX] = [const {
    Far { base: AtomicUsize::new(0), first: AtomicUsize::new(0), granules: AtomicUsize::new(0) }
}; FAR_MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether the class map reaches every arena.
pub(super) fn is_empty() -> bool {
    // Acquire: as in `entry`.
    COUNT.load(Ordering::Acquire) == 0
}

/// Makes a map for `granules` granules from `first` on, under the arenas' lock. False if there is
/// no memory.
pub(super) fn add(first: usize, granules: usize) -> bool {
    let count = COUNT.load(Ordering::Relaxed);
    if count == FAR_MAX {
        return false;
    }
    let bytes = granules.next_multiple_of(crate::os::memory::PAGE);
    let Some(region) = Region::new(bytes, bytes, bytes, Access::ReadWrite) else { return false };
    MAPS[count].base.store(region.start(), Ordering::Relaxed);
    MAPS[count].first.store(first, Ordering::Relaxed);
    MAPS[count].granules.store(granules, Ordering::Relaxed);
    // Release: pairs with the Acquires in this file, and publishes the map's address and range.
    COUNT.store(count + 1, Ordering::Release);
    true
}

/// The entry of a granule, if one of these maps has one.
pub(super) fn entry(granule: usize) -> Option<&'static AtomicU8> {
    // Acquire: pairs with the Release in `add`.
    let count = COUNT.load(Ordering::Acquire);
    MAPS[..count].iter().find_map(|map| {
        let index = granule.wrapping_sub(map.first.load(Ordering::Relaxed));
        if index >= map.granules.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the map has an entry of this index.
        Some(unsafe { entry_at(map.base.load(Ordering::Relaxed), index) })
    })
}
