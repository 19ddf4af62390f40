//! The screen: what it shows, how input changes that, and the loop that redraws it.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`terminal`]: the terminal, taken and restored
//! - [`view_state`]: what the user looks at, and how actions change that; no I/O
//! - [`view`]: draws a model and a view state, and changes neither; no I/O
//! - [`keys`]: the meaning of input, given the current screen; no I/O
//! - [`session`]: the one loop that ties input, data and screen together

pub mod keys;
pub mod session;
pub mod terminal;
pub mod view;
pub mod view_state;
