//! Reads telemetry segments from outside the process that writes them.
//!
//! A segment is a file that any user may have written and that changes while it is read. So this
//! crate never maps one: every byte comes by `pread` into private memory, every size and index is
//! bounded, and text is cleaned of control characters before anybody sees it.
//!
//! The layers, bottom to top; each uses only those above it in this list:
//!
//! - [`error`], `segment_name`, `fields`, [`text`]: error types, file names, little-endian fields,
//!   untrusted text;
//! - `segment_file`: one open file; only this module reads files of segments;
//! - `death_mark`: the mark on a segment whose writer was found dead;
//! - [`identity`], [`histogram`], [`sample`]: the contents of a segment, decoded;
//! - `slot_decode`, `moving_bin`, `slot_snapshot`: consistent copies of slots while their writers
//!   run;
//! - [`totals`], [`invariants`]: pure sums over a sample, and the equations that must hold for it;
//! - [`segment`], [`events`]: one segment, sampled and followed;
//! - `proc_stat`, [`ending`]: how a process ended, according to the kernel;
//! - [`liveness`], [`directory`]: the state of a process, and where segments are;
//! - `fuzz`, `fixture`: for tests.
//!
//! ```no_run
//! use hakmem_reader::{Segment, directory};
//!
//! for path in directory::scan(&directory::default_directory())?.paths {
//!     let mut segment = Segment::open(&path)?;
//!     for class in segment.sample()?.classes() {
//!         println!("{} {}", class.class.name(), class.allocations);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

pub mod directory;
pub mod ending;
pub mod error;
pub mod events;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod histogram;
pub mod identity;
pub mod invariants;
pub mod liveness;
pub mod sample;
pub mod segment;
pub mod text;
pub mod totals;

mod death_mark;
mod fields;
mod moving_bin;
mod proc_stat;
mod segment_file;
mod segment_name;
mod slot_decode;
mod slot_snapshot;

pub use ending::{Ending, Testimony, Witness};
pub use error::{OpenError, SampleError};
pub use events::{Event, EventBatch, EventCursor};
pub use histogram::Histogram;
pub use identity::Identity;
pub use sample::{BinSample, ProcessSample, Sample, SlotSample};
pub use segment::{Limits, Segment};
pub use text::{CleanText, clean_text};
pub use totals::{BinTotals, ClassTotals, ThreadTotals};

pub use hakmem_segment::{
    AllocReason, BINS, BinInfo, BinRecord, Check, Class, EventKind, FreeReason, ListState,
    ListWord, OnError, Outcome, ProcessState, Push, Routing, State, Telemetry,
};
