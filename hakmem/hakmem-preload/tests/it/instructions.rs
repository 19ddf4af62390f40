//! What the fast paths cost, counted by callgrind: the same on every machine and every day.

use std::process::Command;

use crate::built;
use crate::loaded::segments_directory;

/// Instructions of one turn of `pair.c`: malloc, free, both calls through the PLT, and the loop.
const PAIR_MAX: u64 = 46;

/// Instructions of a whole run.
fn count(turns: u64, telemetry: &str) -> u64 {
    let directory = segments_directory();
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(built::program("pair.c"))
        .arg(format!("{turns:09}"))
        .env("LD_PRELOAD", built::release_library())
        .env("HAKMEM_DIR", directory.path())
        .env("HAKMEM_TELEMETRY", telemetry);
    let message = built::run(&mut command, "valgrind", "valgrind");
    let line = message.lines().find(|line| line.contains("Collected"));
    let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("callgrind counted nothing:\n{message}"))
}

/// Instructions of one turn, in tenths.
fn per_turn(telemetry: &str) -> u64 {
    const FEW: u64 = 100_000;
    const MANY: u64 = 300_000;
    (count(MANY, telemetry) - count(FEW, telemetry)) * 10 / (MANY - FEW)
}

#[test]
fn a_pair_of_malloc_and_free_costs_few_instructions_and_telemetry_none() {
    let (on, off) = (per_turn("on"), per_turn("off"));
    assert!(on <= PAIR_MAX * 10, "{on} tenths of an instruction a pair");
    // Tenths, because housekeeping now and then is not part of the fast paths.
    assert!(on.abs_diff(off) <= 1, "{on} tenths with telemetry, {off} without");
    assert!(on > 100, "{on} tenths: the calls were left out?");
}
