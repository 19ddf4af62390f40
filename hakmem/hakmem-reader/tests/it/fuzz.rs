//! Runs the fuzz target's body on its corpus, on valid segments, and on mutations of them.

use std::mem::offset_of;

use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, bin_of};
use hakmem_reader::fuzz::{parts_of, read_bytes, read_parts};
use hakmem_reader::{AllocReason, Class, EventKind, FreeReason, Outcome, Segment};
use hakmem_segment::SegmentHeader;
use hakmem_segment::header::HEADER_BYTES;
use hakmem_segment::slot::SLOT_BYTES;
use proptest::prelude::*;

#[path = "../../../../fuzz/corpus.rs"]
mod corpus;

/// Valid segments with different contents, the later ones with all of the earlier.
fn segments() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let process = FixtureProcess {
        labels: "service=x,version=y".to_owned(),
        ..FixtureProcess::new("/usr/bin/corpus")
    };
    let mut writer = SegmentWriter::create(directory.path(), &process);
    let mut segments = vec![std::fs::read(writer.path()).unwrap()];
    let index = writer.take_slot(7, "main");
    let slot = writer.slot(index);
    for &class in Class::ALL.iter().filter(|&&class| class < Class::Large) {
        slot.allocate(bin_of(class), 100);
        slot.free(bin_of(class), 90);
        slot.duration(class, 1 << (class as u32 + 5));
    }
    slot.allocate_large(1 << 21);
    slot.free_large(1 << 21);
    slot.free_slow(bin_of(Class::None), FreeReason::Rejected, Outcome::Foreign, 0);
    segments.push(std::fs::read(writer.path()).unwrap());
    let event = NewEvent {
        kind: EventKind::SlowAllocation,
        class: Class::C7,
        bin: 8,
        detail: AllocReason::NewSlab as u8,
        claimed_class: Class::None,
        monotonic_ns: 1,
        duration_ns: 2,
        value: 3,
        address: 4,
    };
    (0..20).for_each(|_| writer.slot(index).event(event));
    let anomaly = NewEvent {
        kind: EventKind::Anomaly,
        detail: Outcome::HeaderFalsePositive as u8,
        claimed_class: Class::C3,
        value: 0xa3,
        ..event
    };
    (0..10).for_each(|_| writer.slot(index).event(anomaly));
    writer.slot(index).begin_slow_path();
    segments.push(std::fs::read(writer.path()).unwrap());
    segments
}

#[test]
fn the_corpus_is_read_without_harm_and_its_seeds_to_their_ends() {
    for (name, input) in corpus::inputs("segment") {
        let samples = read_parts(&input);
        assert!(samples >= 2 || !corpus::is_seed(&name), "{name}: {samples} samples");
    }
}

/// Writes the seeds anew: `cargo test -p hakmem-reader --test it -- --ignored fuzz::record`.
#[test]
#[ignore = "writes fuzz/corpus/segment"]
fn record() {
    let segments = segments();
    let [small, counted, eventful] = segments.as_slice() else { panic!("there are three") };
    // The file grows under the reader: two of them, one after the other.
    let moving = [parts_of(small, true), parts_of(counted, true)[1..].to_vec()].concat();
    let seeds = [
        ("one-slot", parts_of(small, false)),
        ("every-class", parts_of(counted, false)),
        ("events-and-a-slow-path-without-end", parts_of(eventful, true)),
        ("a-thread-begins-under-the-reader", moving),
    ];
    corpus::record("segment", seeds);
}

#[test]
fn valid_segments_are_valid() {
    for bytes in segments() {
        assert_eq!(read_bytes(&bytes), 2);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        Segment::open(file.path()).unwrap().sample().unwrap();
    }
}

/// The place of a mutation: anywhere, but mostly in fields that are decoded.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..offset_of!(SegmentHeader, executable),
        offset_of!(SegmentHeader, bins)..offset_of!(SegmentHeader, reserved),
        HEADER_BYTES..HEADER_BYTES + 4096,
        HEADER_BYTES + SLOT_BYTES..HEADER_BYTES + SLOT_BYTES + 4096,
        HEADER_BYTES..HEADER_BYTES + 2 * SLOT_BYTES,
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<u64>().prop_map(|word| word.to_le_bytes().to_vec()),
        prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), Just(0), Just(1)]
            .prop_map(|word: u64| word.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mutated_segments_do_no_harm(
        which in 0usize..3,
        changes in prop::collection::vec((place(), any::<bool>(), value()), 1..8),
        length in prop::option::weighted(0.1, 0usize..90_000),
    ) {
        let mut bytes = segments_once()[which].clone();
        for (place, aligned, value) in changes {
            let place = if aligned { place & !7 } else { place };
            let end = bytes.len().min(place + value.len());
            if place < end {
                bytes[place..end].copy_from_slice(&value[..end - place]);
            }
        }
        bytes.truncate(length.unwrap_or(usize::MAX));
        read_bytes(&bytes);
    }

    #[test]
    fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        read_bytes(&bytes);
    }
}

fn segments_once() -> &'static [Vec<u8>] {
    static SEGMENTS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    SEGMENTS.get_or_init(segments)
}
