//! What happens when the segment's owner cuts the file off while it is mapped.
//!
//! A page behind the file's end answers a touch with SIGBUS. The handler puts private memory in
//! place of the slot, or of the header, that was touched; then the instruction runs again, and the
//! program goes on without telemetry. The words of the slot must keep bounding the lists, so they
//! are made from the heap's own lists ([`Heap::describe_lists`]) before the memory takes its place,
//! in one step.
//!
//! Threads may fault at one slot at once, as others than its owner read slots too. The first one
//! marks it and mends it; for the others the fault repeats until that is done.
//!
//! What this cannot mend: a thread that has SIGBUS blocked, and a program that installs a handler
//! of its own later and does not call the one that it found. Both end as any program does whose
//! mapped file is cut off.
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

use hakmem_segment::header::SLOTS_MAX;
use hakmem_segment::slot::SLOT_BYTES;

use crate::heap::{Heap, SLOT_DISTANCE};
use crate::os::{memory, message, signal};
use crate::segment::{self, GROUP_SLOTS};
use crate::sync::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

const GROUPS_MAX: usize = SLOTS_MAX / GROUP_SLOTS;

/// Slots of the groups in the file, by position; those from `COUNT` on mean nothing.
static SLOTS: [AtomicUsize; GROUPS_MAX] = [const { AtomicUsize::new(0) }; GROUPS_MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);
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
    SLOTS[position].store(slots.as_ptr() as usize, Ordering::Relaxed);
    COUNT.store(position + 1, Ordering::Relaxed);
}

/// Forgets marks that a thread of the parent process may have left: in a new child.
pub(super) fn begin_child() {
    MENDED.iter().for_each(|mended| mended.store(0, Ordering::Relaxed));
    segment::begin_child();
}

/// Forgets all groups: they are unmapped.
pub(super) fn forget_groups() {
    COUNT.store(0, Ordering::Relaxed);
}

/// Mends the fault at an address, if it is of the segment. Runs in a signal handler.
fn mend(address: usize) -> bool {
    let is_ours = match segment::replace_header(address) {
        Some(mended) => mended,
        None => match slot_at(address) {
            Some((position, index)) => mend_slot(position, index),
            None => false,
        },
    };
    if is_ours && segment::lose() && !SAID.swap(true, Ordering::Relaxed) {
        message::print(format_args!(
            "telemetry is off: its file was cut off by somebody; the program runs on"
        ));
    }
    is_ours
}

/// The slot of the file that an address lies in: its group's position, and its index there.
fn slot_at(address: usize) -> Option<(usize, usize)> {
    (0..COUNT.load(Ordering::Relaxed)).find_map(|position| {
        let offset = address.wrapping_sub(SLOTS[position].load(Ordering::Relaxed));
        (offset < SLOT_DISTANCE).then_some((position, offset / SLOT_BYTES))
    })
}

/// Puts private memory in place of a slot; false if there is none.
fn mend_slot(position: usize, index: usize) -> bool {
    // A handler that interrupted this one would fault at the slot that it is to mend.
    signal::block_all();
    let bit = 1 << index;
    if MENDED[position].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return true;
    }
    let slot = SLOTS[position].load(Ordering::Relaxed) + index * SLOT_BYTES;
    let heap = (slot - SLOT_DISTANCE) as *mut Heap;
    let replaced = NonNull::new(slot as *mut u8).is_some_and(|slot| {
        let Some(memory) = memory::map(SLOT_BYTES) else { return false };
        // SAFETY: a group's heap, and zeroed memory of a slot's size that nobody else knows.
        unsafe { Heap::describe_lists(heap, memory.as_ptr().cast()) };
        // SAFETY: the slot is this process's; what was in it is gone with the file.
        let moved = unsafe { memory::move_over(memory, SLOT_BYTES, slot) };
        if !moved {
            // A refusal is counted. SAFETY: mapped here, and nobody else knows it.
            let _ = unsafe { memory::unmap(memory, SLOT_BYTES) };
        }
        moved
    });
    if !replaced {
        MENDED[position].fetch_and(!bit, Ordering::Relaxed);
    }
    replaced
}
