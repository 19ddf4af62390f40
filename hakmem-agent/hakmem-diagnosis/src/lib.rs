//! Compares two sides of telemetry and names the path that regressed.
//!
//! A *side* holds the counts of one program in one window: cumulative samples of one process, or of
//! several runs of it. [`diagnose`] returns a [`Diagnosis`], as data: a verdict, causes in the
//! order of their cost, and the tables behind them. [`Watch`] turns a sequence of such answers into
//! findings that have a beginning and an end. Rendering is left to the callers; nothing here does
//! I/O.
//!
//! # Layers, bottom to top
//!
//! - `options`, `side`, `diagnosis`: the input and the output
//! - `statistics`, `trend`: means, quantiles, trends
//! - `layout`, `reading`, `prices`: samples as rows of counts, and the price of a slow path
//! - `decomposition`, `bootstrap`: the split of the change, and its uncertainty
//! - `evidence`: all of these for a pair of sides
//! - `caveats`, `causes`, `differences`: rules that look at the evidence and nothing else
//! - `comparison`: puts the answer together
//! - `watch`: hysteresis over many answers

#![forbid(unsafe_code)]

mod bootstrap;
mod causes;
mod caveats;
mod comparison;
mod decomposition;
pub mod diagnosis;
mod differences;
mod evidence;
mod layout;
mod options;
mod prices;
mod reading;
pub mod side;
mod statistics;
mod trend;
mod watch;

pub use comparison::diagnose;
pub use diagnosis::{Diagnosis, Verdict};
pub use options::Options;
pub use side::{Series, Side};
pub use watch::{Finding, FindingKey, Turn, Watch};

#[cfg(test)]
mod tests;
