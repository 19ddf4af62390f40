//! Watches, live, which path every allocation and free of a program takes.
//!
//! Everything shown comes through the gRPC contract, from an agent in this process or elsewhere.
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`quantity`], [`paragraph`], [`explanation`], [`time_window`], [`subject`]: numbers, words,
//!   times and sides for people; no state, no I/O
//! - [`model`]: the agent and its processes, merged from updates, and the rates derived from them;
//!   no I/O
//! - [`comparison`]: two sides compared, as text, page and document; no I/O
//! - [`event`]: the events that the loop handles, as one closed type
//! - [`view_state`]: what the user looks at, and how actions change that; no I/O
//! - [`view`]: draws a model and a view state, and changes neither; no I/O
//! - [`keys`]: the meaning of input, given the current screen; no I/O
//! - [`report`]: the same data as plain text tables; no I/O
//! - [`table`], [`json_lines`]: recordings in formats for other programs; no I/O
//! - [`story`]: the story that one segment tells of a process, and its likely cause of death; no
//!   I/O
//! - [`runs`]: several processes as one run of a program; no I/O
//! - [`library`], [`signals`], [`program`], [`endpoint`], [`feed`], [`capture`], [`snapshot`],
//!   [`sampling`], [`side_source`], [`baseline`], [`replacement`], [`screen`], [`saying`]: I/O, one
//!   matter each
//! - [`session`]: the one loop that ties input, data and screen together
//! - [`cli`], [`command`]: the command line and its commands

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
pub mod saying;

pub mod baseline;
pub mod capture;
pub mod cli;
pub mod command;
pub mod comparison;
pub mod endpoint;
pub mod event;
pub mod explanation;
pub mod feed;
pub mod json_lines;
pub mod keys;
pub mod library;
pub mod model;
pub mod paragraph;
pub mod program;
pub mod quantity;
pub mod replacement;
pub mod report;
pub mod runs;
pub mod sampling;
pub mod screen;
pub mod session;
pub mod side_source;
pub mod signals;
pub mod snapshot;
pub mod story;
pub mod subject;
pub mod table;
pub mod time_window;
pub mod view;
pub mod view_state;

#[cfg(test)]
mod tests;
