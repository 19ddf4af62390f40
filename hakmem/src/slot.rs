//! Writes one thread's slot.
//!
//! # Orderings
//! The reader is another process that copies the slot with `pread`. A slow path makes the sequence
//! odd (a relaxed store and a Release fence, so that no later store overtakes it), stores its
//! changes, and makes the sequence even with a Release store, so that the changes are seen first.
//! The fast path's stores to the word are relaxed: each stands alone. `ON_ZEROS` is stored before
//! the first slot is written.
//!
//! # Safety
//! A [`SlotWriter`] points to a slot that stays mapped while the writer exists and that no other
//! thread writes.
#![allow(unsafe_code)]

use core::ptr::addr_of_mut;

use hakmem_segment::event::RING_EVENTS;
use hakmem_segment::{
    AllocReason, BINS, Class, Event, EventKind, FreeReason, ListWord, Outcome, Slot, duration,
};

use crate::bins;
use crate::hook::Hook;
use crate::os::{clock, process, thread_id};
use crate::sync::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// The right to write a slot.
#[derive(Clone, Copy)]
pub(crate) struct SlotWriter(*mut Slot);

/// The owner that takes a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The process itself.
    Process,
    /// The calling thread, with which the process begins.
    FirstThread,
    /// The calling thread. Its name stays unknown, because a sandbox may forbid asking for it by
    /// now.
    LaterThread,
}

/// The reaction to a slot that reads as if it had never been written.
static ON_ZEROS: Hook<fn(*mut Slot)> = Hook::none();

/// Sets the reaction to a slot that reads as if it had never been written.
pub(crate) fn on_zeros(act: fn(*mut Slot)) {
    ON_ZEROS.set(act);
}

/// A field of the slot as an atomic word.
macro_rules! word {
    ($writer:expr, $($field:tt)+) => {{
        // SAFETY: inside the slot, which is mapped.
        let address = unsafe { addr_of_mut!((*$writer.0).$($field)+) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*address.cast::<AtomicU64>() }
    }};
}

pub(crate) mod tally;

fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl SlotWriter {
    /// A writer for the slot at `slot`.
    ///
    /// # Safety
    /// The slot stays mapped while the writer exists, and no other thread writes it.
    pub(crate) const unsafe fn new(slot: *mut Slot) -> Self {
        Self(slot)
    }

    /// The word of a bin.
    #[inline(always)]
    pub(crate) fn list_word(self, bin: usize) -> &'static AtomicU64 {
        debug_assert!(bin < BINS);
        // SAFETY: inside the slot, which is mapped.
        let words = unsafe { addr_of_mut!((*self.0).words) }.cast::<AtomicU64>();
        // SAFETY: `bin` is below BINS.
        let word = unsafe { words.add(bin) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*word }
    }

    /// The number of fast frees in a bin whose caller passed the size.
    #[inline(always)]
    pub(crate) fn sized_frees_fast(self, bin: usize) -> &'static AtomicU64 {
        debug_assert!(bin < BINS);
        // SAFETY: inside the slot, which is mapped.
        let words = unsafe { addr_of_mut!((*self.0).sized_frees_fast) }.cast::<AtomicU64>();
        // SAFETY: `bin` is below BINS.
        let word = unsafe { words.add(bin) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*word }
    }

    /// Makes a change that readers see as a whole or not at all.
    pub(crate) fn update(self, change: impl FnOnce(&SlotUpdate)) {
        let sequence = word!(self, header.sequence);
        let mut before = sequence.load(Ordering::Relaxed);
        if before == 0 {
            before = self.begin_or_mend();
        }
        // It is odd already if a signal handler jumped out of a change.
        let begun = before | 1;
        sequence.store(begun, Ordering::Relaxed);
        // Release: the stores below do not overtake the odd sequence.
        fence(Ordering::Release);
        change(&SlotUpdate(self));
        // Release: the stores above are seen before the even sequence.
        sequence.store(begun.wrapping_add(1), Ordering::Release);
    }

    /// The sequence of a slot that reads as if it had never been written. This is its first change,
    /// or its file was truncated and extended again; in the latter case other memory may take the
    /// slot's place.
    #[cold]
    #[inline(never)]
    fn begin_or_mend(self) -> u64 {
        if let Some(act) = ON_ZEROS.get() {
            act(self.0);
        }
        word!(self, header.sequence).load(Ordering::Relaxed)
    }

    /// Writes an event to the ring, with the id of the slot's owner or, without an owner, of the
    /// calling thread.
    pub(crate) fn write_event(self, event: Event) {
        // The owner's id comes from the slot: asking the system would be most of the cost of an
        // event.
        let thread_id = match self.thread_id() {
            0 => thread_id::thread_id(),
            owner => owner,
        };
        let written = word!(self, header.events_written);
        let number = written.load(Ordering::Relaxed) + 1;
        let place = (number - 1) as usize % RING_EVENTS;
        let number_word = word!(self, events[place].number);
        number_word.store(0, Ordering::Relaxed);
        // Release: the fields below do not overtake the zero.
        fence(Ordering::Release);
        // SAFETY: inside the slot, which is mapped.
        let record = unsafe { addr_of_mut!((*self.0).events[place]) };
        // SAFETY: only this thread writes the ring, and readers copy.
        unsafe { record.write_volatile(Event { number: 0, thread_id, ..event }) };
        // Release: the fields above are seen before the number.
        number_word.store(number, Ordering::Release);
        written.store(number, Ordering::Release);
    }

    /// Counts a slow allocation whose event was not written.
    pub(crate) fn count_suppressed_allocation(self, reason: AllocReason) {
        add(word!(self, header.suppressed_allocations[reason as usize]), 1);
    }

    /// Counts a slow free whose event was not written.
    pub(crate) fn count_suppressed_free(self, reason: FreeReason) {
        add(word!(self, header.suppressed_frees[reason as usize]), 1);
    }

    /// A list's capacity, as it was last published.
    fn capacity(self, bin: usize) -> &'static AtomicU16 {
        debug_assert!(bin < BINS);
        // SAFETY: inside the slot, which is mapped.
        let field = unsafe { addr_of_mut!((*self.0).capacities) }.cast::<AtomicU16>();
        // SAFETY: `bin` is below BINS.
        let field = unsafe { field.add(bin) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*field }
    }

    /// Records the slot's owner.
    pub(crate) fn set_owner(self, owner: Owner) {
        let thread_id = if owner == Owner::Process { 0 } else { thread_id::thread_id() };
        let name = match owner {
            Owner::Process => *b"(process)\0\0\0\0\0\0\0",
            Owner::FirstThread => process::thread_name(),
            Owner::LaterThread => [0; 16],
        };
        self.update(|_| {
            self.store_thread_name(name);
            self.store_thread_id(thread_id);
            add_owner(self);
            word!(self, header.owned_since_ns).store(clock::monotonic_ns(), Ordering::Relaxed);
        });
        if owner != Owner::Process {
            self.write_event(simple_event(EventKind::ThreadStart, thread_id.into()));
        }
    }

    /// Records that the slot has no owner any more.
    pub(crate) fn clear_owner(self) {
        self.write_event(simple_event(EventKind::ThreadExit, self.thread_id().into()));
        self.update(|_| self.store_thread_id(0));
    }

    fn store_thread_name(self, name: [u8; 16]) {
        // SAFETY: inside the slot, which is mapped.
        let field = unsafe { addr_of_mut!((*self.0).header.thread_name) };
        // SAFETY: only this thread writes it, and readers copy.
        unsafe { field.write_volatile(name) };
    }

    /// The owner's thread id; 0 if the slot has no owner.
    pub(crate) fn thread_id(self) -> u32 {
        // SAFETY: inside the slot, which is mapped.
        let field = unsafe { addr_of_mut!((*self.0).header.thread_id) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*field.cast::<AtomicU32>() }.load(Ordering::Relaxed)
    }

    fn store_thread_id(self, thread_id: u32) {
        // SAFETY: inside the slot, which is mapped.
        let field = unsafe { addr_of_mut!((*self.0).header.thread_id) };
        // SAFETY: aligned, mapped, and accessed atomically only.
        unsafe { &*field.cast::<AtomicU32>() }.store(thread_id, Ordering::Relaxed);
    }

    /// Blocks on the list and the spare of a bin.
    pub(crate) fn listed_blocks(self, bin: usize) -> u64 {
        let list = ListWord(self.list_word(bin).load(Ordering::Relaxed));
        let depth = list.depth(self.capacity(bin).load(Ordering::Relaxed));
        u64::from(depth) + word!(self, records[bin].spare_blocks).load(Ordering::Relaxed)
    }

    /// Fast frees in a bin that were carried out of its word.
    #[cfg(test)]
    pub(crate) fn fast_frees_carried(self, bin: usize) -> u64 {
        word!(self, records[bin].freed_fast_carried).load(Ordering::Relaxed)
    }

    /// Slow allocations in a bin, by reason.
    #[cfg(test)]
    pub(crate) fn slow_allocations(self, bin: usize, reason: AllocReason) -> u64 {
        word!(self, records[bin].alloc_reasons[reason as usize]).load(Ordering::Relaxed)
    }

    /// Slow frees in a bin, by reason.
    #[cfg(test)]
    pub(crate) fn slow_frees(self, bin: usize, reason: FreeReason) -> u64 {
        word!(self, records[bin].free_reasons[reason as usize]).load(Ordering::Relaxed)
    }

    /// Blocks of a bin that this slot's owners allocated, minus those that they freed.
    pub(crate) fn live_blocks(self, bin: usize) -> i64 {
        let list = ListWord(self.list_word(bin).load(Ordering::Relaxed));
        let depth = list.depth(self.capacity(bin).load(Ordering::Relaxed));
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed) as i64;
        let refilled = load(word!(self, records[bin].refilled_blocks));
        let flushed = load(word!(self, records[bin].flushed_blocks));
        let spare = load(word!(self, records[bin].spare_blocks));
        // Fast allocations minus fast frees: the identity of `hakmem_segment`, in which
        // `freed_fast` cancels.
        let mut live = refilled - flushed - i64::from(depth) - spare;
        for &reason in AllocReason::ALL {
            if reason != AllocReason::OutOfMemory {
                live += load(word!(self, records[bin].alloc_reasons[reason as usize]));
            }
        }
        for &reason in FreeReason::ALL {
            if reason != FreeReason::Rejected {
                live -= load(word!(self, records[bin].free_reasons[reason as usize]));
            }
        }
        live
    }
}

fn add_owner(writer: SlotWriter) {
    // SAFETY: inside the slot, which is mapped.
    let field = unsafe { addr_of_mut!((*writer.0).header.owners) };
    // SAFETY: aligned, mapped, and accessed atomically only.
    let owners = unsafe { &*field.cast::<AtomicU32>() };
    owners.store(owners.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// An event that concerns no block.
pub(crate) fn simple_event(kind: EventKind, value: u64) -> Event {
    Event {
        monotonic_ns: clock::monotonic_ns(),
        kind: kind as u8,
        class: Class::None as u8,
        value,
        ..Event::default()
    }
}

/// The stores of one slow path, between the two stores to the sequence.
pub(crate) struct SlotUpdate(SlotWriter);

impl SlotUpdate {
    /// Sets a list's depth and capacity, and keeps its number of fast frees.
    pub(crate) fn set_list(&self, bin: usize, depth: u32, capacity: u16) {
        let word = self.0.list_word(bin);
        let new = ListWord(word.load(Ordering::Relaxed)).with_depth(depth as u16, capacity);
        self.0.capacity(bin).store(capacity, Ordering::Relaxed);
        word.store(new.0, Ordering::Relaxed);
    }

    /// Takes [`ListWord::CARRY`] fast frees out of the word, which leaves `rest`, and adds them to
    /// the record. The word is stored first: if the process is killed in between, readers see fewer
    /// frees than there were, and keep what they saw before.
    pub(crate) fn carry_fast_frees(&self, bin: usize, rest: ListWord) {
        self.0.list_word(bin).store(rest.0, Ordering::Relaxed);
        add(word!(self.0, records[bin].freed_fast_carried), ListWord::CARRY);
    }

    /// Counts a fast free, whatever the list's capacity.
    pub(crate) fn add_fast_free(&self, bin: usize) {
        add(self.0.list_word(bin), ListWord::PUSH);
    }

    /// Counts one more block on a list, whatever its capacity.
    pub(crate) fn add_block(&self, bin: usize) {
        add(self.0.list_word(bin), 1);
        self.add_refilled(bin, 1);
    }

    /// Adds blocks that the slow path put on the list or spare.
    pub(crate) fn add_refilled(&self, bin: usize, blocks: u32) {
        add(word!(self.0, records[bin].refilled_blocks), blocks.into());
    }

    /// Adds blocks that the slow path took from the list or spare.
    pub(crate) fn add_flushed(&self, bin: usize, blocks: u32) {
        add(word!(self.0, records[bin].flushed_blocks), blocks.into());
    }

    /// Sets the number of blocks on the spare.
    pub(crate) fn set_spare(&self, bin: usize, blocks: u32) {
        word!(self.0, records[bin].spare_blocks).store(blocks.into(), Ordering::Relaxed);
    }

    /// Counts a slow allocation.
    pub(crate) fn count_allocation(&self, bin: usize, reason: AllocReason) {
        add(word!(self.0, records[bin].alloc_reasons[reason as usize]), 1);
    }

    /// Counts a slow free.
    pub(crate) fn count_free(&self, bin: usize, reason: FreeReason, outcome: Outcome) {
        add(word!(self.0, records[bin].free_reasons[reason as usize]), 1);
        add(word!(self.0, records[bin].outcomes[outcome as usize]), 1);
    }

    /// Counts the duration of a slow path in this bin.
    pub(crate) fn count_duration(&self, bin: usize, duration_ns: u64) {
        let class = bins::class(bin) as usize;
        add(word!(self.0, durations[class][duration::bucket(duration_ns)]), 1);
    }

    /// Adds the bytes of large spans that were allocated.
    pub(crate) fn add_large_allocated(&self, bytes: usize) {
        add(word!(self.0, header.large_allocated_bytes), bytes as u64);
    }

    /// Adds the bytes of large spans that were freed.
    pub(crate) fn add_large_freed(&self, bytes: usize) {
        add(word!(self.0, header.large_freed_bytes), bytes as u64);
    }
}
