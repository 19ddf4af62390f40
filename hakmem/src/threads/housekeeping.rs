//! The work that slow paths do now and then beside their own: they return memory that has been idle
//! for a while, and publish the figures that belong to no thread.

use super::{PROCESS, slot_of, vacant};
use crate::counts::Details;
use crate::heap::{Heap, Stopwatch, reallocations_of};
use crate::labels::{self, LabelError};
use crate::segment::Live;

/// Publishes the figures that belong to no thread. Waits for no lock: a signal handler may have
/// called `exit` while its thread held one.
pub(crate) fn housekeep() {
    let Some(header) = Live::current() else { return };
    if let (Some(arena), Some(large)) = (crate::arena::try_usage(), crate::large::try_usage()) {
        header.memory(arena, large);
    }
    for bin in crate::bins::in_use() {
        header.central_blocks(bin, crate::central::stacked(bin));
    }
}

/// Bytes of live blocks in slabs. Exact while no other thread allocates or frees.
pub(crate) fn live_block_bytes() -> usize {
    let process = PROCESS.lock();
    let mut bytes = 0_i64;
    for bin in crate::bins::in_use() {
        let mut blocks = process.inherited_blocks[bin];
        process.groups.for_each_heap(&mut |heap| blocks += slot_of(heap).live_blocks(bin));
        bytes += blocks * crate::bins::stride(bin) as i64;
    }
    // The sum is below 0 only while another thread is between two of its counts.
    bytes.max(0) as usize
}

/// Process id, start time and nonce of the segment, if there is one that readers can see.
pub(crate) fn segment_identity() -> Option<(u32, u64, u64)> {
    // So that a new child process does not answer with its parent's segment.
    super::access(crate::os::thread_local::get().cast());
    let process = PROCESS.lock();
    process.segment.as_ref().filter(|segment| segment.is_published())?;
    Live::current().map(|header| header.identity())
}

/// Sets a label, for the segment in force and for those of child processes.
pub(crate) fn set_label(key: &str, value: &str) -> Result<(), LabelError> {
    // So that the settings have been read, and a new child process has a segment of its own.
    super::access(crate::os::thread_local::get().cast());
    let mut process = PROCESS.lock();
    let text = labels::with(&process.settings, key, value)?;
    // A child that another thread forks right now may begin with a mixture of both texts.
    process.settings.labels = text;
    if let Some(header) = Live::current() {
        header.labels(&text);
    }
    Ok(())
}

/// What the calls of all threads have added up to. Exact for threads that make no call meanwhile.
pub(crate) fn details() -> Details {
    let mut details = Details::ZERO;
    PROCESS.lock().groups.for_each_heap(&mut |heap| {
        slot_of(heap).add_to(&mut details);
        reallocations_of(heap).add_to(&mut details);
    });
    details
}

/// Calls `visit` with the slot of every heap that was ever taken.
#[cfg(test)]
pub(crate) fn for_each_slot(visit: &mut dyn FnMut(crate::slot::SlotWriter)) {
    PROCESS.lock().groups.for_each_heap(&mut |heap| visit(slot_of(heap)));
}

/// Returns all unused memory to the system, and asks the other threads to give up their lists.
/// Returns whether there was any.
pub(crate) fn trim(heap: &Heap) -> bool {
    crate::heap::ask_all_to_give_up();
    heap.take_request();
    // Lists and stacks come first, because their blocks may leave pages free.
    let returned = heap.reclaim() + crate::central::return_all_pages();
    // A thread that holds the lock is about to take or release a heap.
    if let Some(mut process) = PROCESS.try_lock() {
        process.groups.trim_free();
    }
    housekeep();
    returned > 0
}

/// Returns idle memory and publishes what is held, if it is time to; also publishes if slabs were
/// taken or returned since this heap last looked. Whether it is time is judged by the start of the
/// slow path that `watch` times: no clock is read for it.
pub(crate) fn housekeep_if_due(heap: &Heap, watch: Stopwatch) {
    let changes = crate::arena::changes();
    if heap.tick_if_due(watch) {
        tick(heap);
        heap.arena_changes.set(changes);
    } else if heap.is_look_due(changes) {
        heap.give_up_idle(changes);
        crate::central::decay(heap.now_ms.get(), true);
    } else if heap.arena_changes.get() != changes && heap.publication_if_due(watch) {
        housekeep();
        heap.arena_changes.set(changes);
    } else if heap.arena_changes.get() != changes
        && heap.told_changes.get() != changes
        && let Some(header) = Live::current()
    {
        // It may be the last change for a long time, so its largest part is published at once.
        header.slab_bytes(crate::arena::slab_bytes());
        heap.told_changes.set(changes);
    }
}

/// Returns memory that has been idle for a while, and publishes what is held. Slow paths call this
/// now and then.
#[cold]
fn tick(heap: &Heap) {
    use hakmem_segment::EventKind;

    let now_ms = heap.now_ms.get();
    let changes = crate::arena::changes();
    if heap.take_request() {
        heap.reclaim();
    } else if heap.is_look_due(changes) {
        heap.give_up_idle(changes);
    }
    vacant::close_idle(now_ms);
    crate::central::decay(now_ms, false);
    crate::central::return_idle_pages(now_ms);
    let slabs = crate::arena::purge(now_ms, crate::arena::PURGE_AFTER_MS);
    if slabs > 0 {
        heap.slot().write_event(crate::slot::simple_event(EventKind::SlabReturned, slabs as u64));
    }
    let spans = crate::large::purge(now_ms, crate::large::PURGE_AFTER_MS);
    if spans > 0 {
        heap.write_large_event(EventKind::LargeUnmapped, 0, spans);
    }
    housekeep();
}
