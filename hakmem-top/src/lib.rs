//! Watches, live, which path every allocation and free of a program takes.
//!
//! Everything shown comes through the gRPC contract, from an agent in this process or elsewhere.
//! The floors, from bottom to top; each uses only those above it in this list, and lists its own
//! layers:
//!
//! - [`words`]: numbers, words and times for people; no state, no I/O
//! - [`model`]: the agent and its processes, merged from updates, and the rates derived from them;
//!   no I/O
//! - [`tell`]: comparisons, reports, tables and stories as text and documents; no I/O
//! - [`output`]: standard output, standard error and files
//! - [`source`]: where data comes from, and the events that bring it
//! - [`start`]: programs under the allocator, signals and baselines
//! - [`screen`]: views, their state, keys and the loop that ties them together
//! - `fuzz`: the body of the fuzz target
//! - [`command`]: the command line and its commands

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
pub mod output;

pub mod command;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod model;
pub mod screen;
pub mod source;
pub mod start;
pub mod tell;
pub mod words;
