//! Address space for slabs.
//!
//! An arena is planned as one piece of address space and grows in place as it is needed (`growth`).
//! Its first granules hold two tables (`tables`) with an entry for each granule: a [`Slab`]
//! descriptor (`descriptors`), and the words of a bitmap. Slabs are runs of 1, 2, 4 … granules. A
//! freed run is dirty: it keeps its memory for [`PURGE_AFTER_MS`], in case a request of any bin
//! needs it. Then it is purged: the system takes the memory back, the address space stays, and the
//! run is clean. Dirty runs are split and joined as requests need it (`reuse`). Clean runs cost
//! only address space, so they are not joined until that runs out (`join`).
//!
//! # Safety
//! The lock of [`ARENAS`] guards the descriptors of runs in the free lists.
#![allow(unsafe_code)]

mod descriptors;
mod growth;
mod join;
pub(crate) mod live;
mod ranges;
mod repair;
mod retreat;
mod reuse;
mod tables;

use core::ptr::{self, NonNull};

use crate::bins::{GRANULE, GRANULE_SHIFT, SLAB_ORDER_MAX};
use crate::class_map;
use crate::lock::Locked;
use crate::os::{clock, memory};
use crate::regret::Regret;
use crate::slab::{Idle, Slab};
use crate::steps;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use descriptors::{describe, descriptor_behind};
use growth::Parts;
use ranges::{ARENAS_MAX, COUNT, RANGES};
pub(crate) use ranges::{Finder, first_holds, holds, run_of};
#[cfg(test)]
pub(crate) use repair::verify;
pub(crate) use repair::{for_each_slab, repair};
use reuse::REGRET;
pub(crate) use tables::bits_of;

/// How long an empty run keeps its memory. jemalloc and mimalloc choose between 10 ms and 10 s;
/// half a second is long compared with the phases in which a program reuses memory, and short for a
/// person who watches.
pub(crate) const PURGE_AFTER_MS: u32 = 500;

const ORDERS: usize = SLAB_ORDER_MAX + 1;
/// Number of runs taken and runs given back; wraps around.
static CHANGES: AtomicU32 = AtomicU32::new(0);
/// Copy of `usage.slabs` for readers that do not take the lock.
static SLAB_BYTES: AtomicUsize = AtomicUsize::new(0);

/// List of the free runs of one order, newest first.
#[derive(Clone, Copy)]
struct Runs(*mut Slab);

struct Arenas {
    /// Granules of the last arena that have been handed out, and granules that are usable; both
    /// include the granules of the tables.
    frontier: usize,
    committed: usize,
    /// Final `frontier` of each arena before the last.
    ends: [usize; ARENAS_MAX],
    /// The regions that make up the last arena, and the range that the class map covers.
    last: Parts,
    map: class_map::Extent,
    /// Free runs with memory and free runs without, by order.
    dirty: [Runs; ORDERS],
    clean: [Runs; ORDERS],
    usage: Usage,
    regret: Regret,
    /// Value of [`changes`] when all free runs had been joined and none was large enough.
    joined_at: Option<u32>,
}

/// Bytes that the arenas hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) reserved: usize,
    pub(crate) committed: usize,
    pub(crate) slabs: usize,
    pub(crate) cached: usize,
    pub(crate) returned_total: usize,
}

static ARENAS: Locked<Arenas> = Locked::new(Arenas {
    frontier: 0,
    committed: 0,
    ends: [0; ARENAS_MAX],
    last: Parts::NONE,
    map: class_map::Extent::NOTHING,
    dirty: [Runs(ptr::null_mut()); ORDERS],
    clean: [Runs(ptr::null_mut()); ORDERS],
    usage: Usage { reserved: 0, committed: 0, slabs: 0, cached: 0, returned_total: 0 },
    regret: REGRET,
    joined_at: None,
});

/// The arenas' lock, which fork needs.
pub(crate) fn lock() -> &'static crate::lock::Lock {
    &ARENAS.lock
}

/// Begins the first arena and sets up the class map, so that heaps can copy it.
pub(crate) fn start() {
    let mut arenas = ARENAS.lock();
    if COUNT.load(Ordering::Relaxed) == 0 {
        arenas.append();
    }
}

/// Takes a run of `1 << order` granules; `None` if there is no memory. The caller owns the
/// descriptor until it calls [`give_run`].
pub(crate) fn take_run(order: usize) -> Option<NonNull<Slab>> {
    let mut arenas = ARENAS.lock();
    let run = arenas.take(order)?;
    CHANGES.fetch_add(1, Ordering::Relaxed);
    arenas.usage.slabs += GRANULE << order;
    SLAB_BYTES.store(arenas.usage.slabs, Ordering::Relaxed);
    Some(run)
}

/// Frees a run, which keeps its memory for a while.
///
/// # Safety
/// The caller owns the run, and nothing uses its memory any more.
pub(crate) unsafe fn give_run(run: NonNull<Slab>, now_ms: u32) {
    let mut arenas = ARENAS.lock();
    // SAFETY: the caller owns the run, and the lock is held.
    let slab = unsafe { run.as_ref() };
    let order = slab.order();
    slab.freed_at_ms.set(now_ms);
    steps::any();
    slab.describe(slab.base(), order);
    CHANGES.fetch_add(1, Ordering::Relaxed);
    arenas.dirty[order].push(slab, Idle::Dirty);
    arenas.usage.slabs -= GRANULE << order;
    SLAB_BYTES.store(arenas.usage.slabs, Ordering::Relaxed);
    arenas.usage.cached += GRANULE << order;
    arenas.shed(Some(now_ms));
}

/// Purges the runs that have been free for `older_than_ms`, and returns the number of bytes that
/// went back to the system. Also unmaps the free end of the last arena if it is large, or whatever
/// its size if `older_than_ms` is 0. Does nothing if another thread holds the lock.
pub(crate) fn purge(now_ms: u32, older_than_ms: u32) -> usize {
    let Some(mut arenas) = ARENAS.try_lock() else { return 0 };
    let before = arenas.usage.returned_total;
    arenas.regret.fade(now_ms);
    for order in 0..ORDERS {
        let mut run = arenas.dirty[order].0;
        while let Some(slab) = NonNull::new(run) {
            // SAFETY: the run is in a free list, and the lock is held.
            let slab = unsafe { slab.as_ref() };
            run = slab.next.get();
            if clock::have_passed(slab.freed_at_ms.get(), now_ms, older_than_ms) {
                arenas.purge_run(slab, order);
            }
        }
    }
    arenas.retreat(older_than_ms == 0);
    arenas.usage.returned_total - before
}

/// Counts `bytes` of pages that were returned to the system from slabs in use.
pub(crate) fn note_returned(bytes: usize) {
    if bytes > 0 {
        ARENAS.lock().usage.returned_total += bytes;
    }
}

/// A number that changes with every run that is taken or given back.
pub(crate) fn changes() -> u32 {
    CHANGES.load(Ordering::Relaxed)
}

/// Bytes of slabs in use.
pub(crate) fn slab_bytes() -> usize {
    SLAB_BYTES.load(Ordering::Relaxed)
}

/// Bytes that the arenas hold now.
pub(crate) fn usage() -> Usage {
    ARENAS.lock().usage
}

/// [`usage`], or `None` if another thread holds the lock; for a process that is ending.
pub(crate) fn try_usage() -> Option<Usage> {
    ARENAS.try_lock().map(|arenas| arenas.usage)
}

// SAFETY: descriptors outlive every thread, and any thread that holds the arenas' lock may follow
// the list.
unsafe impl Send for Runs {}

impl Runs {
    fn push(&mut self, slab: &Slab, idle: Idle) {
        let address = ptr::from_ref(slab).cast_mut();
        slab.set_idle(idle);
        slab.previous.set(ptr::null_mut());
        steps::any();
        slab.next.set(self.0);
        if let Some(next) = NonNull::new(self.0) {
            // SAFETY: the run is in a free list, whose lock the caller holds.
            unsafe { next.as_ref() }.previous.set(address);
        }
        steps::any();
        self.0 = address;
    }

    fn remove(&mut self, slab: &Slab) {
        slab.set_idle(Idle::No);
        steps::any();
        match NonNull::new(slab.previous.get()) {
            // SAFETY: a neighbour in a free list, whose lock the caller holds.
            Some(previous) => unsafe { previous.as_ref() }.next.set(slab.next.get()),
            None => self.0 = slab.next.get(),
        }
        if let Some(next) = NonNull::new(slab.next.get()) {
            // SAFETY: as above.
            unsafe { next.as_ref() }.previous.set(slab.previous.get());
        }
    }

    fn pop(&mut self) -> Option<NonNull<Slab>> {
        let run = NonNull::new(self.0)?;
        // SAFETY: the run is in a free list, whose lock the caller holds.
        self.remove(unsafe { run.as_ref() });
        Some(run)
    }
}

impl Arenas {
    /// Takes a free run, or one at the frontier, or else one joined from smaller free runs.
    fn take(&mut self, order: usize) -> Option<NonNull<Slab>> {
        if let Some(run) = self.take_free(order).or_else(|| self.extend(order)) {
            return Some(run);
        }
        // A program that carries on at its memory limit asks again and again; the walk is not
        // repeated until something has changed.
        if self.joined_at == Some(changes()) {
            return None;
        }
        self.join_free_runs();
        let run = self.take_free(order);
        self.joined_at = if run.is_none() { Some(changes()) } else { None };
        run
    }

    /// Takes a dirty run (as it is, split from a larger one, or joined from smaller ones), or else
    /// a clean one.
    fn take_free(&mut self, order: usize) -> Option<NonNull<Slab>> {
        if let Some(run) = self.dirty[order].pop() {
            self.usage.cached -= GRANULE << order;
            return Some(run);
        }
        if let Some(run) = self.split(order, Idle::Dirty).or_else(|| self.join_dirty(order)) {
            return Some(run);
        }
        self.shed(None);
        self.regret.took_new(GRANULE << order);
        self.clean[order].pop().or_else(|| self.split(order, Idle::Clean))
    }

    /// Splits the smallest free run of `kind` that is larger than `order`.
    fn split(&mut self, order: usize, kind: Idle) -> Option<NonNull<Slab>> {
        let is_dirty = kind == Idle::Dirty;
        for larger in order + 1..ORDERS {
            let lists = if is_dirty { &mut self.dirty } else { &mut self.clean };
            let Some(run) = lists[larger].pop() else { continue };
            // SAFETY: the run was just popped from a free list, and the lock is held.
            let slab = unsafe { run.as_ref() };
            let (base, freed_at_ms) = (slab.base(), slab.freed_at_ms.get());
            describe(run.as_ptr(), base, order);
            let mut part = order;
            while part < larger {
                let offset = 1_usize << part;
                let half = descriptor_behind(run.as_ptr(), offset);
                describe(half, base + (GRANULE << part), part);
                // SAFETY: as above.
                let half = unsafe { &*half };
                half.freed_at_ms.set(freed_at_ms);
                let lists = if is_dirty { &mut self.dirty } else { &mut self.clean };
                lists[part].push(half, kind);
                part += 1;
            }
            if is_dirty {
                self.usage.cached -= GRANULE << order;
            }
            return Some(run);
        }
        None
    }

    /// Number of granules of `arena` that have been handed out, those of its tables included.
    fn end_of(&self, arena: usize) -> usize {
        let is_last = arena + 1 == COUNT.load(Ordering::Relaxed);
        if is_last { self.frontier } else { self.ends[arena] }
    }

    /// Purges a dirty run. If the system refuses, the run stays dirty, and the next purge tries it
    /// again.
    fn purge_run(&mut self, slab: &Slab, order: usize) {
        let bytes = GRANULE << order;
        let Some(base) = NonNull::new(slab.base() as *mut u8) else { return };
        // SAFETY: the run is free, so nothing uses its memory.
        if !unsafe { memory::discard(base, bytes) } {
            return;
        }
        self.dirty[order].remove(slab);
        self.clean[order].push(slab, Idle::Clean);
        self.discard_bits(slab);
        self.usage.cached -= bytes;
        self.usage.returned_total += bytes;
    }
}

#[cfg(test)]
mod tests;
