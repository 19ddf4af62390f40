//! Compares two sides of telemetry and names the path that regressed.
//!
//! A *side* is what one program did in one window: cumulative samples of one process, or of several
//! runs of it. [`diagnose`] answers with a [`Diagnosis`], as data: a verdict, causes in the order
//! of their cost, and the tables behind them. [`Watch`] makes findings with a beginning and an end
//! of many such answers. Rendering is its readers' matter; nothing here does I/O.
//!
//! # Layers, bottom to top
//!
//! - `options`, `side`, `diagnosis`: what goes in and what comes out
//! - `statistics`, `trend`: numbers about numbers
//! - `layout`, `reading`, `prices`: samples as rows of counts, and what they cost
//! - `decomposition`, `bootstrap`: the split, and how sure it is
//! - `evidence`: all of that about two sides
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
