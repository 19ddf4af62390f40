//! The built library under programs in C and C++: the functions that it exports, the promises of
//! those functions, and the effect of threads, forks, exits and hostile surroundings on it and its
//! segment.

mod busy;
mod compiled;
mod conformance;
mod counts;
mod directories;
mod doors;
mod environment;
mod errors;
mod exits;
mod foreign_calls;
mod forks;
mod instructions;
mod jumps;
mod loaded;
mod loader;
mod memory;
#[cfg(target_arch = "x86_64")]
mod refused_calls;
mod routings;
mod shared_object;
mod space;
mod stacks;
mod threads;
mod truncation;
