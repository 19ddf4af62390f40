//! Where data comes from: agents, their history and recordings.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`event`]: the events that sources send to the loop, as one closed type
//! - [`endpoint`]: how to reach an agent
//! - [`snapshot`]: complete data about processes, fetched once
//! - [`sampling`]: processes sampled repeatedly
//! - [`runs`]: several processes as one run of a program; no I/O
//! - [`side_spec`]: the sides of a comparison, as the user types them; no I/O
//! - [`side`]: reads the sides of a comparison
//! - [`feed`]: updates for the screen
//! - [`capture`]: updates and events into a recording

pub mod capture;
pub mod endpoint;
pub mod event;
pub mod feed;
pub mod runs;
pub mod sampling;
pub mod side;
pub mod side_spec;
pub mod snapshot;
