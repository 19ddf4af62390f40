#![doc = include_str!("../README.md")]
// Layers, bottom to top. A layer may use those above it in this list (the lower ones) and none
// below it, which `hakmem-tidy` checks.
//
// - `hint`: tells the compiler which paths are cold; knows nothing.
// - `sync`: atomics (loom's under test); knows no system.
// - `hook`: functions that a higher layer sets; knows none of them.
// - `steps`: marks points between two stores whose order matters; does nothing except in tests.
// - `os`: system calls and libc; knows nothing of allocation.
// - `lock`: the lock; knows no memory layout.
// - `region`: address space that grows in place; does not know its contents.
// - `settings`: the environment, parsed once; makes no decision.
// - `labels`: sets one label in the text of all; publishes nothing.
// - `fuzz`: the body of the fuzz target, for tests.
// - `bins`: sizes, bins and classes as data; touches no memory.
// - `counts`: what calls add up to, as data; reads no slot.
// - `block`: a free block; knows no bin.
// - `header`: writes the byte in front of a block; does not read it.
// - `routing`: the routing in force and the layouts that it implies; classifies nothing.
// - `class_map`: address to bin in one load; knows nothing of slabs.
// - `registry`: address to bin by a hash table, as the ancestor did it; knows nothing of slabs.
// - `slab`: a run that is cut into blocks of one bin; takes no locks.
// - `regret`: how much freed memory to keep; keeps none itself.
// - `arena`: address space in granules and runs, returned late; knows no blocks.
// - `batch_stack`: lock-free stack of whole batches; knows no slabs.
// - `batches`: the arrays of pointers that those batches are; knows no slabs.
// - `central`: the store from which threads refill and to which they flush, per bin; knows no
//   threads.
// - `large`: spans; knows no bins.
// - `totals`: adds up all memory that the process holds, and nothing else.
// - `segment`: makes and fills the telemetry file; allocates nothing.
// - `slot`: writes one thread's slot; knows no lists.
// - `heap`: a thread's lists, with their words in the slot; does not classify pointers.
// - `finding`: reports a wrong free; finds none itself.
// - `threads`: which thread has which heap: first use, exit, fork.
// - `publication`: what a program asks of its segment; publishes nothing.
// - `measurement`: counts that a program reads of itself; serves no request.
// - `gate`: the front gate, which alone decides what a freed pointer is.
// - `check`: checks that a free is what the gate takes it for; changes nothing.
// - `entry`: `malloc`, `free` and their family; the fast paths.
// - `global`: the global allocator for Rust programs.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, miri))]
extern crate std;

#[cfg(not(target_os = "linux"))]
compile_error!(
    "hakmem serves programs on Linux alone. Depend on it under [target.'cfg(target_os = \"linux\")'\
     .dependencies], and write #[cfg(target_os = \"linux\")] in front of #[global_allocator]."
);
#[cfg(not(all(target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "hakmem needs a processor with 64 bits and little-endian order. Write \
     #[cfg(all(target_pointer_width = \"64\", target_endian = \"little\"))] in front of \
     #[global_allocator], and leave the system's allocator to the other targets."
);

mod arena;
mod batch_stack;
mod batches;
mod bins;
mod block;
mod central;
mod check;
mod class_map;
mod counts;
#[doc(hidden)]
pub mod entry;
mod finding;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod global;
mod header;
mod heap;
mod hint;
mod hook;
mod labels;
mod large;
mod lock;
mod measurement;
mod os;
mod publication;
mod region;
mod registry;
mod regret;
mod routing;
mod segment;
mod settings;
mod slab;
mod slot;
mod steps;
mod sync;
mod threads;
pub mod totals;

pub use counts::{ClassCounts, Counts};
pub use global::{Hakmem, Silent};
pub use hakmem_segment::{AllocReason, Check, Class, FreeReason, OnError, Telemetry};
pub use labels::LabelError;
pub use measurement::{Measurement, measure, process_counts, thread_counts};
pub use publication::{SegmentKey, mark_exit, segment_key, set_label};

#[cfg(test)]
mod tests;
