//! Pushes and pops under `e3`, as the ancestor made them.
//!
//! # Safety
//! There is none: `e3` breaks the rules of `entry` on purpose. It is the ancestor's bug, and may do
//! anything.
#![allow(unsafe_code)]

use hakmem_segment::{Check, FreeReason, ListWord, Outcome};

use super::{add_push, slow_free, subtract_pop};
use crate::block::Block;
use crate::finding::{self, Finding};
use crate::gate::{self, E3, FrontGate};
use crate::header::HEADER_BYTES;
use crate::heap::{Heap, Stopwatch, slot_of};
use crate::routing::{Choice, Layout};
use crate::sync::Ordering;
use crate::threads::{self, Access};

/// Phase E3 as it was: trusts any byte that looks like a header, and pushes without a check.
///
/// [`push_checked`] takes over if a check is due, or if checks are on and the answer rests on a
/// byte that may be a neighbour's contents.
#[inline(never)]
pub(super) extern "C" fn push(pointer: *mut u8, heap: *mut Heap) {
    let Some(bin) = E3::bin(pointer) else { return slow_free::free_exactly(pointer, heap) };
    let word = slot_of(heap).list_word(bin);
    let value = word.load(Ordering::Relaxed);
    let is_doubtful = E3::is_doubtful(pointer) && Choice::current().check != Check::Off;
    // SAFETY: only a thread's heap has this way, and `heap` is this thread's.
    let own = unsafe { &*heap };
    if is_doubtful || ListWord(value).is_check_due() || !own.has_original_room(bin) {
        return push_checked(pointer, heap, bin);
    }
    link(own, bin, pointer);
    add_push(word);
}

/// Pops a block off a list that [`push`] pushes to; null if it is empty. `malloc` has no other fast
/// path under `e3`.
pub(super) fn pop(heap: &Heap, bin: usize) -> *mut Block {
    let block = heap.take_original(bin);
    if !block.is_null() {
        subtract_pop(heap.slot().list_word(bin));
    }
    block
}

/// Puts a block on a list as the original did: it took `pointer - 1` for the block's base and wrote
/// the link at `base + 1`, right behind a header. The list of a class without headers holds bases,
/// so there the block stands on the list one byte off, and the next pop reads a byte of a
/// neighbour's contents as part of the link.
fn link(heap: &Heap, bin: usize, pointer: *mut u8) {
    let base = pointer.wrapping_sub(HEADER_BYTES);
    let header = if Layout::Mixed.header(bin).is_some() { HEADER_BYTES } else { 0 };
    // SAFETY: the program has given the block up.
    unsafe { heap.put_original(bin, base.wrapping_add(header).cast(), pointer.cast()) };
}

/// [`push`] after a check. It reports a wrong answer, and then the bug takes its course, for that
/// is what `e3` is there to show.
#[cold]
#[inline(never)]
extern "C" fn push_checked(pointer: *mut u8, heap: *mut Heap, bin: usize) {
    let watch = Stopwatch::start();
    let Access::Own(heap, _) = threads::access(heap) else { return };
    heap.take_check_due(bin);
    if Choice::current().check == Check::Off {
        link(heap, bin, pointer);
        heap.slot().update(|update| update.add_fast_free(bin));
        return;
    }
    let verdict = gate::classify(pointer);
    let is_believed_wrongly = verdict.bin != bin || verdict.outcome == Outcome::HeaderFalsePositive;
    let outcome = if is_believed_wrongly { Outcome::HeaderFalsePositive } else { verdict.outcome };
    link(heap, bin, pointer);
    heap.finish_free(verdict.bin, FreeReason::Check, outcome, watch, pointer as usize, |update| {
        update.add_block(bin);
    });
    if is_believed_wrongly {
        let finding = Finding::of_block(&verdict, outcome, verdict.claimed_class(), true);
        finding::report(heap, pointer, &finding);
    }
}
