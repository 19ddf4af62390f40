//! Keeps the program running when the segment's owner truncates the file while it is mapped.
//!
//! Access to a page behind the file's end causes a SIGBUS. The handler puts private memory in place
//! of the slot or header that was accessed; then the instruction runs again, and the program
//! continues without telemetry. The words of the slot must keep bounding the lists, so they are
//! recomputed ([`Heap::describe_lists`]) before the memory takes the slot's place, in one step.
//!
//! The user who truncated the file may extend it again, and then its pages read as zeros: words
//! that bound nothing. So the first fault replaces all slots and the header. If no thread touched a
//! slot between the two changes, the first slow path of any thread finds that its slot looks as if
//! it had never been written, and replaces all slots and the header then.
//!
//! Several threads may fault at one slot at once, because other threads than its owner also read
//! it. The first one marks the slot and repairs it; for the others the fault repeats until that is
//! done.
//!
//! Two cases cannot be repaired: a thread that blocks SIGBUS, and a program that later installs a
//! handler of its own which does not call the one that it replaced. Both end like any program whose
//! mapped file is truncated. And a list overflows if it receives more blocks than it has room for,
//! one after the other, between a truncation that went unnoticed and the next slow path of any
//! thread, just as it does if the owner writes into the file.
//!
//! # Orderings
//! Relaxed: a group's place is stored before its slots are accessed, and a fault is an access. The
//! marks are claimed by relaxed read-modify-writes; the kernel publishes the memory that takes the
//! slot's place.
//!
//! # Safety
//! The recorded ranges are groups' slots, which stay mapped as long as they are recorded.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use hakmem_segment::Slot;
use hakmem_segment::header::SLOTS_MAX;

use crate::heap::{Heap, SLOT_DISTANCE};
use crate::os::{memory, message, signal};
use crate::segment::{self, GROUP_SLOTS, SLOT_STEP};
use crate::sync::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

const GROUPS_MAX: usize = SLOTS_MAX / GROUP_SLOTS;

/// Addresses of the slots of each group in the file, by position; entries from `COUNT` on are
/// meaningless.
static SLOTS: [AtomicUsize; GROUPS_MAX] = [const { AtomicUsize::new(0) }; GROUPS_MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// One bit for each slot whose heap is mapped.
static PLACES: [AtomicU16; GROUPS_MAX] = [const { AtomicU16::new(0) }; GROUPS_MAX];
/// One bit for each slot whose place private memory has taken or is about to take.
static MENDED: [AtomicU16; GROUPS_MAX] = [const { AtomicU16::new(0) }; GROUPS_MAX];
static SAID: AtomicBool = AtomicBool::new(false);

/// Installs the handler: from now on a truncated file does no harm.
pub(super) fn guard() {
    signal::mend_bus_errors(mend);
}

/// Records the address of the slots of a group in the file.
pub(super) fn note_group(position: usize, slots: NonNull<u8>) {
    MENDED[position].store(0, Ordering::Relaxed);
    PLACES[position].store(0, Ordering::Relaxed);
    SLOTS[position].store(slots.as_ptr() as usize, Ordering::Relaxed);
    COUNT.store(position + 1, Ordering::Relaxed);
}

/// Records that the heap of a slot is mapped.
pub(super) fn note_place(position: usize, index: usize) {
    PLACES[position].fetch_or(1 << index, Ordering::Relaxed);
}

/// Clears marks that a thread of the parent process may have left; called in a new child.
pub(super) fn begin_child() {
    MENDED.iter().for_each(|mended| mended.store(0, Ordering::Relaxed));
    segment::begin_child();
}

/// Puts private memory in place of all slots of the file, which are the parent's; called in a new
/// child.
pub(super) fn hide_slots() {
    let count = COUNT.load(Ordering::Relaxed);
    for slots in &SLOTS[..count] {
        let slots = NonNull::new(slots.load(Ordering::Relaxed) as *mut u8);
        // If the system refuses, the interrupted call may count in the parent's slot.
        // SAFETY: the only thread, which has no references to slots.
        let _ = slots.is_some_and(|slots| unsafe { memory::map_over(slots, SLOT_DISTANCE) });
    }
}

/// Forgets all groups, which are unmapped.
pub(super) fn forget_groups() {
    COUNT.store(0, Ordering::Relaxed);
}

/// Repairs the fault at `address` if it lies in the segment. Runs in a signal handler.
fn mend(address: usize) -> bool {
    let slot = slot_at(address);
    if slot.is_none() && !segment::is_header(address) {
        return false;
    }
    // A handler that interrupts this one would fault at the very memory that this one is repairing.
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

/// Gives the file up if `slot` lies in it, reads as zeros and belongs to a heap in use: somebody
/// has truncated the file and extended it again.
pub(super) fn look_at(slot: *mut Slot) {
    let Some((position, index)) = slot_at(slot as usize) else { return };
    let heap = (slot as usize - SLOT_DISTANCE) as *mut Heap;
    let is_mapped = PLACES[position].load(Ordering::Relaxed) >> index & 1 != 0;
    // SAFETY: a heap's page, which is mapped.
    if is_mapped && unsafe { Heap::is_alive(heap) } {
        give_up_file();
    }
}

/// Puts private memory in place of everything that is mapped from the file, and reports that once.
#[cold]
fn give_up_file() {
    let count = COUNT.load(Ordering::Relaxed);
    for (position, places) in PLACES[..count].iter().enumerate() {
        let places = places.load(Ordering::Relaxed);
        for index in (0..GROUP_SLOTS).filter(|index| places >> index & 1 != 0) {
            // If there is no memory now, the next fault tries again.
            let _ = mend_slot(position, index);
        }
    }
    let _ = segment::replace_header();
    if segment::lose() && !SAID.swap(true, Ordering::Relaxed) {
        message::print(format_args!(
            "telemetry is off: its file was truncated; the program continues"
        ));
    }
}

/// The slot in the file that contains `address`: its group's position, and its index there.
fn slot_at(address: usize) -> Option<(usize, usize)> {
    (0..COUNT.load(Ordering::Relaxed)).find_map(|position| {
        let offset = address.wrapping_sub(SLOTS[position].load(Ordering::Relaxed));
        (offset < SLOT_DISTANCE).then_some((position, offset / SLOT_STEP))
    })
}

/// Puts private memory in place of a slot; false if there is no memory.
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
        // SAFETY: the slot is this process's; its contents are gone with the file.
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
