//! Programs that measure an allocator from outside.
//!
//! Most call the C library's `malloc` and `free` and know no other allocator: `LD_PRELOAD` puts one
//! under them. `bench_race` runs them side by side under hakmem and its peers.
//!
//! Modules, bottom to top: [`c_heap`], [`peak`] and [`stopwatch`] (the only unsafe code),
//! [`pattern`] and [`contents`] (contents of blocks), `pace` (limits the rate of a loop),
//! [`machine`] and [`core_clock`] (the machine that figures come from), [`usage`] (arguments and
//! exit codes), [`report`] (the figures that a program prints), [`sizes`] (distributions of block
//! sizes), [`fixed_size`], [`random_mixed`], [`batches`], [`growth`], [`drift`] and [`pairs`] (the
//! loops), [`threads`], [`release`], [`staged`] and [`stages`] (loads of several threads) and
//! [`workload`] (a load whose result can be compared), [`soak`] (hours of loads beside an agent),
//! [`bar_charts`] (pictures of figures), [`written_file`], [`race`], [`programs_race`],
//! [`routings`].

#![deny(unsafe_code)]

pub mod bar_charts;
pub mod batches;
pub mod c_heap;
pub mod coherence;
pub mod contents;
pub mod core_clock;
pub mod drift;
pub mod fixed_size;
pub mod growth;
pub mod machine;
mod pace;
pub mod pairs;
pub mod pattern;
pub mod peak;
pub mod programs_race;
pub mod race;
pub mod random_mixed;
pub mod release;
pub mod report;
pub mod routings;
pub mod sizes;
pub mod soak;
pub mod staged;
pub mod stages;
mod statistics;
pub mod stopwatch;
pub mod threads;
pub mod usage;
pub mod workload;
pub mod written_file;
