//! The layout of a telemetry segment: the contract between the allocator, which writes one file
//! per process, and every reader.
//!
//! A segment is one [`SegmentHeader`] followed by up to `slots_max` [`Slot`]s, each `slot_bytes`
//! long; slot `i` starts at `header_bytes + i * slot_bytes`. Everything is little-endian, fixed
//! width and free of pointers. A slot is written by one thread at a time and never reset: when a
//! thread exits, a later thread takes its slot over and the counters go on, so totals over all
//! slots never fall.
//!
//! This is layout 2.7. `hakmem-reader` reads every layout 2.x: a later minor version only gives
//! meanings to reserved fields and further values. `CHANGELOG.md` lists the versions.
//!
//! # The identity
//!
//! Fast allocations are not counted but derived. For every slot and bin
//!
//! ```text
//! allocated_fast = refilled_blocks + freed_fast - flushed_blocks - depth - spare_blocks
//! ```
//!
//! where one [`ListWord`] gives `depth` and `freed_fast`, together with the list's capacity
//! ([`Slot::capacities`]); fast frees that were carried into the bin's [`BinRecord`]
//! ([`BinRecord::freed_fast_carried`]) are added to `freed_fast`. The other terms are in that
//! record. Capacity and record change only on slow paths. A slow path makes
//! [`SlotHeader::sequence`] odd, updates the slot, and makes the sequence even again: a copy of the
//! slot during which the sequence stayed even and unchanged satisfies the identity exactly, because
//! the fast path changes only the word, with one aligned 64-bit store.
//!
//! # Conservation
//!
//! For every bin, `frees = freed_fast + sum of BinRecord::free_reasons`, and the outcomes sum to
//! the same number: fast frees count as [`Outcome::Sized`] ([`Slot::sized_frees_fast`] of them) or,
//! all others, as the bin's [`BinInfo::fast_outcome`]; slow frees are in [`BinRecord::outcomes`].
//!
//! # Labels
//!
//! A program may replace its labels while it runs. [`SegmentHeader::labels_sequence`] is odd
//! meanwhile, and another even number after it. A reader that knows only layouts before 2.7 shows
//! the labels that it found when it opened the segment.
//!
//! # Layers, bottom to top
//!
//! A module may use those above it in this list (the lower ones) and none below it.
//!
//! - `vocabulary`: the words that segment, protocol, metrics and screens share; knows no layout.
//! - `duration`: the buckets of the histogram of slow-path durations; knows no slot.
//! - `word`: the word that bounds a list and counts its fast frees; knows no bin.
//! - `event`: what a slot keeps of the recent past; knows no slot.
//! - `header`: the first two pages, which belong to no thread.
//! - `slot`: the pages of one thread, laid out from all of these.

#![no_std]
#![forbid(unsafe_code)]

pub mod duration;
pub mod event;
pub mod header;
pub mod slot;
pub mod vocabulary;
pub mod word;

pub use event::{Event, EventKind};
pub use header::{BinInfo, SegmentHeader, State};
pub use slot::{BinRecord, Slot, SlotHeader};
pub use vocabulary::{
    AllocReason, Check, Class, FreeReason, OnError, Outcome, ProcessState, Push, Routing, Telemetry,
};
pub use word::{ListState, ListWord};

/// First eight bytes of every segment.
pub const MAGIC: [u8; 8] = *b"HAKMEMSG";
/// A reader accepts any segment whose major version it knows.
pub const LAYOUT_MAJOR: u16 = 2;
/// Grows when a reserved field, or a further value of a field, gets a meaning.
pub const LAYOUT_MINOR: u16 = 7;
/// Stored last in [`SegmentHeader::ready`], when everything before it is in place.
pub const READY: u64 = 0x5245_4144_5948_414b;
/// Bins a segment has room for; bin 0 is [`BIN_NONE`], bin 63 is [`BIN_LARGE`].
pub const BINS: usize = 64;
/// The bin of pointers that belong to no bin: foreign ones, and only those.
pub const BIN_NONE: usize = 0;
/// The bin of large allocations.
pub const BIN_LARGE: usize = BINS - 1;
/// Suffix of file names; the whole name is `<pid>-<start_time_ticks>-<nonce in hex>.hakmem`.
pub const FILE_SUFFIX: &str = ".hakmem";

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn the_documentation_and_the_changelog_name_the_layout() {
        let layout = std::format!("ayout {LAYOUT_MAJOR}.{LAYOUT_MINOR}");
        assert!(include_str!("lib.rs").contains(&std::format!("//! This is l{layout}.")));
        assert!(include_str!("../CHANGELOG.md").contains(&std::format!("- L{layout}: ")));
    }

    #[test]
    fn the_sizes_are_those_that_other_readers_know() {
        assert_eq!((BINS, BIN_NONE, BIN_LARGE), (64, 0, 63));
        assert_eq!((header::HEADER_BYTES, slot::SLOT_BYTES), (8192, 36_864));
        assert_eq!((slot::SLOT_HOT_BYTES, slot::HISTOGRAMS), (4096, 12));
        assert_eq!((duration::BUCKETS, event::RING_EVENTS), (116, 64));
    }
}
