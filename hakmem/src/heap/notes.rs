//! What a thread's counts were at an earlier moment, for measurements that begin there.
//!
//! To tell what was counted since a moment takes all counts at that moment, and to read and keep
//! them takes a thousand instructions. So a heap keeps the counts that were read last. A
//! measurement that begins while the thread has made no call since shares them, which a [`Moment`]
//! tells in some forty instructions. They are kept as long as a measurement shares them; one that
//! begins at another moment meanwhile keeps its own.
//!
//! The counts lie in a page behind the legacy page, which has no memory until the thread measures.
//!
//! # Safety
//! The rules of `heap` apply. Only the heap's thread uses its page of notes.
#![allow(unsafe_code)]

use core::cell::Cell;

use super::Heap;
use super::magazine::LAYERS_DISTANCE;
use crate::counts::Details;
use crate::os::memory::PAGE_MIN;
use crate::slot::tally::Glance;
use crate::sync::{AtomicU64, Ordering};

/// Number of the newest life of any heap. A child goes on with its parent's number.
static LIVES: AtomicU64 = AtomicU64::new(0);

/// A moment in a heap's life; equal before and after a piece of code if its thread made no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Number of the life; 0 for none.
    life: u64,
    slot: Glance,
}

impl Moment {
    /// A moment that never comes: not even a sentinel has this sequence.
    pub(crate) const NONE: Self = Self { life: 0, slot: Glance::UNSEEN };

    /// Number of the life to which the moment belongs; 0 for none.
    #[inline(always)]
    pub(crate) fn life(self) -> u64 {
        self.life
    }
}

/// The state of a heap's notes.
pub(super) struct Notebook {
    life: Cell<u64>,
    /// The moment at which the counts were read.
    moment: Cell<Moment>,
    /// Measurements that began at that moment and have not ended.
    sharers: Cell<u32>,
    has_first: Cell<bool>,
}

/// A heap's page of notes.
#[repr(C)]
struct Notes {
    /// The counts at [`Notebook::moment`].
    last: Details,
    /// The counts when the thread first asked for its own.
    first: Details,
}
const _: () = assert!(size_of::<Notes>() <= PAGE_MIN);

impl Notebook {
    /// Begins a life.
    pub(super) fn open(&self) {
        // Relaxed: heaps are opened under a lock.
        let life = LIVES.load(Ordering::Relaxed) + 1;
        LIVES.store(life, Ordering::Relaxed);
        self.life.set(life);
        self.moment.set(Moment::NONE);
        self.sharers.set(0);
        self.has_first.set(false);
    }
}

impl Heap {
    /// The present moment.
    #[inline(always)]
    pub(crate) fn moment(&self) -> Moment {
        Moment { life: self.notebook.life.get(), slot: self.slot().glance() }
    }

    /// Number of the heap's life; 0 for a sentinel.
    #[inline(always)]
    pub(crate) fn life(&self) -> u64 {
        self.notebook.life.get()
    }

    /// Begins to share the kept counts if they were read at `moment`.
    #[inline(always)]
    pub(crate) fn share_notes(&self, moment: Moment) -> bool {
        // The glance alone is compared: no slot of a living heap is like one that was never seen.
        let is_shared = moment.life != 0 && self.notebook.moment.get().slot == moment.slot;
        if is_shared {
            self.notebook.sharers.set(self.notebook.sharers.get() + 1);
        }
        is_shared
    }

    /// Ends [`Heap::share_notes`].
    #[inline(always)]
    pub(crate) fn leave_notes(&self) {
        self.notebook.sharers.set(self.notebook.sharers.get().wrapping_sub(1));
    }

    /// Reads the counts and keeps them, unless measurements share older ones: then the caller has
    /// to keep them.
    pub(crate) fn take_notes(&self) -> (Moment, Option<Details>) {
        let (moment, details) = self.details();
        if self.notebook.sharers.get() > 0 {
            return (moment, Some(details));
        }
        // SAFETY: this heap's page of notes.
        unsafe { (*self.notes()).last = details };
        self.notebook.moment.set(moment);
        self.notebook.sharers.set(1);
        (moment, None)
    }

    /// The kept counts.
    pub(crate) fn noted(&self) -> Details {
        // SAFETY: this heap's page of notes.
        unsafe { (*self.notes()).last }
    }

    /// What was counted since the first call of this function; that one returns zeros.
    pub(crate) fn details_since_first(&self) -> Details {
        let (_, details) = self.details();
        if !self.notebook.has_first.replace(true) {
            // SAFETY: this heap's page of notes.
            unsafe { (*self.notes()).first = details };
        }
        // SAFETY: this heap's page of notes.
        let first = unsafe { (*self.notes()).first };
        details.since(&first)
    }

    /// The counts of all threads that have owned the heap, and the moment at which they were read.
    /// They are read again if a signal handler has made calls meanwhile.
    pub(crate) fn details(&self) -> (Moment, Details) {
        loop {
            let before = self.moment();
            let mut details = Details::ZERO;
            self.slot().add_own_to(&mut details);
            self.reallocations.add_to(&mut details);
            if self.moment() == before {
                return (before, details);
            }
        }
    }

    fn notes(&self) -> *mut Notes {
        self.address().cast::<u8>().wrapping_add(LAYERS_DISTANCE + PAGE_MIN).cast()
    }
}
