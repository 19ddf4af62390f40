//! Finds the telemetry segments of running and ended processes, samples them, and serves the
//! results over gRPC and HTTP.
//!
//! The crate is a library so that `hakmem-top` can run an agent inside itself: [`RunningAgent`]
//! starts everything that an [`AgentConfig`] asks for, and [`RunningAgent::connect`] speaks gRPC to
//! it without any socket.

#![forbid(unsafe_code)]

mod access;
mod accounts;
pub mod agent;
mod authority;
mod condition;
pub mod config;
mod connections;
mod detection;
mod discovery;
pub mod document;
mod events;
mod failure;
mod findings;
mod grpc;
mod history;
mod http;
mod in_process;
pub mod inspection;
pub mod log;
pub mod loopback;
pub mod metrics;
pub mod printable;
mod recorder;
mod refusals;
mod sampler;
mod shared;
pub mod socket_path;
mod state;
mod thread_names;
mod time;
mod turns;
pub mod unix_socket;
mod users;

pub use agent::{RunningAgent, StartError};
pub use config::{AgentConfig, default_directory};
pub use document::{SnapshotDocument, snapshot_document};
pub use socket_path::{default_socket, socket_candidates};
