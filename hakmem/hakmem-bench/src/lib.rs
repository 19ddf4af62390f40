//! Plain programs that put a load on an allocator: what the race and the tests measure.
//!
//! They call the C library's `malloc` and `free` and know no other allocator: `LD_PRELOAD` puts one
//! under them. Each prints its own figures and whose `malloc` served it.
//!
//! The programs parse their few arguments by hand. A parser like clap makes calls of its own before
//! the load begins, and holds memory; both would stand in the figures of the allocator under test.
//!
//! # Layers, bottom to top
//!
//! - [`xor_shift`]: the random numbers of the loops
//! - [`pattern`]: the contents of blocks, and what is wrong with them
//! - [`c_heap`], [`stopwatch`]: the C library's heap and clocks; the only unsafe code
//! - [`contents`]: how much of a block a loop writes and checks
//! - [`pace`]: limits the rate of a loop
//! - [`run_error`]: why a loop did not run to its end
//! - [`usage`]: arguments and exit codes
//! - [`report`]: the figures that a program prints
//! - [`sizes`]: distributions of block sizes
//! - [`fixed_size`], [`random_mixed`], [`batches`], [`growth`], [`drift`]: loops of one thread
//! - [`threads`]: loads of several threads
//! - [`release`]: a load that grows, shrinks and waits
//! - [`workload`]: a load of several threads whose result can be compared

#![deny(unsafe_code)]

pub mod batches;
pub mod c_heap;
pub mod contents;
pub mod drift;
pub mod fixed_size;
pub mod growth;
pub mod pace;
pub mod pattern;
pub mod random_mixed;
pub mod release;
pub mod report;
pub mod run_error;
pub mod sizes;
pub mod stopwatch;
pub mod threads;
pub mod usage;
pub mod workload;
pub mod xor_shift;
