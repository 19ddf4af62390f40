//! Finds the telemetry segments of running and ended processes, samples them, and serves what it
//! learns over gRPC and HTTP.
//!
//! The crate is a library so that `hakmem-top` can run an agent inside itself: [`RunningAgent`]
//! starts everything that an [`AgentConfig`] asks for, and [`RunningAgent::connect`] speaks gRPC
//! to it without any socket.

#![forbid(unsafe_code)]

pub mod agent;
pub mod config;
mod in_process;

pub use agent::{RunningAgent, StartError};
pub use config::{AgentConfig, default_directory, default_socket};
