//! The cost of the common calls, counted by callgrind: equal on every machine and every day.
//!
//! The counts include the calls through the PLT and the loop around them. They are recorded in
//! `instructions.txt`, whose only author is the test that is ignored:
//! `cargo test --release -p hakmem-preload --test it -- --ignored instructions::record`.
// Another architecture has other instructions, and would need a table of its own.
#![cfg(target_arch = "x86_64")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::compiled;
use crate::loaded::segments_directory;

/// Cases of `calls.cc` with the instructions of one turn when they were recorded.
const RECORDED: &str = include_str!("instructions.txt");

/// The margin that a case may cost beyond its record: less than a branch and the work behind it.
/// Compilers of one version do not differ at all.
const MARGIN: f64 = 2.0;

/// Margin for housekeeping, which now and then falls on one side of a count or the other, by the
/// time of day, and more of it the longer a turn is. An instruction in every call shows as 1 in
/// each turn, and as 10 in the long turns of `growth-to-4096`.
fn housekeeping(record: f64) -> f64 {
    (record / 1_000.0).max(0.25)
}

/// A pair of 64 bytes must stay below this limit, whatever the record says. It was below 48 once;
/// plain addresses cost four instructions and save half of the cycles on recent Intel cores, and
/// one has the block's first line fetched.
const PAIR_MAX: f64 = 53.0;

/// Further counts of a case that seems to have risen: one that has rises each time.
const RECOUNTS: u32 = 2;

/// Turns of the run that is subtracted; they also fill the lists. Multiples of 128, the blocks of a
/// turn of `stacked-128`.
const FEW: u32 = 128 * 200;
const MANY: u32 = 128 * 1_000;

/// Instructions of a whole run.
fn count(case: &str, turns: u32, telemetry: &str) -> u32 {
    let directory = segments_directory();
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(compiled::program("calls.cc"))
        // Numbers of equal length in each run, because the reading of the number counts too.
        .args([case, &format!("{turns:09}")])
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .env("HAKMEM_DIR", directory.path())
        .env("HAKMEM_TELEMETRY", telemetry);
    let message = compiled::run(&mut command, "valgrind", "valgrind");
    let line = message.lines().find(|line| line.contains("Collected"));
    let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("callgrind counted nothing of {case}:\n{message}"))
}

/// Instructions of one turn.
fn per_turn(case: &str, telemetry: &str) -> f64 {
    let turns = count(case, MANY, telemetry) - count(case, FEW, telemetry);
    f64::from(turns) / f64::from(MANY - FEW)
}

/// Case and count in a line of the table.
fn parse(line: &str) -> (&str, f64) {
    let (case, number) = line.split_once(' ').expect("a case and its count");
    (case, number.trim().parse().expect("a count"))
}

/// The cases that `calls.cc` knows, in its order.
fn cases_of_program() -> impl Iterator<Item = &'static str> {
    let source = include_str!("../programs/calls.cc");
    source.lines().filter_map(|line| Some(line.trim().strip_prefix("{\"")?.split_once('"')?.0))
}

/// Every case of the table with its record, its count with telemetry and its count without.
fn counted() -> Vec<(&'static str, f64, f64, f64)> {
    let cases: Vec<_> = RECORDED.lines().map(parse).collect();
    let all = |telemetry| cases.iter().map(move |(case, _)| per_turn(case, telemetry));
    let (on, off): (Vec<f64>, Vec<f64>) = std::thread::scope(|scope| {
        let on = scope.spawn(|| all("on").collect());
        (all("off").collect(), on.join().expect("counting does not panic"))
    });
    let counts = on.into_iter().zip(off);
    cases.iter().zip(counts).map(|(&(case, record), (on, off))| (case, record, on, off)).collect()
}

#[test]
fn no_call_costs_more_instructions_than_recorded_and_telemetry_none() {
    let mut risen = String::new();
    for (case, record, mut on, mut off) in counted() {
        let has_risen =
            |on: f64, off: f64| on > record + MARGIN || (on - off).abs() > housekeeping(record);
        for _ in 0..RECOUNTS {
            if has_risen(on, off) {
                (on, off) = (per_turn(case, "on"), per_turn(case, "off"));
            }
        }
        assert!(on > 10.0, "{case}: {on:.1} instructions; were the calls left out?");
        if has_risen(on, off) {
            writeln!(risen, "{case}: {on:.2}, recorded {record:.2}, without telemetry {off:.2}")
                .expect("a string can be written to");
        }
        if case == "malloc-64" {
            assert!(on <= PAIR_MAX, "a pair of 64 bytes costs {on:.1}");
        }
    }
    assert!(risen.is_empty(), "instructions of a turn rose:\n{risen}");
}

#[test]
fn the_table_names_every_case_of_the_program() {
    assert!(cases_of_program().eq(RECORDED.lines().map(|line| parse(line).0)), "record it anew");
}

#[test]
#[ignore = "records what the calls cost now"]
fn record() {
    let mut table = String::new();
    for case in cases_of_program() {
        writeln!(table, "{case:<16} {:8.2}", per_turn(case, "on"))
            .expect("a string can be written to");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/instructions.txt");
    std::fs::write(&path, &table).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("{table}");
}
