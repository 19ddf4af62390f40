//! Rebuilding the arenas' lists in a child process, whatever change another thread was making when
//! the parent forked.
//!
//! A granule is in use if the class map names a bin for the first granule of its run: that store is
//! the last by which a slab comes into use and the first by which it goes out of use. Every other
//! granule of an arena's usable part is free, and is described anew. An exception is the change
//! that the child's own thread was making when a signal handler interrupted it: granules of bins
//! whose locks the thread holds stay as they are and, if it holds any such lock, so do runs that
//! look taken but are not in use yet.
//!
//! # Safety
//! Functions here are called by the only thread of a process. Descriptors of an arena's usable part
//! are usable.
#![allow(unsafe_code)]

use core::ptr;

use super::descriptors::descriptor;
use super::growth::Parts;
use super::tables::table_granules;
use super::{
    ARENAS, Arenas, COUNT, GRANULE, GRANULE_SHIFT, ORDERS, RANGES, REGRET, Runs, SLAB_BYTES, Slab,
    Usage,
};
use crate::bins;
use crate::class_map;
use crate::slab::Idle;
use crate::sync::Ordering;

/// Recorded as the time at which each free run became free: the true time is lost, and this one
/// makes the run due soon.
const LONG_AGO_MS: u32 = 0;

/// State of the granules from a given one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// This number of granules is a slab in use.
    Slab(usize),
    /// This number of granules is part of a change that the calling thread has yet to finish.
    InHand(usize),
    /// One granule is free.
    Free,
}

/// Calls `visit` with the descriptor of every slab in use.
pub(crate) fn for_each_slab(visit: &mut dyn FnMut(*mut Slab)) {
    for_each_found(&|_| false, usize::MAX, &mut |base, granule, found| {
        if matches!(found, Found::Slab(_)) {
            visit(descriptor(base, granule));
        }
    });
}

/// Calls `visit` for each part of the arenas' usable granules, with the arena's base, the number of
/// the part's first granule, and its state. `is_mine` tells whether the calling thread holds the
/// lock of a bin. Granules of the last arena from `frontier` on are never in hand: their
/// descriptors may be left from before the arena's end was unmapped.
fn for_each_found(
    is_mine: &dyn Fn(usize) -> bool,
    frontier: usize,
    visit: &mut dyn FnMut(usize, usize, Found),
) {
    let has_in_hand = bins::in_use().any(is_mine);
    let count = COUNT.load(Ordering::Relaxed);
    for (arena, range) in RANGES[..count].iter().enumerate() {
        let base = range.base.load(Ordering::Relaxed);
        let (mut granule, end) = bounds(arena);
        while granule < end {
            let is_behind = arena + 1 == count && granule >= frontier;
            let found = find(base, granule, is_mine, has_in_hand && !is_behind);
            visit(base, granule, found);
            granule += match found {
                Found::Slab(granules) | Found::InHand(granules) => granules,
                Found::Free => 1,
            };
        }
    }
}

/// The first granule behind the arena's tables, and the first one behind its usable part.
fn bounds(arena: usize) -> (usize, usize) {
    let first = table_granules(RANGES[arena].bytes.load(Ordering::Relaxed));
    (first, first + (RANGES[arena].usable.load(Ordering::Relaxed) >> GRANULE_SHIFT))
}

fn find(base: usize, granule: usize, is_mine: &dyn Fn(usize) -> bool, has_in_hand: bool) -> Found {
    let run = descriptor(base, granule);
    // SAFETY: the descriptor of a granule in the usable part.
    let slab = unsafe { &*run };
    match (class_map::bin(address_of(base, granule)), slab.head() == run) {
        (0, true) if has_in_hand && slab.idle() == Idle::No => Found::InHand(1 << slab.order()),
        (0, _) => Found::Free,
        (bin, true) => Found::Slab(bins::slab_granules(bin)),
        // The first granule of the run is not in use, so neither is this one: the slab was being
        // opened or closed.
        (bin, false) => {
            if is_mine(bin) {
                Found::InHand(1)
            } else {
                Found::Free
            }
        }
    }
}

fn address_of(base: usize, granule: usize) -> usize {
    base + (granule << GRANULE_SHIFT)
}

/// Rebuilds the lists of free runs and the counters. `is_mine` tells whether the calling thread
/// holds the lock of a bin.
#[cold]
pub(crate) fn repair(is_mine: &dyn Fn(usize) -> bool) {
    // A held lock belongs to this thread, which was interrupted and will finish its change.
    let Some(mut arenas) = ARENAS.try_lock() else { return };
    let frontier = arenas.frontier;
    arenas.begin_anew();
    // The stretch of free granules found last: base of its arena, first granule, and end.
    let (mut at, mut start, mut end) = (0, 0, 0);
    for_each_found(is_mine, frontier, &mut |base, granule, found| {
        if found != Found::Free || base != at || granule != end {
            arenas.describe_free(at, start..end, Idle::Dirty, LONG_AGO_MS);
            (at, start, end) = (base, granule, granule);
        }
        match found {
            Found::Free => {
                take_out_of_use(base, granule);
                end += 1;
            }
            Found::Slab(granules) | Found::InHand(granules) => {
                arenas.usage.slabs += granules * GRANULE;
            }
        }
    });
    arenas.describe_free(at, start..end, Idle::Dirty, LONG_AGO_MS);
    SLAB_BYTES.store(arenas.usage.slabs, Ordering::Relaxed);
}

fn take_out_of_use(base: usize, granule: usize) {
    let address = address_of(base, granule);
    // Reading first leaves the map's page shared with the parent if nothing changes.
    if class_map::bin(address) != 0 {
        class_map::set(address, 1, 0);
    }
    // SAFETY: the descriptor of a free granule.
    unsafe { &*descriptor(base, granule) }.set_idle(Idle::No);
}

impl Arenas {
    /// Forgets all free runs. Every usable granule counts as handed out until it is found free.
    fn begin_anew(&mut self) {
        self.dirty = [Runs(ptr::null_mut()); ORDERS];
        self.clean = [Runs(ptr::null_mut()); ORDERS];
        self.regret = REGRET;
        self.joined_at = None;
        // How far the regions of the last arena and of the map reached is unknown, so the arena
        // ends here.
        self.last = Parts::NONE;
        self.map.look_again();
        let Usage { reserved, returned_total, .. } = self.usage;
        self.usage = Usage { reserved, returned_total, ..Usage::default() };
        for arena in 0..COUNT.load(Ordering::Relaxed) {
            let (first, end) = bounds(arena);
            self.usage.committed += (end - first) * GRANULE;
            self.ends[arena] = end;
            (self.frontier, self.committed) = (end, end);
        }
    }
}

/// Panics unless each free granule of the usable parts is in exactly one list, and no slab in any.
#[cfg(test)]
pub(crate) fn verify() {
    let arenas = ARENAS.lock();
    let mut listed = std::collections::HashSet::new();
    let mut cached = 0;
    for (lists, kind) in [(&arenas.dirty, Idle::Dirty), (&arenas.clean, Idle::Clean)] {
        for (order, runs) in lists.iter().enumerate() {
            let mut run = runs.0;
            while !run.is_null() {
                // SAFETY: the run is in a free list, and the lock is held.
                let slab = unsafe { &*run };
                assert_eq!((slab.idle(), slab.order()), (kind, order));
                cached += if kind == Idle::Dirty { GRANULE << order } else { 0 };
                for granule in 0..1 << order {
                    let part = super::descriptors::descriptor_behind(run, granule);
                    // SAFETY: as above.
                    assert_eq!(unsafe { &*part }.head(), run);
                    assert!(listed.insert(part), "a granule is in two free runs");
                }
                run = slab.next.get();
            }
        }
    }
    assert_eq!(cached, arenas.usage.cached);
    let (mut slabs, mut free) = (0, 0);
    let last = COUNT.load(Ordering::Relaxed) - 1;
    for_each_found(&|_| false, usize::MAX, &mut |base, granule, found| {
        let is_listed = listed.contains(&descriptor(base, granule));
        let is_last = base == RANGES[last].base.load(Ordering::Relaxed);
        match found {
            Found::Slab(granules) => {
                assert!(!is_listed, "a slab is free");
                slabs += granules * GRANULE;
            }
            _ if is_last && granule >= arenas.frontier => {}
            _ => {
                assert!(is_listed, "granule {granule} is lost");
                free += 1;
            }
        }
    });
    assert_eq!((slabs, free), (arenas.usage.slabs, listed.len()));
}
