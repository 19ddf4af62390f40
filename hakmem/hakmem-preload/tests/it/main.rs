//! The built library under programs in C and C++: what it exports, what its functions promise,
//! and what threads, forks, exits and hostile surroundings do to it and to its segment.

mod built;
mod busy;
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
