//! The slabs of a bin that have blocks to give.
//!
//! # Safety
//! Slabs in the list belong to the bin and are touched under its lock only.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use super::{STORE, stray};
use crate::arena;
use crate::bins;
use crate::block::Block;
use crate::class_map;
use crate::registry;
use crate::routing::Layout;
use crate::slab::{Slab, Taken};
use crate::steps;
use crate::sync::Ordering;

/// A list of slabs, guarded by the lock of their bin.
pub(super) struct Slabs {
    first: *mut Slab,
    /// The slab at which the next look begins; null for the first.
    cursor: *mut Slab,
}

/// Enters a slab into the class map as one of `bin`, or removes it if `bin` is 0. Updates the
/// registry as well where the routing asks it; false if the registry has no memory for that.
fn locate(slab: &Slab, bin: u8) -> bool {
    let granules = 1 << slab.order();
    if Layout::current() != Layout::Plain && !registry::set(slab.base(), granules, bin) {
        return false;
    }
    class_map::set(slab.base(), granules, bin);
    true
}

// SAFETY: descriptors outlive every thread, and any thread that holds the bin's lock may follow the
// list.
unsafe impl Send for Slabs {}

impl Slabs {
    /// The empty list.
    pub(super) const NONE: Self = Self { first: ptr::null_mut(), cursor: ptr::null_mut() };

    /// Whether no slab has a block to give.
    pub(super) fn are_used_up(&self) -> bool {
        self.first.is_null()
    }

    /// Calls `visit` with at most `max` slabs that have blocks to give. Begins at the slab where
    /// the last call stopped, or at the first slab if that call reached the end of the list. A call
    /// also stops at the end of the list, so it visits no slab twice.
    pub(super) fn look(&mut self, max: usize, mut visit: impl FnMut(&Slab)) {
        let mut next = match self.cursor {
            cursor if cursor.is_null() => self.first,
            cursor => cursor,
        };
        for _ in 0..max {
            let Some(slab) = NonNull::new(next) else { break };
            // SAFETY: the slab is in this bin's list, whose lock the caller holds.
            let slab = unsafe { slab.as_ref() };
            visit(slab);
            next = slab.next.get();
        }
        self.cursor = next;
    }

    /// Calls `visit` with each slab that has blocks to give.
    pub(super) fn for_each(&mut self, visit: impl FnMut(&Slab)) {
        self.cursor = ptr::null_mut();
        self.look(usize::MAX, visit);
    }

    fn insert(&mut self, slab: &Slab) {
        let address = ptr::from_ref(slab).cast_mut();
        slab.previous.set(ptr::null_mut());
        slab.next.set(self.first);
        if let Some(next) = NonNull::new(self.first) {
            // SAFETY: the slab is in this bin's list, whose lock the caller holds.
            unsafe { next.as_ref() }.previous.set(address);
        }
        steps::any();
        self.first = address;
        slab.listed.set(true);
    }

    fn remove(&mut self, slab: &Slab) {
        if ptr::eq(self.cursor, slab) {
            self.cursor = slab.next.get();
        }
        steps::any();
        match NonNull::new(slab.previous.get()) {
            // SAFETY: a neighbour in this bin's list, whose lock the caller holds.
            Some(previous) => unsafe { previous.as_ref() }.next.set(slab.next.get()),
            None => self.first = slab.next.get(),
        }
        if let Some(next) = NonNull::new(slab.next.get()) {
            // SAFETY: as above.
            unsafe { next.as_ref() }.previous.set(slab.previous.get());
        }
        slab.listed.set(false);
    }

    /// Empties the list without touching the slabs.
    pub(super) fn forget_all(&mut self) {
        *self = Self::NONE;
    }

    /// Recounts a slab of the bin, and puts it into the list if it has blocks to give.
    pub(super) fn find_again(&mut self, slab: &Slab) {
        slab.recount();
        if slab.available() > 0 {
            self.insert(slab);
        }
    }

    /// Takes a run from the arenas and puts it into use as a slab.
    pub(super) fn open(&mut self, bin: usize) -> Option<()> {
        let run = arena::take_run(bins::slab_granules(bin).ilog2() as usize)?;
        // SAFETY: the run was taken from the arenas, so this bin owns it.
        let slab = unsafe { run.as_ref() };
        // SAFETY: the arenas keep these bytes for this run.
        unsafe { slab.open(bin, arena::bits_of(slab.base(), Slab::bits_bytes(bin))) };
        if !locate(slab, bin as u8) {
            // SAFETY: the run was just taken, and nothing uses it.
            unsafe { arena::give_run(run, 0) };
            return None;
        }
        steps::any();
        self.insert(slab);
        STORE[bin].slab_bytes.fetch_add(slab.bytes(), Ordering::Relaxed);
        Some(())
    }

    /// Fills `into` from its end, as far as the slabs in the list have blocks. Returns their
    /// number.
    pub(super) fn give(&mut self, into: &mut [*mut Block]) -> usize {
        let mut room = into.len();
        while room > 0
            && let Some(first) = NonNull::new(self.first)
        {
            // SAFETY: the slab is in this bin's list, whose lock the caller holds.
            let slab = unsafe { first.as_ref() };
            room -= slab.give(&mut into[..room]);
            if slab.available() == 0 {
                self.remove(slab);
            }
        }
        into.len() - room
    }

    /// Acts on the result of taking back: puts the slab into the list, closes it, or notes the
    /// block at `address` that it refused as one of `bin`.
    #[inline(always)]
    pub(super) fn note(
        &mut self,
        slab: &Slab,
        taken: Taken,
        (bin, address): (usize, usize),
        now_ms: u32,
    ) {
        match taken {
            Taken::Other => {}
            Taken::First | Taken::Last => self.settle(slab, now_ms),
            // The list that named the block has one entry less; nothing else is harmed.
            Taken::Twice | Taken::NoBlock | Taken::Strange => {
                stray::note(bin, address, taken);
            }
        }
    }

    /// Puts a slab that has blocks to give again into the list, or closes it if all of its blocks
    /// are here.
    #[inline(never)]
    fn settle(&mut self, slab: &Slab, now_ms: u32) {
        if !slab.listed.get() {
            self.insert(slab);
        }
        // The last small slab of a bin stays, so that a program that hovers around one block does
        // not open and close it again and again; a large one would hold too much memory.
        let is_only = ptr::eq(self.first, slab) && slab.next.get().is_null();
        if slab.is_empty() && !(is_only && slab.order() == 0) {
            self.close(slab, now_ms);
        }
    }

    /// Closes the bin's last slab if all of its blocks are here.
    pub(super) fn close_last_if_empty(&mut self, now_ms: u32) {
        let Some(first) = NonNull::new(self.first) else { return };
        // SAFETY: the slab is in this bin's list, whose lock the caller holds.
        let slab = unsafe { first.as_ref() };
        if slab.is_empty() {
            self.close(slab, now_ms);
        }
    }

    /// Takes a slab, all of whose blocks are here, out of use.
    fn close(&mut self, slab: &Slab, now_ms: u32) {
        self.remove(slab);
        STORE[slab.bin()].slab_bytes.fetch_sub(slab.bytes(), Ordering::Relaxed);
        locate(slab, 0);
        steps::any();
        // SAFETY: every block is here, and the slab is in no list.
        unsafe { arena::give_run(NonNull::from(slab), now_ms) };
    }
}
