//! Finds the telemetry segments of running and ended processes, samples them, and serves the
//! results over gRPC and HTTP.
//!
//! The crate is a library so that `hakmem-top` can run an agent inside itself: [`RunningAgent`]
//! starts everything that an [`AgentConfig`] asks for, and [`RunningAgent::connect`] speaks gRPC to
//! it without any socket.
//!
//! # Layers, bottom to top
//!
//! A module uses only modules of its own layer and of those above it in this list.
//!
//! - `time`, `turns`, `users`: moments, order, names of users; they know nothing of the agent
//! - `socket_path`, `config`: what an agent is asked to do; not how it does it
//! - `log`, `failure`, `refusals`, `accounts`: what any part may report or use up; no part is known
//! - `access`, `admission`: who may see what, and how often a client may ask; not what is served
//! - `authority`, `connections`, `in_process`, `loopback`, `unix_socket`: connections of clients;
//!   not what clients ask
//! - `thread_names`, `discovery`: files of the system; nothing is remembered of processes
//! - `state`: the model; it reads no file and knows no client
//! - `inspection`, `document`: one segment, and the model as JSON; no running agent is needed
//! - `history`, `condition`, `status`: the past of the model, and the agent's own state
//! - `events`, `findings`: queues between the threads and the streams of clients; no stream is
//!   known
//! - `sampler`, `recorder`, `detection`: the threads; they know each other's channels only, and no
//!   server
//! - `shared`: the parts of an agent, for its servers; no part takes it
//! - `metrics`, `grpc`, `http`: the servers
//! - `agent`: starts and ends all of this
//! - `fuzz`: the body of the fuzz target
//! - `arguments`, `signals`: the command's own (`main.rs`)

#![forbid(unsafe_code)]

mod access;
mod accounts;
mod admission;
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
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod grpc;
mod history;
mod http;
mod in_process;
pub mod inspection;
pub mod log;
pub mod loopback;
pub mod metrics;
mod recorder;
mod refusals;
mod sampler;
mod shared;
pub mod socket_path;
mod state;
mod status;
mod thread_names;
mod time;
mod turns;
pub mod unix_socket;
mod users;

pub use agent::{RunningAgent, StartError};
pub use config::{AgentConfig, default_directory};
pub use hakmem_reader::text;

pub use document::{SnapshotDocument, snapshot_document};
pub use socket_path::{default_socket, socket_candidates};
