//! Recordings of telemetry.

#![forbid(unsafe_code)]

pub mod window;

pub use window::Window;
