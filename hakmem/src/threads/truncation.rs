//! What happens when the segment's owner cuts the file off while it is mapped.
//!
//! A page behind the file's end answers a touch with SIGBUS. The handler puts private memory in
//! place of what was touched, a slot or the header; then the instruction runs again, and the program
//! goes on without telemetry. The words of the slot must keep bounding the lists, so they are made
//! anew ([`Heap::describe_lists`]) before the memory takes its place, in one step.
//!
//! Whoever cut the file off may make it long again, and then its pages read as zeros: words that
//! bound nothing. So the first fault replaces all slots and the header. Where no thread touched any
//! between the two, the first slow path of any thread finds its slot as if nobody had written it, and
//! does it then.
//!
//! Threads may fault at one slot at once, as others than its owner read slots too. The first one
//! marks it and mends it; for the others the fault repeats until that is done.
//!
//! What this cannot mend: a thread that has SIGBUS blocked, and a program that installs a handler
//! of its own later and does not call the one that it found. Both end as any program does whose
//! mapped file is cut off. And a list that is given more blocks than it has room for, one after the
//! other, between a cut that nobody noticed and the next slow path of any thread, overflows, as it
//! does where the owner writes into the file.
//!
//! # Orderings
//! A group's place is stored before its slots are touched, and a fault is a touch: relaxed. The
//! marks are claimed by relaxed read-modify-writes; the memory that takes the slot's place is
//! published by the kernel.
//!
//! # Safety
//! The noted ranges are groups' slots, which stay mapped as long as they are noted.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use hakmem_segment::Slot;
use hakmem_segment::header::SLOTS_MAX;

use crate::heap::{Heap, SLOT_DISTANCE};
use crate::os::{memory, message, signal};
use crate::segment::{self, GROUP_SLOTS, SLOT_STEP};
use crate::sync::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

const GROUPS_MAX: usize = SLOTS_MAX / GROUP_SLOTS;

/// Slots of the groups in the file, by position; those from `COUNT` on mean nothing.
static SLOTS: [AtomicUsize; GROUPS_MAX] = [const { AtomicUsize::new(0) }; GROUPS_MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// One bit a slot whose heap is mapped.
static PLACES: [AtomicU16; GROUPS_MAX] = [const { AtomicU16::new(0) }; GROUPS_MAX];
/// One bit a slot that has private memory in its place, or is about to.
static MENDED: [AtomicU16; GROUPS_MAX] = [const { AtomicU16::new(0) }; GROUPS_MAX];
static SAID: AtomicBool = AtomicBool::new(false);

/// From now on a truncated file does no harm.
pub(super) fn guard() {
    signal::mend_bus_errors(mend);
}

/// Notes where the slots of a group of the file are.
pub(super) fn note_group(position: usize, slots: NonNull<u8>) {
    MENDED[position].store(0, Ordering::Relaxed);
    PLACES[position].store(0, Ordering::Relaxed);
    SLOTS[position].store(slots.as_ptr() as usize, Ordering::Relaxed);
    COUNT.store(position + 1, Ordering::Relaxed);
}

/// Notes that the heap of a slot is mapped.
pub(super) fn note_place(position: usize, index: usize) {
    PLACES[position].fetch_or(1 << index, Ordering::Relaxed);
}

/// Forgets marks that a thread of the parent process may have left: in a new child.
pub(super) fn begin_child() {
    MENDED.iter().for_each(|mended| mended.store(0, Ordering::Relaxed));
    segment::begin_child();
}

/// Puts private memory in place of all slots of the file, which are the parent's: in a new child.
pub(super) fn hide_slots() {
    let count = COUNT.load(Ordering::Relaxed);
    for slots in &SLOTS[..count] {
        let slots = NonNull::new(slots.load(Ordering::Relaxed) as *mut u8);
        // Where it is refused, the call that was interrupted may count in the parent's slot.
        // SAFETY: the only thread, which has no references to slots.
        let _ = slots.is_some_and(|slots| unsafe { memory::map_over(slots, SLOT_DISTANCE) });
    }
}

/// Forgets all groups: they are unmapped.
pub(super) fn forget_groups() {
    COUNT.store(0, Ordering::Relaxed);
}

/// Mends the fault at an address, if it is of the segment. Runs in a signal handler.
fn mend(address: usize) -> bool {
    let slot = slot_at(address);
    if slot.is_none() && !segment::is_header(address) {
        return false;
    }
    // A handler that interrupted this one would fault at what this one is to mend.
    signal::block_all();
    let mended = match slot {
        Some((position, index)) => mend_slot(position, index),
        None => segment::replace_header(),
    };
    if mended {
        give_up_file();
    }
    mended
}

/// Gives the file up if it has this slot, which reads as zeros and whose heap is in use: somebody has
/// cut the file off and made it long again.
pub(super) fn look_at(slot: *mut Slot) {
    if super::fork::is_wiped() {
        // The private memory that a child's interrupted call counts in has never been written.
        return;
    }
    let Some((position, index)) = slot_at(slot as usize) else { return };
    let heap = (slot as usize - SLOT_DISTANCE) as *mut Heap;
    let is_mapped = PLACES[position].load(Ordering::Relaxed) >> index & 1 != 0;
    // SAFETY: a heap's page, which is mapped.
    if is_mapped && unsafe { Heap::is_alive(heap) } {
        give_up_file();
    }
}

/// Puts private memory in place of all that is mapped of the file, and says so once.
#[cold]
fn give_up_file() {
    let count = COUNT.load(Ordering::Relaxed);
    for (position, places) in PLACES[..count].iter().enumerate() {
        let places = places.load(Ordering::Relaxed);
        for index in (0..GROUP_SLOTS).filter(|index| places >> index & 1 != 0) {
            // Where there is no memory now, the next fault tries again.
            let _ = mend_slot(position, index);
        }
    }
    let _ = segment::replace_header();
    if segment::lose() && !SAID.swap(true, Ordering::Relaxed) {
        message::print(format_args!(
            "telemetry is off: its file was cut off by somebody; the program runs on"
        ));
    }
}

/// The slot of the file that an address lies in: its group's position, and its index there.
fn slot_at(address: usize) -> Option<(usize, usize)> {
    (0..COUNT.load(Ordering::Relaxed)).find_map(|position| {
        let offset = address.wrapping_sub(SLOTS[position].load(Ordering::Relaxed));
        (offset < SLOT_DISTANCE).then_some((position, offset / SLOT_STEP))
    })
}

/// Puts private memory in place of a slot; false if there is none.
fn mend_slot(position: usize, index: usize) -> bool {
    let bit = 1 << index;
    if MENDED[position].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return true;
    }
    let slot = SLOTS[position].load(Ordering::Relaxed) + index * SLOT_STEP;
    let heap = (slot - SLOT_DISTANCE) as *mut Heap;
    let replaced = NonNull::new(slot as *mut u8).is_some_and(|slot| {
        let Some(memory) = memory::map(SLOT_STEP) else { return false };
        // SAFETY: a group's heap, and zeroed memory of a slot's size that nobody else knows.
        unsafe { Heap::describe_lists(heap, memory.as_ptr().cast()) };
        // SAFETY: the slot is this process's; what was in it is gone with the file.
        let moved = unsafe { memory::move_over(memory, SLOT_STEP, slot) };
        if !moved {
            // A refusal is counted. SAFETY: mapped here, and nobody else knows it.
            let _ = unsafe { memory::unmap(memory, SLOT_STEP) };
        }
        moved
    });
    if !replaced {
        MENDED[position].fetch_and(!bit, Ordering::Relaxed);
    }
    replaced
}
