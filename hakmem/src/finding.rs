//! Reports a wrong free: counters, an event, a line, and perhaps the end of the process.

use hakmem_segment::{BIN_LARGE, BIN_NONE, Class, Event, EventKind, FreeReason, OnError, Outcome};

use crate::arena;
use crate::bins;
use crate::central::stray::{self, Strays};
use crate::heap::{Heap, Stopwatch};
use crate::large::{self, Nearby};
use crate::os::{message, process};
use crate::routing::{Choice, Layout};
use crate::segment;
use crate::slot::simple_event;
use crate::sync::{AtomicU32, Ordering};

/// A free that is wrong, or whose pointer the routing takes for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// An anomaly, or [`Outcome::Foreign`].
    pub(crate) outcome: Outcome,
    /// The block's true bin; [`BIN_NONE`] if the pointer is not the allocator's.
    pub(crate) bin: usize,
    /// The class that the header or the caller's size claims.
    pub(crate) claimed: Option<Class>,
    /// The byte in front of the block, if the routing reads it.
    pub(crate) header: Option<u8>,
    /// Whether only a check finds it.
    pub(crate) by_check: bool,
    /// Whether it was found after the call, when the block came back to its slab.
    pub(crate) is_late: bool,
}

impl Finding {
    /// A pointer that is the start of neither a block nor a span.
    #[cold]
    pub(crate) fn of_stray(pointer: *mut u8) -> Self {
        let (outcome, bin) = match large::nearby(pointer as usize) {
            Nearby::Inside => (Outcome::Interior, BIN_LARGE),
            Nearby::Freed => (Outcome::DoubleFree, BIN_LARGE),
            // The memory is the allocator's but in no slab: its slab was empty and is gone.
            Nearby::Nothing if arena::holds(pointer as usize) => (Outcome::DoubleFree, BIN_NONE),
            Nearby::Nothing => (Outcome::Foreign, BIN_NONE),
        };
        Self { outcome, bin, claimed: None, header: None, by_check: false, is_late: false }
    }

    /// A large span that was freed with a size that leads to the bin `told`.
    #[cold]
    pub(crate) fn of_span_size(told: usize) -> Self {
        let claimed = Some(bins::class(told));
        let outcome = Outcome::SizeMismatch;
        Self { outcome, bin: BIN_LARGE, claimed, header: None, by_check: true, is_late: false }
    }

    /// A block that its slab did not take back.
    #[cold]
    fn of_stray_block(strays: &Strays) -> Self {
        let Strays { outcome, bin, .. } = *strays;
        Self { outcome, bin, claimed: None, header: None, by_check: false, is_late: true }
    }

    /// Whether the pointer is a live block nevertheless, which is freed as what it truly is.
    pub(crate) fn is_live_block(&self) -> bool {
        use Outcome::{HeaderFalsePositive, HeaderMissing, SizeMismatch};
        matches!(self.outcome, HeaderFalsePositive | HeaderMissing | SizeMismatch)
    }

    /// The reason for which the free counts as slow.
    pub(crate) fn reason(&self) -> FreeReason {
        match (self.is_live_block(), self.by_check) {
            (false, _) => FreeReason::Rejected,
            (true, true) => FreeReason::Check,
            (true, false) => FreeReason::Routed,
        }
    }
}

/// Lines that are printed for each outcome: the first ones name the bug, a million would hide it.
const LINES_MAX: u32 = 3;
static LINES: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];

/// Writes an event for the finding of a free and prints it; aborts if the settings demand that.
#[cold]
pub(crate) fn report(heap: &Heap, pointer: *mut u8, finding: &Finding) {
    report_of("free", heap, pointer, finding);
}

/// [`report`] for a `call` other than `free`.
#[cold]
pub(crate) fn report_of(call: &str, heap: &Heap, pointer: *mut u8, finding: &Finding) {
    let choice = Choice::current();
    let aborts = choice.on_error == OnError::Abort;
    let kind = if finding.by_check { EventKind::CheckFinding } else { EventKind::Anomaly };
    heap.slot().write_event(Event {
        class: bins::class(finding.bin) as u8,
        bin: finding.bin as u8,
        detail: finding.outcome as u8,
        claimed_class: finding.claimed.unwrap_or(Class::None) as u8,
        address: pointer as u64,
        ..simple_event(kind, finding.header.unwrap_or(0).into())
    });
    let printed = LINES[finding.outcome as usize].fetch_add(1, Ordering::Relaxed);
    if printed < LINES_MAX || aborts {
        let (routing, check) = (choice.routing.name(), choice.check.name());
        let rest = match printed + 1 {
            _ if aborts => "; aborting (HAKMEM_ON_ERROR=abort)",
            LINES_MAX => "; further ones are only counted",
            _ => "",
        };
        let (what, when) = (Description(finding), When(finding));
        message::print(format_args!(
            "{call}({pointer:p}): {what}{when}; routing {routing}, check {check}{rest}"
        ));
    }
    if aborts {
        process::abort();
    }
}

/// Reports the wrong frees that slabs have found since the last report. Each counts as one more
/// free, a rejected one: at its call it was counted as what it seemed to be.
pub(crate) fn report_strays(heap: &Heap) {
    if stray::are_noted() {
        stray::take(|strays| report_stray(heap, &strays));
    }
}

#[cold]
fn report_stray(heap: &Heap, strays: &Strays) {
    let Strays { bin, outcome, count, address } = *strays;
    for _ in 0..count {
        let watch = Stopwatch::start();
        heap.finish_free(bin, FreeReason::Rejected, outcome, watch, address, |_| ());
    }
    report(heap, address as *mut u8, &Finding::of_stray_block(strays));
}

/// When a finding was made, if not at the call.
struct When<'a>(&'a Finding);

impl core::fmt::Display for When<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.is_late { out.write_str("; found later, on its way to its slab") } else { Ok(()) }
    }
}

/// A finding in words.
struct Description<'a>(&'a Finding);

impl core::fmt::Display for Description<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Finding { outcome, bin, claimed, header, .. } = *self.0;
        let class = bins::class(bin).name();
        let claimed = claimed.map_or("no class", Class::name);
        let byte = header.unwrap_or(0);
        let bare =
            if Layout::current().header(bin).is_none() { ", which has no header" } else { "" };
        match outcome {
            Outcome::HeaderFalsePositive => {
                write!(
                    out,
                    "header byte {byte:#04x} claims {claimed}, but the block is {class}{bare}"
                )
            }
            Outcome::HeaderMissing => write!(
                out,
                "byte {byte:#04x} is where the header of a {class} block was: something wrote \
                 beyond the block before it; repaired"
            ),
            Outcome::Interior => {
                write!(out, "inside a {class} block or between two, not the start of one; ignored")
            }
            Outcome::DoubleFree if bin == BIN_NONE => out.write_str(
                "in hakmem's memory, but not in a block: freed before, or never allocated; ignored",
            ),
            Outcome::DoubleFree => write!(out, "the {class} block is free already; ignored"),
            Outcome::SizeMismatch => {
                write!(out, "freed with a size of {claimed}, but the block is {class}")
            }
            _ if segment::namespaces() > 0 => write!(
                out,
                "not a pointer that hakmem returned; ignored; the program has called dlmopen, and \
                 libraries in a namespace of their own have another malloc"
            ),
            _ => write!(out, "not a pointer that hakmem returned; ignored"),
        }
    }
}

#[cfg(test)]
mod tests;
