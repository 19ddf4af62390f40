//! What measures allocators from outside: the race between them, and its smaller sisters.
//!
//! The loads are the programs of `hakmem-bench`, and real programs. `bench_race` runs the former
//! side by side under hakmem and its peers, `bench_programs_race` the latter.
//!
//! # Layers, bottom to top
//!
//! - [`machine`], [`core_clock`]: the machine that figures come from
//! - `statistics`: medians, quantiles and means
//! - [`peak`]: memory and processor time of a program; the only unsafe code
//! - [`command_line`]: options and exit codes
//! - [`bar_charts`], [`written_file`]: pictures of figures, and the files that they go into
//! - [`pairs`]: cycles of a pair of calls
//! - [`coherence`]: the cache lines that processors pass to each other
//! - [`staged`], [`stages`]: steady loads in which one thing goes wrong, for diagnoses to find
//! - [`soak`]: hours of loads beside an agent
//! - [`race`]: the loads under hakmem and its peers
//! - [`programs_race`]: real programs under hakmem and its peers
//! - [`routings`]: the loads under the routings of hakmem

#![deny(unsafe_code)]

pub mod bar_charts;
pub mod coherence;
pub mod command_line;
pub mod core_clock;
pub mod machine;
pub mod pairs;
pub mod peak;
pub mod programs_race;
pub mod race;
pub mod routings;
pub mod soak;
pub mod staged;
pub mod stages;
mod statistics;
pub mod written_file;
