//! Loads of several threads, timed as a whole: from before the first thread starts until the last
//! has ended.
//!
//! The calls of `malloc` and `free` depend on the arguments only, and so do those of the machinery
//! around them: the threads wait with mutexes and condition variables, which allocate nothing, and
//! the buffers that carry blocks are made beforehand and reused.

pub mod exchange;
pub mod handover;
pub mod mixed;
pub mod queue;
pub mod ring;
pub mod short_lived;
pub mod successors;
pub mod sustained;

use std::process::ExitCode;
use std::thread;

use crate::c_heap::{Block, FilledBlock};
use crate::contents::{Held, Request};
use crate::report::{Report, Tally};
use crate::run_error::RunError;
use crate::sizes::{Sizes, Tiny};
use crate::stopwatch::Stopwatch;
use crate::usage::{self, Arguments, UsageError};

/// A load of several threads.
pub trait Load: Copy + Send + Sync {
    /// Makes the calls, waits for the end of all threads, and returns the number of blocks that
    /// they allocated; all of these have been freed.
    fn calls<B: Held + Send>(self) -> Result<u64, RunError>;
}

/// Runs the load. With `verify`, every block is filled, and its contents are checked before it is
/// freed; otherwise only its first byte is written.
pub fn run(load: impl Load, verify: bool) -> Result<Tally, RunError> {
    let watch = Stopwatch::start();
    let blocks = if verify { load.calls::<FilledBlock>() } else { load.calls::<Block>() }?;
    let spent = watch.spent();
    Ok(Tally { mallocs: blocks, frees: blocks, timed_operations: 2 * blocks, spent })
}

/// Body of the `main` of a program that runs one load. `read` takes the load's own arguments; every
/// load has `--verify`.
pub fn main<L: Load>(
    name: &str,
    help: &'static str,
    read: impl FnOnce(&mut Arguments) -> Result<L, UsageError>,
) -> ExitCode {
    usage::run(
        name,
        help,
        |arguments| Ok((read(arguments)?, arguments.flag("--verify"))),
        |(load, verify)| {
            print!("{}", Report::of(run(load, verify)?));
            Ok(())
        },
    )
}

/// Runs one thread for each of `parts`, waits for all of them, and adds up their blocks; returns
/// the first error of any.
fn side_by_side<P: Send>(
    parts: impl IntoIterator<Item = P>,
    body: impl Fn(P) -> Result<u64, RunError> + Sync,
) -> Result<u64, RunError> {
    let body = &body;
    thread::scope(|scope| {
        let start = |part| scope.spawn(move || body(part));
        let running: Vec<_> = parts.into_iter().map(start).collect();
        let mut ends = running.into_iter().map(|one| one.join().expect("no part panics"));
        // After an error, the scope waits for the remaining threads.
        ends.try_fold(0, |sum, blocks| Ok(sum + blocks?))
    })
}

/// Runs `body` in a thread of its own and waits for it.
fn one_thread(body: impl FnOnce() -> Result<u64, RunError> + Send) -> Result<u64, RunError> {
    thread::scope(|scope| scope.spawn(body).join().expect("no part panics"))
}

/// Allocates a block of 16 to 1039 bytes; `random` determines the size.
#[inline(always)]
fn allocate<B: Held>(number: u64, random: u64) -> Result<B, RunError> {
    let size = Tiny.draw(random);
    B::allocate(Request { size, number, random }).ok_or(RunError::OutOfMemory { size })
}

#[cfg(test)]
mod tests;
