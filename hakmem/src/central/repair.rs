//! Rebuilding the store's lists and counters in a child process, whatever changes other threads
//! were making when the parent forked.
//!
//! # Safety
//! Functions here are called by the only thread of a process, which owns the slabs of all bins
//! whose locks it does not hold.
#![allow(unsafe_code)]

use super::{STACKED_BYTES, STORE, whole_steps};
use crate::arena;
use crate::batches::RecordLinks;
use crate::bins;
use crate::class_map;
use crate::registry;
use crate::routing::Layout;
use crate::sync::Ordering;

/// Rebuilds the lists of slabs of the bins in the set `bins`, whose locks are free. The class map
/// tells which slabs they have, and the slabs' bitmaps which blocks.
#[cold]
pub(crate) fn repair(bins: u64) {
    let in_doubt = |bin: usize| bins >> bin & 1 != 0;
    for bin in bins::in_use().filter(|&bin| in_doubt(bin)) {
        STORE[bin].slabs.lock().forget_all();
        STORE[bin].slab_bytes.store(0, Ordering::Relaxed);
    }
    arena::for_each_slab(&mut |run| {
        // SAFETY: a descriptor, which stays mapped.
        let slab = unsafe { &*run };
        let bin = slab.bin();
        if in_doubt(bin) {
            let mut slabs = STORE[bin].slabs.lock();
            slabs.find_again(slab);
            STORE[bin].slab_bytes.fetch_add(slab.bytes(), Ordering::Relaxed);
        }
    });
}

/// Brings the registry, if the routing uses it, in line with the class map.
#[cold]
pub(crate) fn repair_registry() {
    // A held lock belongs to this thread, which was interrupted and will finish its change.
    if Layout::current() == Layout::Plain || registry::lock().is_mine() {
        return;
    }
    registry::repair(&|address| class_map::bin(address) != 0);
    arena::for_each_slab(&mut |run| {
        // SAFETY: a descriptor, which stays mapped.
        let slab = unsafe { &*run };
        // The slab had its entries before it came into use, so this needs no memory.
        let _ = registry::set(slab.base(), 1 << slab.order(), slab.bin() as u8);
    });
}

/// Recounts the blocks in the stacks: a thread that no longer exists may have popped or pushed a
/// batch before counting it, or counted one before pushing it.
pub(crate) fn recount_stacks() {
    let mut bytes = 0;
    for bin in bins::in_use() {
        let store = &STORE[bin];
        let mut blocks = 0_u32;
        store.stack.for_each(&RecordLinks, &mut |batch| blocks += u32::from(batch.count));
        store.stacked.store(blocks, Ordering::Relaxed);
        let unused = store.unused.load(Ordering::Relaxed).min(blocks);
        store.unused.store(unused, Ordering::Relaxed);
        bytes += whole_steps(bin, blocks);
    }
    STACKED_BYTES.store(bytes, Ordering::Relaxed);
}

/// Panics unless the bin's list holds exactly those of its slabs that have blocks to give.
#[cfg(test)]
pub(crate) fn verify(bin: usize) {
    let mut listed = std::collections::HashSet::new();
    STORE[bin].slabs.lock().for_each(|slab| {
        assert!(listed.insert(core::ptr::from_ref(slab).cast_mut()), "a slab is in the list twice");
    });
    let mut bytes = 0;
    arena::for_each_slab(&mut |run| {
        // SAFETY: a slab in use, which no other thread changes during the test.
        let slab = unsafe { &*run };
        if slab.bin() == bin {
            assert_eq!(listed.remove(&run), slab.available() > 0);
            assert!(slab.is_consistent());
            bytes += slab.bytes();
        }
    });
    assert!(listed.is_empty(), "the list has an entry that is not a slab of its bin");
    assert_eq!(STORE[bin].slab_bytes.load(Ordering::Relaxed), bytes);
}
