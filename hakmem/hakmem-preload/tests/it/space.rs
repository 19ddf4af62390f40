//! Address space: the process is as large as the memory it uses, and keeps within any limit as well
//! as under the C library's malloc.

use std::fs;
use std::process::Command;

use hakmem_reader::{Class, Outcome};

use crate::compiled;
use crate::environment::shell;
use crate::loaded::Loaded;

/// The numbers that a program prints, one per line.
fn numbers(text: &str) -> Vec<u64> {
    let parse = |line: &str| line.parse().unwrap_or_else(|_| panic!("{line:?} is no number"));
    text.lines().map(parse).collect()
}

/// The number that a shell script prints whose program runs under the C library's malloc.
fn by_the_c_library(script: &str, program: &str) -> u64 {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).env("PROGRAM", compiled::program(program));
    let output = command.output().expect("there is a shell");
    numbers(&String::from_utf8_lossy(&output.stdout))[0]
}

/// KiB of a program with `threads` threads that hold a block each: under this allocator, and under
/// the C library's malloc.
fn sizes(threads: u32) -> (u64, u64) {
    let finished = Loaded::new("size.c").arg(threads.to_string()).run_well();
    let theirs = by_the_c_library(&format!("exec $PROGRAM {threads}"), "size.c");
    (numbers(&finished.stdout)[0], theirs)
}

#[test]
fn a_process_is_hardly_larger_than_under_the_c_library() {
    let (ours, theirs) = sizes(0);
    assert!(ours <= theirs + 16_384, "{ours} KiB, {theirs} under the C library");
    // The C library gives each thread an arena of 64 MiB, up to eight for each processor.
    let (ours, theirs) = sizes(100);
    assert!(ours <= theirs.max(100 * 8_192) + 98_304, "{ours} KiB, {theirs} under the C library");
}

#[test]
fn a_limit_that_is_set_inside_a_running_process_leaves_what_it_allows() {
    for mib in [32, 64, 200, 2_000] {
        let finished = Loaded::new("limit_inside.c").arg(mib.to_string()).run_well();
        let [left, obtained] = numbers(&finished.stdout)[..] else { panic!("{}", finished.stdout) };
        assert!(obtained * 100 >= left * 97, "{mib} MiB: {obtained} KiB of {left} could be had");
        finished.record().assert_sound();
    }
}

#[test]
fn as_much_can_be_had_under_a_limit_as_from_the_c_library() {
    // The limit in KiB, block sizes, and the least share of the memory that the C library's malloc
    // obtains. The process's memory beside its blocks, 3 MiB more than under the C library, weighs
    // most under the small limits.
    let cases: [(u64, &[u32], f64); 5] = [
        (32_000, &[64, 1024, 1 << 20], 0.85),
        (64_000, &[64, 1024, 1 << 20], 0.92),
        (128_000, &[64, 1024, 1 << 20], 0.96),
        (512_000, &[64, 1024, 32_768, 1 << 20], 0.97),
        (4_000_000, &[32_768, 1 << 20], 0.98),
    ];
    for (kib, sizes, share) in cases {
        for size in sizes {
            let script = format!("ulimit -v {kib}; exec $RUN $PROGRAM {size}");
            let finished = shell(&script, "obtain.c");
            finished.assert_silent(0);
            let ours = numbers(&finished.stdout)[0];
            let script = format!("ulimit -v {kib}; exec $PROGRAM {size}");
            let theirs = by_the_c_library(&script, "obtain.c");
            let found = ours as f64 / theirs as f64;
            println!("ulimit -v {kib}, {size} bytes: {ours} KiB, {found:.3} of the C library's");
            assert!(found >= share, "{kib} KiB, {size} bytes: {ours} KiB, not {theirs}");
        }
    }
}

#[test]
fn with_hardly_any_address_space_one_line_says_that_telemetry_is_off() {
    for kib in (4_000..=14_000).step_by(500) {
        // Telemetry is off from the start, because no file can be made in this directory.
        let script = format!("ulimit -v {kib}; exec $RUN HAKMEM_DIR=/proc/sys $PROGRAM 100");
        let finished = shell(&script, "obtain.c");
        let said = finished.stderr.matches("telemetry is off").count();
        // Below some limit the loader cannot map the program or the library, and says so.
        let is_loaded = finished.status.code() == Some(0) && !finished.stderr.contains("ld.so");
        assert_eq!(said, usize::from(is_loaded), "{kib} KiB: {}", finished.stderr);
        assert!(!is_loaded || finished.stderr.lines().count() == 1, "{}", finished.stderr);
        assert!(is_loaded || kib < 8_000, "{kib} KiB: {}", finished.stderr);
    }
}

#[test]
fn addresses_that_somebody_has_taken_are_done_without() {
    for which in ["behind", "everywhere"] {
        let finished = Loaded::new("taken.c").arg(which).run();
        finished.assert_one_line(0, "not a pointer that hakmem returned");
        let far = numbers(&finished.stdout)[0];
        // The program left free up to 64 MiB behind the first slab.
        assert!(far > 15_000, "{which}: only {far} blocks lie elsewhere");
        let record = finished.record();
        record.assert_sound();
        let mid = record.class(Class::Mid);
        assert!(mid.outcomes[Outcome::Mid as usize] + mid.outcomes[Outcome::Map as usize] > 59_000);
        assert_eq!(record.class(Class::None).outcomes[Outcome::Foreign as usize], 1);
        // Frees of those blocks are fast as well.
        let fast: u64 = mid.outcomes_fast.iter().sum();
        assert!(fast > 50_000, "{which}: {fast} of {} frees were fast", mid.frees);
    }
}

#[test]
fn every_layout_of_the_address_space_will_do() {
    let layouts = ["setarch -R", "setarch -L", "setarch -R -L", "setarch -B"];
    for (layout, stack) in
        layouts.iter().map(|layout| (*layout, "8192")).chain([("", "unlimited"), ("", "100000")])
    {
        let script = format!("ulimit -s {stack}; exec $RUN {layout} $PROGRAM");
        let finished = shell(&script, "hover.c");
        finished.assert_silent(0);
        for record in finished.records() {
            record.assert_sound();
        }
    }
}

#[test]
fn locked_memory_is_little_and_never_taken_for_zeros() {
    // Root may lock memory beyond every limit; an ordinary user only if this process can raise the
    // limit.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).maximum;
    let may_raise = limit.is_none_or(|bytes| bytes >= 16 << 20);
    if !may_raise {
        println!("not tried as an ordinary user: the hard limit on locked memory is {limit:?}");
    }
    for mib in if may_raise { &[0, 16][..] } else { &[0] } {
        let finished = Loaded::new("all_locked.c").arg(mib.to_string()).run();
        finished.assert_silent(0);
        let locked = numbers(&finished.stdout)[0];
        assert!(locked < 10_240, "{locked} KiB are locked");
        finished.record().assert_sound();
    }
}

/// Restores the setting when the test ends, however it ends.
struct Overcommit(String);

const OVERCOMMIT: &str = "/proc/sys/vm/overcommit_memory";

impl Drop for Overcommit {
    fn drop(&mut self) {
        fs::write(OVERCOMMIT, &self.0).expect("it could be written before");
    }
}

#[test]
#[ignore = "changes a setting of the whole machine, under which other programs may fail"]
fn memory_that_is_accounted_strictly_is_enough() {
    let before = fs::read_to_string(OVERCOMMIT).expect("Linux has it");
    let _restored = Overcommit(before);
    fs::write(OVERCOMMIT, "2").expect("run this test as root, where /proc/sys can be written to");
    for program in ["allocate.c", "hover.c", "limit_inside.c"] {
        let code = if program == "allocate.c" { 7 } else { 0 };
        let finished = Loaded::new(program).arg("200").run();
        finished.assert_silent(code);
        finished.record().assert_sound();
    }
}
