//! Memory errors of the program: which mode finds which, and that no other block suffers.

use std::os::unix::process::ExitStatusExt;

use hakmem_reader::{Class, Outcome};

use crate::routings::{Setting, anomalies, finds, loaded, settings};

#[test]
fn a_delete_with_a_wrong_size_overwrites_nothing_under_any_routing() {
    for setting in settings() {
        let finished = loaded("wrong_deletes.cc", setting).arg("told").run();
        assert_eq!(finished.status.code(), Some(0), "{setting:?}: {}", finished.stderr);
        for line in finished.stderr.lines() {
            assert!(line.contains("freed with a size of"), "{setting:?}: {line}");
        }
        finished.record().assert_sound();
    }
}

#[test]
fn full_checks_find_every_wrong_size_of_another_class() {
    for setting in settings().into_iter().filter(|setting| setting.2 == "full") {
        let finished = loaded("wrong_deletes.cc", setting).arg("told").run();
        let record = finished.record();
        // Pairs of different sizes without the four of mid sizes, which are of one class; in each
        // form.
        let pairs = 6 * 5;
        let found: u64 = Class::ALL
            .iter()
            .map(|&class| record.class(class).outcomes[Outcome::SizeMismatch as usize])
            .sum();
        assert_eq!((found, anomalies(&record)), (pairs * 6, pairs * 6), "under {setting:?}");
    }
}

#[test]
fn a_wrong_size_is_found_by_the_sample() {
    let finished = loaded("wrong_deletes.cc", ("direct", "direct", "sample")).arg("often").run();
    assert!(finished.stderr.contains("freed with a size of C7, but the block is C4"));
    let found = finished.record().class(Class::C4).outcomes[Outcome::SizeMismatch as usize];
    assert!((4..=10).contains(&found), "{found} of 5000");
}

#[test]
fn a_block_that_is_deleted_twice_in_a_row_is_found_at_once() {
    let is_looked_at = |setting: &Setting| setting.0 == "direct" || setting.1 == "boxed";
    for setting in settings().into_iter().filter(is_looked_at) {
        let finished = loaded("wrong_deletes.cc", setting).arg("twice").run();
        finished.assert_lines(0, 1, "the C4 block is free already");
        let record = finished.record();
        record.assert_sound();
        let found = record.class(Class::C4).outcomes[Outcome::DoubleFree as usize];
        assert_eq!((found, anomalies(&record)), (1, 1), "under {setting:?}");
    }
}

#[test]
fn a_block_that_is_freed_twice_in_a_row_is_found_at_the_call_by_default() {
    for size in ["8", "32", "1000", "5000", "200000"] {
        let setting = ("direct", "direct", "sample");
        let finished = loaded("misuse.c", setting).arg("double-at-once").arg(size).run();
        let lines: Vec<_> = finished.stderr.lines().collect();
        let [before, line, after] = lines[..] else { panic!("{size}: {}", finished.stderr) };
        assert_eq!((before, after), ("before", "after"), "{size}");
        assert!(line.contains("block is free already"), "{size}: {line}");
        let record = finished.record();
        record.assert_sound();
        assert_eq!(anomalies(&record), 1, "{size}");
    }
}

#[test]
fn what_was_freed_wrongly_is_found_when_the_block_comes_back() {
    let setting = ("direct", "direct", "sample");
    for (what, text, outcome) in [
        ("double-full", "the C4 block is free already", Outcome::DoubleFree),
        ("double-apart-trim", "the C4 block is free already", Outcome::DoubleFree),
        ("interior-trim", "inside a C4 block", Outcome::Interior),
        ("double-exit", "the C4 block is free already", Outcome::DoubleFree),
    ] {
        finds(what, setting, text, Class::C4, outcome);
        finds(what, setting, "found later, on its way to its slab", Class::C4, outcome);
    }
}

#[test]
fn what_is_found_later_aborts_where_that_is_wanted() {
    let finished = loaded("wrong_frees.c", ("direct", "direct", "sample"))
        .arg("double-full")
        .env("HAKMEM_ON_ERROR", "abort")
        .run();
    assert_eq!(finished.status.signal(), Some(6), "{}", finished.stderr);
    assert_eq!(anomalies(&finished.record()), 1, "counted before it ended");
}

/// Kinds of misuse that `misuse.c` knows, with the words by which the line names each.
const KINDS: [(&str, &str); 10] = [
    ("double-at-once", "free already"),
    ("double-after-one", "free already"),
    ("double-after-many", "free already"),
    ("interior", "inside a"),
    ("unaligned", "inside a"),
    ("stack", "not a pointer that hakmem returned"),
    ("static", "not a pointer that hakmem returned"),
    ("unused", ""),
    ("realloc-dead", "realloc("),
    ("usable-size-dead", "malloc_usable_size("),
];

#[test]
fn full_checks_find_each_kind_of_misuse_at_the_call_under_every_routing() {
    for setting in settings().into_iter().filter(|setting| setting.2 == "full") {
        for (kind, text) in KINDS {
            for size in ["32", "1000", "5000", "400000"] {
                let is_span = size == "400000";
                // Memory beside a span is not the allocator's, or lies inside the next span.
                if is_span && kind == "unused" {
                    continue;
                }
                let finished = loaded("misuse.c", setting).arg(kind).arg(size).run();
                let (stderr, what) = (&finished.stderr, format!("{kind} {size} {setting:?}"));
                assert_eq!(finished.status.code(), Some(0), "{what}: {stderr}");
                let lines: Vec<_> = stderr.lines().collect();
                let [before, line, after] = lines[..] else { panic!("{what}: {stderr}") };
                assert_eq!((before, after), ("before", "after"), "{what}");
                // Where a span was returned to the system, nothing can be said of the pointer.
                let is_named = line.contains(text) || is_span && line.contains("not a pointer");
                assert!(line.starts_with("hakmem: ") && is_named, "{what}: {line}");
            }
        }
    }
}
