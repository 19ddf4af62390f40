//! A program that makes exactly N calls in a class is counted with exactly N.

use std::process::Command;

use hakmem_bench::report::Report;
use hakmem_reader::{Class, ClassTotals};

use crate::scratch;

/// Runs a benchmark under the preload library and reads hakmem's counts of it.
fn counted(program: &str, arguments: &[&str]) -> (Report, Vec<ClassTotals>) {
    let directory = scratch::segments_directory();
    let output = Command::new(hakmem_built::benchmark(program))
        .args(arguments)
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .env("HAKMEM_DIR", directory.path())
        .output()
        .expect("the benchmark starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {messages}");
    assert_eq!(messages, "", "hakmem has nothing to complain about");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = Report::parse(&text).expect("a complete report");
    let server = report.malloc_file.clone().unwrap_or_default();
    assert!(server.ends_with("libhakmem_preload.so"), "malloc came from {server:?}");
    (report, scratch::only_segment(&directory))
}

fn class(totals: &[ClassTotals], class: Class) -> &ClassTotals {
    totals.iter().find(|total| total.class == class).expect("every class has totals")
}

/// Compares a run of `iterations` iterations with one of 0, which is written with as many digits,
/// so that the two programs differ in nothing else.
fn check(size: usize, expected: Class, iterations: u64) {
    let size_text = size.to_string();
    let number = format!("{iterations:09}");
    let zero = format!("{:09}", 0);
    let (report, full) = counted("bench_fixed_size", &[&number, &size_text, "128"]);
    let (_, empty) = counted("bench_fixed_size", &[&zero, &size_text, "128"]);
    assert_eq!((report.mallocs, report.frees), (iterations, iterations));
    for &each in Class::ALL {
        let (full, empty) = (class(&full, each), class(&empty, each));
        let difference = (full.allocations - empty.allocations, full.frees - empty.frees);
        let exact = if each == expected { (iterations, iterations) } else { (0, 0) };
        assert_eq!(difference, exact, "{size} B shows in {}", each.name());
    }
}

#[test]
fn each_tiny_class_shows_exactly_the_calls_that_were_made() {
    let sizes = [8, 16, 32, 64, 128, 256, 512, 1024];
    for (size, &class) in sizes.into_iter().zip(Class::ALL) {
        for iterations in [1, 127, 129, 200_000] {
            check(size, class, iterations);
        }
    }
}

/// Compares two calls of a program that differ only in how often the load's loop runs, by the sums
/// over all classes. The C library allocates memory for each stack that it cannot take over from a
/// thread that has ended; this happens by chance, up to `stacks` times.
fn check_sums(program: &str, full: &[&str], empty: &[&str], stacks: i128) {
    let (report, full) = counted(program, full);
    let (nothing, empty) = counted(program, empty);
    assert_eq!((nothing.mallocs, nothing.frees), (0, 0), "{program} {empty:?}");
    assert!(report.mallocs >= 20_000, "{program} made {} calls only", report.mallocs);
    let sum = |totals: &[ClassTotals]| {
        let allocations: i128 = totals.iter().map(|total| i128::from(total.allocations)).sum();
        let frees: i128 = totals.iter().map(|total| i128::from(total.frees)).sum();
        (allocations, frees)
    };
    let (full, empty) = (sum(&full), sum(&empty));
    let beyond = full.0 - empty.0 - i128::from(report.mallocs);
    assert!(beyond.abs() <= stacks, "{program}: {beyond} allocations more than were made");
    assert_eq!(full.1 - empty.1, i128::from(report.frees), "{program}");
}

#[test]
fn mixed_sizes_show_exactly_the_calls_that_were_made() {
    check_sums("bench_random_mixed", &["000300000", "512"], &["000000000", "512"], 0);
}

#[test]
fn batches_show_exactly_the_calls_that_were_made() {
    for order in ["--verify", "--reverse", "--random"] {
        let [full, empty] = ["100", "000"].map(|batches| ["48", "1000", batches, order]);
        check_sums("bench_batches", &full, &empty, 0);
    }
}

#[test]
fn blocks_that_grow_are_intact_under_hakmem() {
    for step in [&[][..], &["--add", "48"]] {
        let call = [step, &["2000", "16", "20000", "--verify"]].concat();
        assert_eq!(counted("bench_growth", &call).0.mallocs, 2_000);
    }
}

#[test]
fn loads_of_several_threads_show_exactly_the_calls_that_were_made() {
    let check = |program: &str, before: &[&str], after: &[&str], stacks: i128| {
        for verify in [&[][..], &["--verify"]] {
            let call = |number: &'static str| [before, &[number], after, verify].concat();
            check_sums(program, &call("20000"), &call("00000"), stacks);
        }
    };
    // All threads of these programs live until the last one has begun.
    check("bench_handover", &["1", "1"], &[], 0);
    check("bench_handover", &["3", "2"], &[], 0);
    check("bench_mixed_threads", &["3"], &["512"], 0);
    // Here one thread ends before the next begins.
    check("bench_successors", &["1", "5"], &["1000"], 0);
    check("bench_short_threads", &["1", "3"], &[], 0);
    // And here several threads do so side by side.
    check("bench_successors", &["2", "5"], &["1000"], 1);
    check("bench_short_threads", &["4", "3"], &[], 3);
}

#[test]
fn a_wrong_call_is_refused_under_hakmem_too() {
    let output = Command::new(hakmem_built::benchmark("bench_fixed_size"))
        .args(["12", "64"])
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .output()
        .expect("the benchmark starts");
    assert_eq!(output.status.code(), Some(64));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("WORKING_SET is missing"), "{message}");
}
