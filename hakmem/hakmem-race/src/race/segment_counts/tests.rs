use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{AllocReason, FreeReason, Outcome};

use super::*;

/// A program that allocated `blocks` blocks of 1024 B and freed two of them, one of them wrongly.
fn program(directory: &Path, executable: &str, blocks: u64) {
    let mut writer = SegmentWriter::create(directory, &FixtureProcess::new(executable));
    let bin = bin_of(Class::C7);
    let slot = writer.slot(0);
    for _ in 0..blocks {
        slot.allocate_slow(bin, AllocReason::RefillSlab, 0);
    }
    slot.free_slow(bin, FreeReason::Routed, Outcome::Headerless, 0);
    slot.free_slow(bin, FreeReason::Check, Outcome::HeaderFalsePositive, 0);
    writer.exit(0);
}

#[test]
fn the_only_segment_is_counted_and_removed() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    program(directory.path(), "/usr/bin/bench", 5);
    assert_eq!(SegmentCounts::read(directory.path()).expect("a segment").allocations(), 5);
    let counts = SegmentCounts::take(directory.path()).expect("a segment");
    assert_eq!((counts.allocations(), counts.frees(), counts.anomalies()), (5, 2, 1));
    assert_eq!(counts.class(Class::C7).slow_frees(), 2);
    assert_eq!(counts.live_blocks[bin_of(Class::C7)], 3);
    assert!(matches!(SegmentCounts::take(directory.path()), Err(CountError::Segments(0))));
}

#[test]
fn frees_beyond_what_a_thread_allocated_were_of_other_threads_blocks() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/usr/bin/x"));
    let bin = bin_of(Class::C7);
    writer.take_slot(2, "consumer");
    for (slot, allocations, frees) in [(0, 9, 2), (1, 1, 4)] {
        let slot = writer.slot(slot);
        for _ in 0..allocations {
            slot.allocate_slow(bin, AllocReason::RefillSlab, 0);
        }
        for _ in 0..frees {
            slot.free_slow(bin, FreeReason::Routed, Outcome::Headerless, 0);
        }
    }
    writer.exit(0);
    let counts = SegmentCounts::take(directory.path()).expect("a segment");
    assert_eq!(counts.frees_elsewhere_least, 3);
    assert_eq!(counts.slow_share(), 1.0);
}

#[test]
fn a_program_is_found_among_those_that_started_it() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    program(directory.path(), "/bin/sh", 3);
    program(directory.path(), "/usr/bin/bench", 7);
    assert!(matches!(SegmentCounts::read(directory.path()), Err(CountError::Segments(2))));
    let counts = SegmentCounts::take_of("bench", directory.path()).expect("a segment");
    assert_eq!(counts.allocations(), 7);
    assert!(matches!(
        SegmentCounts::take_of("bench", directory.path()),
        Err(CountError::Segments(0))
    ));
}
