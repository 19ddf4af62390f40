//! Compares two sides of telemetry and names the path that regressed.
//!
//! A *side* is what one program did in one window: cumulative samples of one process, or of several
//! runs of it. [`Diagnosis`] is the answer, as data: a verdict, causes in the order of their cost,
//! and the tables behind them. Rendering it is its readers' matter; nothing here does I/O.

#![forbid(unsafe_code)]

pub mod diagnosis;
pub mod side;

pub use diagnosis::{Diagnosis, Verdict};
pub use side::{Series, Side};
