//! Runs the examples, and is one: [`bounds`] shows tests that bound allocations.
//!
//! # Layers, bottom to top
//!
//! - `bounds`: an example of tests
//! - `programs`: runs the programs
//! - `seen`: looks at the service as an agent does

mod bounds;
mod programs;
mod seen;

/// The allocator of the tests, which can count for that reason.
#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
