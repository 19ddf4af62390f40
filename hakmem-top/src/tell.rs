//! Tells in text, pages, tables and documents what was measured; no I/O.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`table`], [`json_lines`]: recordings in formats for other programs
//! - [`report`]: the data of the screen as plain text tables
//! - [`comparison`]: two sides compared, as text, page and document
//! - [`story`]: the story that one segment tells of a process, and its likely cause of death

pub mod comparison;
pub mod json_lines;
pub mod report;
pub mod story;
pub mod table;
