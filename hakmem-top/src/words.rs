//! Numbers, words and times for people; no state, no I/O.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`quantity`]: counts, rates, bytes, times and shares as short texts
//! - [`paragraph`]: text wrapped at words, and text from elsewhere made harmless
//! - [`explanation`]: what the words of the protocol mean
//! - [`time_window`]: moments and windows, as the user types them

pub mod explanation;
pub mod paragraph;
pub mod quantity;
pub mod time_window;
