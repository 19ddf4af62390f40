//! A program that makes exactly N calls in a class shows exactly N, and nothing elsewhere.

use hakmem_reader::{Class, Outcome};

use crate::loaded::{Loaded, Record};

fn run(turns: u32, size: usize, how: &str) -> Record {
    // Arguments of equal length, so that nothing else differs.
    let loaded = Loaded::new("exact.c").arg(format!("{turns:09}")).arg(format!("{size:09}"));
    let record = loaded.arg(how).run_well().record();
    record.assert_sound();
    record
}

/// Fails unless `turns` calls of `how` for `size` bytes are `turns` allocations and frees in
/// `class`.
fn check(turns: u32, size: usize, how: &str, class: Class) {
    let (full, empty) = (run(turns, size, how), run(0, size, how));
    for &each in Class::ALL {
        let (full, empty) = (full.class(each), empty.class(each));
        let expected = if each == class { u64::from(turns) } else { 0 };
        let allocations = full.allocations - empty.allocations;
        let frees = full.frees - empty.frees;
        assert_eq!((allocations, frees), (expected, expected), "{how} {size}: {}", each.name());
        assert_eq!(full.live_blocks, empty.live_blocks, "{how} {size}: {}", each.name());
        let outcomes = |totals: &hakmem_reader::ClassTotals| totals.outcomes.iter().sum::<u64>();
        assert_eq!(outcomes(&full) - outcomes(&empty), expected, "{how} {size}");
    }
}

#[test]
fn every_class_shows_exactly_the_calls_that_were_made() {
    let sizes = [
        (8, Class::C0),
        (16, Class::C1),
        (32, Class::C2),
        (64, Class::C3),
        (65, Class::C4),
        (128, Class::C4),
        (256, Class::C5),
        (512, Class::C6),
        (513, Class::C7),
        (1024, Class::C7),
        (1025, Class::Mid),
        (262_144, Class::Mid),
        (262_145, Class::Large),
    ];
    for (size, class) in sizes {
        for turns in [1, 99, 5000] {
            check(turns, size, "malloc", class);
        }
    }
}

#[test]
fn every_entry_point_counts_once() {
    for how in ["calloc", "posix", "realloc"] {
        check(3000, 100, how, Class::C4);
        check(3000, 3000, how, Class::Mid);
        check(300, 300_000, how, Class::Large);
    }
    check(3000, 100, "aligned", Class::C4);
    check(3000, 1000, "aligned", Class::C7);
}

#[test]
fn frees_of_unknown_size_are_classified_by_the_map() {
    let record = run(5000, 1024, "malloc");
    let c7 = record.class(Class::C7);
    assert!(c7.outcomes[Outcome::Map as usize] >= 5000);
    let large = run(300, 300_000, "malloc").class(Class::Large);
    assert!(large.outcomes[Outcome::Large as usize] >= 300);
    assert_eq!(record.sample.classes().iter().map(|class| class.anomalies()).sum::<u64>(), 0);
}
