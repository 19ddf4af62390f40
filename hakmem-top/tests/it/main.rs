//! The command `hakmem-top` from outside: its messages, its exit codes, and its effects on programs
//! and terminals.

#![forbid(unsafe_code)]

mod attach;
mod breaking;
mod check;
mod command;
mod command_line;
mod demo;
mod diff;
mod findings;
mod load;
mod place;
mod printing;
mod reconnection;
mod recording;
mod replacing;
mod run;
mod show;
mod system_agent;
mod terminal;
mod watching;
