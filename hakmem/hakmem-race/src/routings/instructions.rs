//! Instructions per pair of `malloc` and `free`, counted by callgrind, the loop included.

use std::process::{Command, Stdio};

use hakmem_reader::Identity;

use crate::race::cell::FIXED_WORKING_SET;
use crate::race::contender::Contender;
use crate::race::lap::Track;
use crate::race::segment_counts::{CountError, SegmentCounts};

const PROGRAM: &str = "bench_fixed_size";

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum InstructionsError {
    /// Valgrind does not start.
    #[error("cannot run valgrind: {0}")]
    Start(#[from] std::io::Error),
    /// The program failed, or callgrind printed no count.
    #[error("callgrind of {size} B under {contender} failed: {message}")]
    Failed {
        /// Size of a block in bytes.
        size: usize,
        /// Its allocator.
        contender: String,
        /// Its last output.
        message: String,
    },
    /// The allocator's own counters do not show the pairs.
    #[error("callgrind of {size} B under {contender} cannot be proven: {error}")]
    Unproven {
        /// Size of a block in bytes.
        size: usize,
        /// Its allocator.
        contender: String,
        /// What is wrong.
        error: CountError,
    },
    /// The allocator's own counters show other calls.
    #[error(
        "callgrind of {size} B under {contender} made {pairs} pairs, its segment shows {found}"
    )]
    NotCounted {
        /// Size of a block in bytes.
        size: usize,
        /// Its allocator.
        contender: String,
        /// Pairs that the program made.
        pairs: u64,
        /// Allocations that the segment shows.
        found: u64,
    },
}

/// Instructions under one contender.
#[derive(Clone, Debug)]
pub struct Instructions {
    /// Instructions per pair.
    pub per_pair: f64,
    /// The identity of the process, with its settings.
    pub identity: Identity,
}

/// Whether valgrind is installed.
pub fn is_valgrind_there() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Instructions per pair of this size: a run with `pairs` pairs less a run without any.
pub fn per_pair(
    track: &Track,
    size: usize,
    pairs: u64,
    contender: &Contender,
) -> Result<Instructions, InstructionsError> {
    let (without, _) = collect(track, size, 0, contender)?;
    let (with, counts) = collect(track, size, pairs, contender)?;
    let found = counts.allocations().min(counts.frees());
    if found < pairs {
        let contender = contender.name.clone();
        return Err(InstructionsError::NotCounted { size, contender, pairs, found });
    }
    let per_pair = (with - without) as f64 / pairs as f64;
    Ok(Instructions { per_pair, identity: counts.identity })
}

fn collect(
    track: &Track,
    size: usize,
    pairs: u64,
    contender: &Contender,
) -> Result<(i64, SegmentCounts), InstructionsError> {
    let name = || contender.name.clone();
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(track.program(PROGRAM));
    command.args([pairs.to_string(), size.to_string(), FIXED_WORKING_SET.to_string()]);
    // Valgrind passes the library on to the program; other programs that it runs may load it too.
    track.put_under(&mut command, contender);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(parse_collected).filter(|_| output.status.success());
    let collected = collected.ok_or_else(|| InstructionsError::Failed {
        size,
        contender: name(),
        message: text.lines().last().unwrap_or_default().to_owned(),
    })?;
    let counts = SegmentCounts::take_of(PROGRAM, track.segments())
        .map_err(|error| InstructionsError::Unproven { size, contender: name(), error })?;
    Ok((collected, counts))
}

/// The number in `==123== Collected : 456`.
fn parse_collected(line: &str) -> Option<i64> {
    let (before, number) = line.split_once(" Collected : ")?;
    before.starts_with("==").then(|| number.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_instructions_is_found() {
        assert_eq!(parse_collected("==42== Collected : 409151"), Some(409_151));
        assert_eq!(parse_collected("==42== Events    : Ir"), None);
        assert_eq!(parse_collected("==42== Collected : many"), None);
    }
}
