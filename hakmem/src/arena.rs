//! Address space for slabs.
//!
//! An arena is planned in one piece and grows in place, as it is needed (`growth`). Its first granules
//! hold a [`Slab`] descriptor and bits for each granule (`tables`). Slabs
//! are runs of 1, 2, 4 … granules; a run that comes back keeps its memory for [`PURGE_AFTER_MS`] in
//! case it is needed again, for whatever bin, and is then given back to the system while its address
//! space stays. Runs that still have memory are split and joined as they are needed (`reuse`). Those
//! without are not joined while there are addresses left, as they cost nothing else (`join`).
//!
//! # Safety
//! Descriptors of runs in the free lists are guarded by the lock of [`ARENAS`].
#![allow(unsafe_code)]

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
use crate::slab::{Idle, Slab};
use crate::steps;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use growth::Parts;
use ranges::{ARENAS_MAX, COUNT, RANGES};
pub(crate) use ranges::{Finder, first_holds, holds, run_of};
#[cfg(test)]
pub(crate) use repair::verify;
pub(crate) use repair::{for_each_slab, repair};
use reuse::Regret;
pub(crate) use tables::bits_of;
use tables::{descriptor, descriptor_behind, table_granules};

/// How long an empty run keeps its memory. jemalloc and mimalloc choose between 10 ms and 10 s;
/// half a second is long against a program's phases of reuse and short for whoever watches.
pub(crate) const PURGE_AFTER_MS: u32 = 500;

const ORDERS: usize = SLAB_ORDER_MAX + 1;
/// Runs taken and given back, and purges; wraps.
static CHANGES: AtomicU32 = AtomicU32::new(0);
/// What `usage.slabs` is, for whoever does not take the lock.
static SLAB_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Free runs of one order, newest first.
#[derive(Clone, Copy)]
struct Runs(*mut Slab);

struct Arenas {
    /// Granules of the last arena given out so far, descriptors included, and made usable so far.
    frontier: usize,
    committed: usize,
    /// What `frontier` was of each arena before the last.
    ends: [usize; ARENAS_MAX],
    /// What the last arena consists of, and what the class map covers.
    last: Parts,
    map: class_map::Extent,
    /// Free runs that still have memory, and those that do not, by order.
    dirty: [Runs; ORDERS],
    clean: [Runs; ORDERS],
    usage: Usage,
    regret: Regret,
    /// What [`changes`] was when all free runs had been joined and none was large enough.
    joined_at: Option<u32>,
}

/// What the arenas hold, in bytes.
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
    regret: Regret::NONE,
    joined_at: None,
});

/// The lock, for fork.
pub(crate) fn lock() -> &'static crate::lock::Lock {
    &ARENAS.lock
}

/// Begins the first arena and sets the class map up, so that heaps can copy it.
pub(crate) fn start() {
    let mut arenas = ARENAS.lock();
    if COUNT.load(Ordering::Relaxed) == 0 {
        arenas.append();
    }
}

/// Takes a run of `1 << order` granules; `None` if there is no memory. The descriptor is the
/// caller's until [`give_run`].
pub(crate) fn take_run(order: usize) -> Option<NonNull<Slab>> {
    let mut arenas = ARENAS.lock();
    let run = arenas.take(order)?;
    CHANGES.fetch_add(1, Ordering::Relaxed);
    arenas.usage.slabs += GRANULE << order;
    SLAB_BYTES.store(arenas.usage.slabs, Ordering::Relaxed);
    Some(run)
}

/// Gives a run back; its memory is kept for a while.
///
/// # Safety
/// The caller owns the run and nothing uses its memory any more.
pub(crate) unsafe fn give_run(run: NonNull<Slab>, now_ms: u32) {
    let mut arenas = ARENAS.lock();
    // SAFETY: the caller's, and the lock is held.
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

/// Gives the memory of runs that have been free for `older_than_ms` back to the system; the bytes.
/// The address space of a large free end goes back, too, and with `older_than_ms` 0 that of any. Does
/// nothing if another thread is at it.
pub(crate) fn purge(now_ms: u32, older_than_ms: u32) -> usize {
    let Some(mut arenas) = ARENAS.try_lock() else { return 0 };
    let before = arenas.usage.returned_total;
    arenas.regret.fade(now_ms);
    for order in 0..ORDERS {
        let mut run = arenas.dirty[order].0;
        while let Some(slab) = NonNull::new(run) {
            // SAFETY: in a free list, and the lock is held.
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

/// Notes that pages of slabs in use were given back.
pub(crate) fn note_returned(bytes: usize) {
    if bytes > 0 {
        ARENAS.lock().usage.returned_total += bytes;
    }
}

/// A number that changes whenever what the arenas hold does.
pub(crate) fn changes() -> u32 {
    CHANGES.load(Ordering::Relaxed)
}

/// Bytes of slabs in use.
pub(crate) fn slab_bytes() -> usize {
    SLAB_BYTES.load(Ordering::Relaxed)
}

/// What the arenas hold now.
pub(crate) fn usage() -> Usage {
    ARENAS.lock().usage
}

/// The same if nobody is at it: for a process that is ending.
pub(crate) fn try_usage() -> Option<Usage> {
    ARENAS.try_lock().map(|arenas| arenas.usage)
}

// SAFETY: descriptors outlive every thread, and any thread that holds the arenas' lock may follow the list.
unsafe impl Send for Runs {}

impl Runs {
    fn push(&mut self, slab: &Slab, idle: Idle) {
        let address = ptr::from_ref(slab).cast_mut();
        slab.set_idle(idle);
        slab.previous.set(ptr::null_mut());
        steps::any();
        slab.next.set(self.0);
        if let Some(next) = NonNull::new(self.0) {
            // SAFETY: in a free list, whose lock the caller holds.
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
        // SAFETY: in a free list, whose lock the caller holds.
        self.remove(unsafe { run.as_ref() });
        Some(run)
    }
}

impl Arenas {
    /// A run that there is, or else one of new address space, or else one joined from smaller ones.
    fn take(&mut self, order: usize) -> Option<NonNull<Slab>> {
        if let Some(run) = self.take_free(order).or_else(|| self.extend(order)) {
            return Some(run);
        }
        // A program that goes on at its limit asks again and again.
        if self.joined_at == Some(changes()) {
            return None;
        }
        self.join_free_runs();
        let run = self.take_free(order);
        self.joined_at = if run.is_none() { Some(changes()) } else { None };
        run
    }

    /// A run with memory, whole, split or joined, or else one without.
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

    /// Splits the smallest larger free run of a kind.
    fn split(&mut self, order: usize, kind: Idle) -> Option<NonNull<Slab>> {
        let is_dirty = kind == Idle::Dirty;
        for larger in order + 1..ORDERS {
            let lists = if is_dirty { &mut self.dirty } else { &mut self.clean };
            let Some(run) = lists[larger].pop() else { continue };
            // SAFETY: a free run, and the lock is held.
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

    /// Granules of an arena that were given out.
    fn end_of(&self, arena: usize) -> usize {
        let is_last = arena + 1 == COUNT.load(Ordering::Relaxed);
        if is_last { self.frontier } else { self.ends[arena] }
    }

    /// Gives a dirty run's memory back. Where the system refuses, the run stays what it is, so this
    /// is tried again when memory is next given back.
    fn purge_run(&mut self, slab: &Slab, order: usize) {
        let bytes = GRANULE << order;
        let Some(base) = NonNull::new(slab.base() as *mut u8) else { return };
        // SAFETY: a free run: nothing uses its memory.
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

/// Writes the descriptors of a run.
fn describe(run: *mut Slab, base: usize, order: usize) {
    for granule in 0..1 << order {
        let slab = descriptor_behind(run, granule);
        steps::any();
        // SAFETY: descriptors of one run are usable, and the lock is held.
        unsafe { &*slab }.set_head(run);
    }
    // SAFETY: as above.
    unsafe { &*run }.describe(base, order);
}

#[cfg(test)]
mod tests;
