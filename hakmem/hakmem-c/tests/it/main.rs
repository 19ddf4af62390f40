//! The installed library, under programs that users may write: its examples, built as users build
//! them, and its header.

#![forbid(unsafe_code)]

mod examples;
mod installed;
mod names;
mod sizes;
