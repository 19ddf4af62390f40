//! The accounts that slow paths keep: counters, durations, and events at a bounded rate.

use hakmem_segment::{AllocReason, BIN_LARGE, Event, EventKind, FreeReason, Outcome};

use super::{EVENT_KINDS, Heap};
use crate::bins;
use crate::os::clock;
use crate::slot::SlotUpdate;

/// Least interval between two events of one reason: 20 a second tell the story and cost nothing.
const EVENT_SPACING_NS: u64 = 50_000_000;

/// Times a slow path.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(u64);

impl Stopwatch {
    /// Starts timing now.
    #[inline(always)]
    pub(crate) fn start() -> Self {
        Self(clock::ticks())
    }

    /// Tick counter at the start.
    pub(super) fn started(self) -> u64 {
        self.0
    }

    fn elapsed_ns(self, now: u64) -> u64 {
        clock::ticks_to_ns(clock::ticks_between(self.0, now))
    }
}

impl Heap {
    /// Counts a slow allocation that succeeded, with its duration and, now and then, an event.
    pub(crate) fn finish_allocation(
        &self,
        bin: usize,
        reason: AllocReason,
        watch: Stopwatch,
        address: usize,
        change: impl FnOnce(&SlotUpdate),
    ) {
        let now = clock::ticks();
        let duration_ns = watch.elapsed_ns(now);
        let slot = self.slot();
        slot.update(|update| {
            change(update);
            update.count_allocation(bin, reason);
            update.count_duration(bin, duration_ns);
        });
        if self.is_event_due(reason as usize, now) {
            let kind = EventKind::SlowAllocation;
            self.write_event(kind, bin, reason as u8, duration_ns, address);
        } else {
            slot.count_suppressed_allocation(reason);
        }
    }

    /// Counts a slow free, with its duration and, now and then, an event.
    pub(crate) fn finish_free(
        &self,
        bin: usize,
        reason: FreeReason,
        outcome: Outcome,
        watch: Stopwatch,
        address: usize,
        change: impl FnOnce(&SlotUpdate),
    ) {
        let now = clock::ticks();
        let duration_ns = watch.elapsed_ns(now);
        let slot = self.slot();
        slot.update(|update| {
            change(update);
            update.count_free(bin, reason, outcome);
            update.count_duration(bin, duration_ns);
        });
        if self.is_event_due(AllocReason::ALL.len() + reason as usize, now) {
            self.write_event(EventKind::SlowFree, bin, reason as u8, duration_ns, address);
        } else {
            slot.count_suppressed_free(reason);
        }
    }

    /// Counts a request that failed, with an event.
    #[cold]
    pub(crate) fn count_out_of_memory(&self, bin: usize, size: usize) {
        let slot = self.slot();
        slot.update(|update| update.count_allocation(bin, AllocReason::OutOfMemory));
        slot.write_event(Event {
            class: bins::class(bin) as u8,
            bin: bin as u8,
            ..crate::slot::simple_event(EventKind::OutOfMemory, size as u64)
        });
    }

    /// Writes an event about large spans unless the last one was too recent.
    pub(crate) fn write_large_event(&self, kind: EventKind, address: usize, bytes: usize) {
        if !self.is_event_due(EVENT_KINDS - 1, clock::ticks()) {
            return;
        }
        let event = crate::slot::simple_event(kind, bytes as u64);
        let (class, bin) = (bins::class(BIN_LARGE) as u8, BIN_LARGE as u8);
        self.slot().write_event(Event { class, bin, address: address as u64, ..event });
    }

    /// Whether the spacing of events allows another event of the kind `index` at `ticks` of the
    /// tick counter; notes its time if so.
    fn is_event_due(&self, index: usize, ticks: u64) -> bool {
        let now = clock::ticks_to_ns(ticks);
        // The difference wraps to a great interval if the counter was set back.
        let due = now.wrapping_sub(self.last_event_ns[index].get()) >= EVENT_SPACING_NS;
        if due {
            self.last_event_ns[index].set(now);
        }
        due
    }

    fn write_event(&self, kind: EventKind, bin: usize, detail: u8, ns: u64, address: usize) {
        self.slot().write_event(Event {
            monotonic_ns: clock::monotonic_ns(),
            kind: kind as u8,
            class: bins::class(bin) as u8,
            bin: bin as u8,
            detail,
            duration_ns: u32::try_from(ns).unwrap_or(u32::MAX),
            address: address as u64,
            ..Event::default()
        });
    }
}
