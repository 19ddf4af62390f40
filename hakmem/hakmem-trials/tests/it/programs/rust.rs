//! Rust programs: with hakmem as `GlobalAlloc`, and with the system's allocator under the preload
//! library.

use std::process::Command;

use super::{Program, summary};
use crate::scratch;

fn checksum(threads: &str, rounds: &str) -> String {
    let output = Command::new(hakmem_built::benchmark("busy_threads"))
        .args([threads, rounds])
        .output()
        .expect("cargo built it");
    String::from_utf8(output.stdout).expect("text")
}

/// The program publishes its telemetry without any preloading.
fn check_alone(threads: &str, rounds: &str, allocations_min: u64) {
    let segments = scratch::segments_directory();
    let output = Command::new(hakmem_built::release_example("global_allocator"))
        .args([threads, rounds])
        .env("HAKMEM_DIR", segments.path())
        .env_remove("LD_PRELOAD")
        .output()
        .expect("cargo built it");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.is_empty(), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), checksum(threads, rounds));
    let classes = scratch::only_segment(&segments);
    let allocations: u64 = classes.iter().map(|class| class.allocations).sum();
    assert!(allocations >= allocations_min, "{allocations} < {allocations_min}");
    // Rust passes the size to every free, so no lookup of the class is needed.
    let sized = hakmem_reader::Outcome::Sized as usize;
    let (frees, sized) = classes
        .iter()
        .filter(|class| class.class <= hakmem_reader::Class::C7)
        .fold((0, 0), |sum, class| (sum.0 + class.frees, sum.1 + class.outcomes[sized]));
    assert_eq!(frees, sized);
}

fn check_with_top(program: &str, threads: &str, rounds: &str, allocations_min: u64) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let program = Program {
        words: &[program, threads, rounds],
        directory: directory.path(),
        environment: &[],
        package: "cargo",
    };
    let processes = program.compare();
    let name = program.words[0].rsplit('/').next().expect("a path");
    summary::busiest(&processes, name).assert_plausible(allocations_min);
}

#[test]
fn global_alloc_unloaded() {
    check_alone("1", "100", 100);
}

#[test]
fn global_alloc_with_64_threads() {
    check_alone("64", "20000", 1_280_000);
}

#[test]
fn global_alloc_under_top() {
    let example = hakmem_built::release_example("global_allocator");
    let example = example.to_str().expect("a path in UTF-8");
    check_with_top(example, "1", "1000", 1_000);
    check_with_top(example, "64", "20000", 1_280_000);
}

#[test]
fn a_program_with_hakmem_within_is_one_process_and_its_children_are_served() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let example = hakmem_built::release_example("linked");
    let program = Program {
        words: &[example.to_str().expect("a path in UTF-8"), "5000"],
        directory: directory.path(),
        environment: &[],
        package: "cargo",
    };
    let processes = program.compare();
    let mut names: Vec<&str> = processes.iter().map(summary::Process::name).collect();
    names.sort_unstable();
    assert_eq!(names, ["linked", "ls"]);
    let mid = summary::busiest(&processes, "linked").class("mid");
    assert_eq!((mid.allocations, mid.frees), (5000, 5000), "by the program's own count");
    assert!(summary::busiest(&processes, "ls").allocations() > 10);
}

#[test]
fn preloaded_rust_program_with_64_threads() {
    let program = hakmem_built::benchmark("busy_threads");
    let program = program.to_str().expect("a path in UTF-8");
    check_with_top(program, "64", "20000", 1_280_000);
}
