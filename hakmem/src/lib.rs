//! The allocator that shows what it does.
//!
//! Use [`Hakmem`] as a Rust program's global allocator, or the preload library (crate
//! `hakmem-preload`) under any other program.
//!
//! # Layers, bottom to top
//!
//! A layer may use those above it in this list (the lower ones) and none below. The test
//! `layers_do_not_reach_upwards` holds the code to it.
//!
//! - `sync`: atomics (loom's under test); knows no system.
//! - `steps`: the points between two stores whose order matters; does nothing but in tests.
//! - `os`: system calls and libc; knows nothing of allocation.
//! - `lock`: the lock; knows no memory layout.
//! - `region`: address space that grows in place; does not know what lies in it.
//! - `settings`: the environment, parsed once; makes no decision.
//! - `bins`: sizes, bins and classes as data; touches no memory.
//! - `block`: a free block; knows no bin.
//! - `header`: the byte in front of a block, as it is written; does not read it.
//! - `routing`: the routing in force, and what it makes of the bins; classifies nothing.
//! - `class_map`: address to bin in one load; knows nothing of slabs.
//! - `registry`: address to bin by a hash table, as the ancestor did it; knows nothing of slabs.
//! - `slab`: one run cut into blocks of one bin; takes no locks.
//! - `arena`: address space in granules and runs, given back late; knows no blocks.
//! - `batch_stack`: lock-free stack of whole batches; knows no slabs.
//! - `batches`: arrays of pointers that make those batches; knows no slabs.
//! - `central`: the store that threads refill from and flush to, per bin; knows no threads.
//! - `large`: spans of their own; knows no bins.
//! - `totals`: what the process holds in all; only adds up.
//! - `segment`: makes and fills the telemetry file; allocates nothing.
//! - `slot`: writing one thread's slot; knows no lists.
//! - `heap`: a thread's lists, with their words in the slot; knows no pointers' classes.
//! - `finding`: what is said of a wrong free; finds none itself.
//! - `threads`: which thread has which heap: first use, exit, fork.
//! - `gate`: the front gate: what a freed pointer is; the only place that decides it.
//! - `check`: whether a free is what the gate takes it for; changes nothing.
//! - `entry`: malloc, free and their family; the fast paths.
//! - `global`: the same for Rust.

#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

mod arena;
mod batch_stack;
mod batches;
mod bins;
mod block;
mod central;
mod check;
mod class_map;
pub mod entry;
mod finding;
mod gate;
mod global;
mod header;
mod heap;
mod large;
mod lock;
mod os;
mod region;
mod registry;
mod routing;
mod segment;
mod settings;
mod slab;
mod slot;
mod steps;
mod sync;
mod threads;
pub mod totals;

pub use global::{Hakmem, Silent};

#[cfg(test)]
mod tests;
