//! Answers to made-up programs, of which the truth is known.

mod edges;
mod memory;
mod noise;
mod properties;
mod recorded;
mod staged;
mod synthetic;
