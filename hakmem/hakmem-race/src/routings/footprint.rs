//! Measures the memory that a block of 1024 bytes really takes: a program holds many blocks, and
//! the segment and the kernel are read before and after it allocates them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::race::contender::Contender;
use crate::race::lap::Track;
use crate::race::segment_counts::{CountError, SegmentCounts};

/// Size of the blocks, in bytes.
pub const SIZE: usize = 1024;
/// Number of blocks: enough that partly filled slabs do not matter.
pub const BLOCKS: u64 = 20_000;

/// Bytes of one block, by three accounts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footprint {
    /// Distance of two neighbouring blocks in the bin that served them.
    pub stride_bytes: u32,
    /// Growth of the slabs in use, per live block.
    pub slab_bytes: f64,
    /// Growth of the process's resident anonymous memory, per live block.
    pub resident_bytes: f64,
}

/// Why there is no footprint.
#[derive(Debug, thiserror::Error)]
pub enum FootprintError {
    /// The program does not start, or its pipes fail.
    #[error("cannot run bench_hold: {0}; build it with cargo build --release -p hakmem-bench")]
    Program(#[from] std::io::Error),
    /// The program ended before it held the blocks.
    #[error("bench_hold under {0} ended too soon")]
    Ended(String),
    /// The segment cannot be read.
    #[error("bench_hold under {0} cannot be proven: {1}")]
    Unproven(String, CountError),
    /// The segment does not show the blocks.
    #[error("bench_hold under {contender} holds {BLOCKS} blocks, but its segment shows {found}")]
    NotCounted {
        /// Its allocator.
        contender: String,
        /// Growth of the bin that grew the most.
        found: i128,
    },
}

/// The state of the program at one moment.
struct Moment {
    counts: SegmentCounts,
    resident_bytes: u64,
}

/// Measures the blocks of one contender.
pub fn of_block(track: &Track, contender: &Contender) -> Result<Footprint, FootprintError> {
    let mut command = track.command("bench_hold", contender);
    command.args([BLOCKS.to_string(), SIZE.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let result = watch(&mut child, track, contender);
    // The program ends with its input, which `watch` has closed. If `watch` failed, the program may
    // still wait, and the error is known already.
    if result.is_err() {
        let _ = child.kill();
    }
    child.wait()?;
    // The segment outlives the program, and the next lap must find only its own.
    let taken = SegmentCounts::take(track.segments());
    let footprint = result?;
    taken.map_err(|error| FootprintError::Unproven(contender.name.clone(), error))?;
    Ok(footprint)
}

fn watch(
    child: &mut Child,
    track: &Track,
    contender: &Contender,
) -> Result<Footprint, FootprintError> {
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut moment = |word: &str| {
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line.trim() != word {
            return Err(FootprintError::Ended(contender.name.clone()));
        }
        let counts = SegmentCounts::read(track.segments())
            .map_err(|error| FootprintError::Unproven(contender.name.clone(), error))?;
        Ok(Moment { counts, resident_bytes: resident_bytes(child.id())? })
    };
    let before = moment("ready")?;
    input.write_all(b"\n")?;
    let after = moment("held")?;
    growth(&before, &after, contender)
}

fn growth(
    before: &Moment,
    after: &Moment,
    contender: &Contender,
) -> Result<Footprint, FootprintError> {
    let grown = |bin: &usize| after.counts.live_blocks[*bin] - before.counts.live_blocks[*bin];
    let bins = 0..after.counts.live_blocks.len();
    let bin = bins.max_by_key(grown).expect("a segment has bins");
    let found = grown(&bin);
    if found < i128::from(BLOCKS) {
        return Err(FootprintError::NotCounted { contender: contender.name.clone(), found });
    }
    let per_block = |before: u64, after: u64| (after as f64 - before as f64) / BLOCKS as f64;
    let slabs = |moment: &Moment| moment.counts.process.slab_bytes;
    Ok(Footprint {
        stride_bytes: after.counts.identity.bins.stride_bytes(bin),
        slab_bytes: per_block(slabs(before), slabs(after)),
        resident_bytes: per_block(before.resident_bytes, after.resident_bytes),
    })
}

/// Reads the exact account; the one in `/proc/<pid>/status` may lag behind by some hundred pages.
/// Blocks are anonymous memory; file pages come and go with the page cache, and would distort the
/// figure.
fn resident_bytes(pid: u32) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| std::io::Error::other("smaps_rollup has no Anonymous"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_resident() {
        assert!(resident_bytes(std::process::id()).expect("this process is there") > 100_000);
    }
}
