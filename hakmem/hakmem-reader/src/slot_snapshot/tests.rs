use super::*;
use crate::fixture::{FixtureProcess, SegmentWriter, bin_of};
use crate::{Sample, Segment};

struct Case {
    _directory: tempfile::TempDir,
    writer: SegmentWriter,
    segment: Segment,
    slot: usize,
}

const BIN: usize = bin_of(Class::C3);

fn case() -> Case {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/case"));
    let slot = writer.take_slot(77, "worker");
    let segment = Segment::open(writer.path()).unwrap();
    Case { _directory: directory, writer, segment, slot }
}

fn allocations(sample: &Sample) -> u64 {
    sample.classes()[Class::C3 as usize].allocations
}

#[test]
fn fast_paths_are_seen_without_reading_the_records_again() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    writer.slot(slot).allocate(BIN, 10);
    assert_eq!(allocations(&segment.sample().unwrap()), 10);
    // Records that are overwritten without a change of the sequence go unnoticed: they are not
    // read.
    let records = hakmem_segment::header::HEADER_BYTES + slot * hakmem_segment::slot::SLOT_BYTES;
    writer.store(records + RECORDS as usize, &[0; RECORDS_BYTES]);
    writer.slot(slot).allocate_fast(BIN, 3);
    let sample = segment.sample().unwrap();
    assert_eq!(allocations(&sample), 13);
    assert!(!sample.is_torn());
}

#[test]
fn a_live_slot_in_a_slow_path_keeps_its_former_copy_and_says_so() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    writer.slot(slot).allocate(BIN, 10);
    segment.sample().unwrap();
    writer.slot(slot).begin_slow_path();
    writer.slot(slot).allocate_fast(BIN, 5);
    let start = Instant::now();
    let sample = segment.sample().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "waited for a stopped writer");
    assert_eq!(sample.torn_slots().collect::<Vec<_>>(), [slot as u32]);
    assert_eq!(allocations(&sample), 10);
    writer.slot(slot).end_slow_path();
    let sample = segment.sample().unwrap();
    assert!(!sample.is_torn());
    assert_eq!(allocations(&sample), 15);
}

#[test]
fn a_writer_killed_in_a_slow_path_leaves_its_last_counts_and_nothing_falls() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    let other = bin_of(Class::C7);
    writer.slot(slot).allocate(BIN, 10);
    writer.slot(slot).free(BIN, 10);
    let before = segment.sample().unwrap();
    writer.slot(slot).allocate(other, 7);
    writer.slot(slot).begin_slow_path();
    writer.slot(slot).store_half(BIN, 20);
    let path = writer.path().to_owned();
    drop(writer);
    let after = segment.sample().unwrap();
    assert!(!segment.is_writer_alive());
    assert!(after.is_torn());
    after.check_not_fallen(&before).unwrap();
    assert_eq!(allocations(&after), 10);
    assert_eq!(after.classes()[Class::C7 as usize].allocations, 7);
    // A reader that first reads the segment after the death has no better copy of the bin, and is
    // told so.
    let late = Segment::open(&path).unwrap().sample().unwrap();
    assert!(late.is_torn());
    assert!(late.check_identity().is_err());
    assert_eq!(late.classes()[Class::C3 as usize].identity_violations, 1);
    assert_eq!(late.classes()[Class::C7 as usize].allocations, 7);
}

#[test]
fn a_slot_that_nobody_owns_is_not_read_again_until_somebody_does() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    writer.slot(slot).allocate(BIN, 10);
    writer.slot(slot).give_up();
    let first = segment.sample().unwrap();
    let second = segment.sample().unwrap();
    assert!(Arc::ptr_eq(&first.slots[slot], &second.slots[slot]));
    writer.slot(slot).suppress(hakmem_segment::AllocReason::NewSlab);
    assert_eq!(segment.sample().unwrap().suppressed_events(), 1);
    writer.slot(slot).take(78, "next");
    writer.slot(slot).allocate(BIN, 1);
    let third = segment.sample().unwrap();
    assert_eq!((third.slots[slot].owners, third.slots[slot].thread_id), (2, 78));
    assert_eq!(third.slots[slot].thread_name, "next");
    assert_eq!(allocations(&third), 11);
}

/// The word has room for 2^47 fast frees, about a week at full speed.
#[test]
fn fast_frees_go_on_when_the_word_has_no_room_for_more() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    const BEGUN: u64 = (1 << 46) - 1024;
    writer.slot(slot).begin_frees_at(BIN, BEGUN);
    writer.slot(slot).free_fast(BIN, 60, false);
    let mut before = segment.sample().unwrap();
    for step in 2..=40 {
        writer.slot(slot).allocate_fast(BIN, 60);
        writer.slot(slot).free_fast(BIN, 60, false);
        let sample = segment.sample().unwrap();
        sample.check_identity().unwrap();
        sample.check_conservation().unwrap();
        sample.check_not_fallen(&before).unwrap();
        assert_eq!(sample.classes()[Class::C3 as usize].frees_fast, BEGUN + 60 * step);
        // A reader that opens the segment now sees the same number.
        let alone = Segment::open(writer.path()).unwrap().sample().unwrap();
        assert_eq!(alone.classes()[Class::C3 as usize].frees_fast, BEGUN + 60 * step);
        before = sample;
    }
    let record = before.slots[slot].bins.iter().find(|bin| usize::from(bin.bin) == BIN).unwrap();
    assert_eq!(record.record.freed_fast_carried, 1 << 46);
}

#[test]
fn a_sample_takes_the_memory_of_its_slots() {
    let Case { mut writer, mut segment, slot, _directory } = case();
    writer.slot(slot).allocate(BIN, 1);
    let one = segment.sample().unwrap().bytes();
    let other = writer.take_slot(78, "other");
    writer.slot(other).allocate(BIN, 1);
    let two = segment.sample().unwrap().bytes();
    assert!(one > size_of::<SlotSample>() && two > one + size_of::<SlotSample>(), "{one}, {two}");
}
