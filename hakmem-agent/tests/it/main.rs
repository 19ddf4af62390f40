//! The agent as a whole: synthetic segments go in, answers over gRPC and HTTP come out.

mod clients;
mod command;
mod detection;
mod events;
mod fleet;
mod history;
mod metrics;
mod parts;
mod process;
mod processes;
mod recording;
mod socket_path;
mod sockets;
mod watching;
