//! Tests that bound what code allocates. They stay exact when tests run in parallel, because a
//! thread counts its own calls alone.

use std::fmt::Write as _;

use hakmem::{Class, assert_allocations, measure};

/// Writes `names` into `line`, separated by commas.
fn join(line: &mut String, names: &[&str]) {
    line.clear();
    for name in names {
        let separator = if line.is_empty() { "" } else { ", " };
        let _ = write!(line, "{separator}{name}");
    }
}

#[test]
fn a_buffer_is_reused() {
    let mut line = String::with_capacity(64);
    assert_allocations!(== 0, {
        join(&mut line, &["Ada", "Grace"]);
        join(&mut line, &["Barbara", "Frances", "Jean"]);
    });
    assert_eq!(line, "Barbara, Frances, Jean");
}

#[test]
fn a_line_grows_a_few_times_at_most() {
    let names = ["name"; 100];
    let line = assert_allocations!(<= 8, {
        let mut line = String::new();
        join(&mut line, &names);
        line
    });
    assert_eq!(line.len(), 100 * "name, ".len() - ", ".len());
}

#[test]
fn no_large_memory_is_asked_for() {
    let (_, counts) = measure(|| "some words".split(' ').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(counts.class(Class::Large).allocations, 0);
    assert!(counts.allocated_bytes() < 1000, "{counts}");
}
