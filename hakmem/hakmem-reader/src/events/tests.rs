use super::*;
use crate::fixture::{FixtureProcess, NewEvent, SegmentWriter};

fn event(value: u64) -> NewEvent {
    NewEvent {
        kind: EventKind::SlowAllocation,
        class: Class::C7,
        bin: 8,
        detail: AllocReason::NewSlab as u8,
        claimed_class: Class::None,
        monotonic_ns: value,
        duration_ns: 9,
        value,
        address: 0x1000,
    }
}

struct Case {
    _directory: tempfile::TempDir,
    writer: SegmentWriter,
    segment: Segment,
}

fn case() -> Case {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    writer.take_slot(7, "main");
    let segment = Segment::open(writer.path()).unwrap();
    Case { _directory: directory, writer, segment }
}

impl Case {
    fn write(&mut self, count: u64) {
        for value in 0..count {
            self.writer.slot(1).event(event(value));
        }
    }

    /// Numbers of the new events, and the number of lost ones.
    fn read(&self, cursor: &mut EventCursor) -> (Vec<u64>, u64) {
        let batch = self.segment.read_events(cursor).unwrap();
        (batch.events.iter().map(|event| event.number).collect(), batch.lost)
    }
}

#[test]
fn an_event_is_decoded_with_its_words() {
    let mut case = case();
    case.write(1);
    let batch = case.segment.read_events(&mut EventCursor::from_oldest()).unwrap();
    let [event] = &batch.events[..] else { panic!("{batch:?}") };
    assert_eq!((event.slot, event.number, event.thread_id), (1, 1, 7));
    assert_eq!((event.kind.name(), event.class.name()), ("slow_allocation", "C7"));
    assert_eq!((event.detail.name(), event.claimed_class), ("new_slab", None));
    assert_eq!((event.duration_ns, event.address), (9, 0x1000));
}

#[test]
fn an_anomaly_of_headers_tells_the_byte_and_what_it_claims() {
    let mut case = case();
    let mut check = |outcome: Outcome, value, claimed_class, expected| {
        let kind = EventKind::Anomaly;
        let event = NewEvent { kind, detail: outcome as u8, claimed_class, ..event(value) };
        let event = NewEvent { monotonic_ns: 0, ..event };
        case.writer.slot(1).event(event);
        let batch = case.segment.read_events(&mut EventCursor::from_oldest()).unwrap();
        let last = batch.events.last().unwrap();
        assert_eq!((last.header_byte(), last.claimed_class), expected, "{outcome:?}");
    };
    check(Outcome::HeaderFalsePositive, 0xa3, Class::C3, (Some(0xa3), Some(Class::C3)));
    check(Outcome::HeaderMissing, 0x41, Class::None, (Some(0x41), None));
    check(Outcome::SizeMismatch, 24, Class::C2, (None, Some(Class::C2)));
    check(Outcome::DoubleFree, 7, Class::C0, (None, None));
}

#[test]
fn every_event_is_either_returned_or_counted_as_lost() {
    let mut case = case();
    let mut cursor = EventCursor::from_beginning();
    let mut expected = 0;
    for count in [0, 1, 63, 64, 65, 200, 3, 0, 128] {
        case.write(count);
        expected += count;
        let (numbers, lost) = case.read(&mut cursor);
        assert_eq!(numbers.len() as u64 + lost, count);
        assert_eq!(lost, count.saturating_sub(64));
        assert!(numbers.is_empty() || numbers.last() == Some(&expected));
    }
}

#[test]
fn a_cursor_starts_where_it_says() {
    let mut case = case();
    case.write(100);
    let (mut beginning, mut oldest, mut newest) =
        (EventCursor::from_beginning(), EventCursor::from_oldest(), EventCursor::from_newest());
    assert_eq!(case.read(&mut beginning), ((37..=100).collect(), 36));
    assert_eq!(case.read(&mut oldest), ((37..=100).collect(), 0));
    assert_eq!(case.read(&mut newest), (vec![], 0));
    case.write(2);
    for cursor in [&mut beginning, &mut oldest, &mut newest] {
        assert_eq!(case.read(cursor), (vec![101, 102], 0));
    }
    // A slot that is first used later is followed from its first event, by every cursor.
    let slot = case.writer.take_slot(8, "late");
    (0..70).for_each(|value| case.writer.slot(slot).event(event(value)));
    for cursor in [&mut beginning, &mut oldest, &mut newest] {
        assert_eq!(case.read(cursor), ((7..=70).collect(), 6));
    }
}

#[test]
fn an_event_being_written_is_awaited_and_one_being_overwritten_is_lost() {
    let mut case = case();
    case.write(3);
    let start = hakmem_segment::header::HEADER_BYTES + hakmem_segment::slot::SLOT_BYTES;
    let ring = start + offset_of!(Slot, events);
    let mut cursor = EventCursor::from_oldest();
    // The writer has counted event 3, but has not stored its number yet.
    case.writer.store(ring + 2 * RECORD_BYTES, &0u64.to_le_bytes());
    assert_eq!(case.read(&mut cursor), (vec![1, 2], 0));
    assert_eq!(case.read(&mut cursor), (vec![], 0));
    case.writer.store(ring + 2 * RECORD_BYTES, &3u64.to_le_bytes());
    assert_eq!(case.read(&mut cursor), (vec![3], 0));
    // The writer has begun to write event 68 in the place of event 4.
    case.write(64);
    case.writer.store(ring + 3 * RECORD_BYTES, &0u64.to_le_bytes());
    assert_eq!(case.read(&mut cursor), ((5..=67).collect(), 1));
}

#[test]
fn unknown_kinds_and_forged_numbers_are_survived() {
    let mut case = case();
    case.write(2);
    let start = hakmem_segment::header::HEADER_BYTES + hakmem_segment::slot::SLOT_BYTES;
    let kind = start + offset_of!(Slot, events) + offset_of!(hakmem_segment::Event, kind);
    case.writer.store(kind, &[250]);
    let mut cursor = EventCursor::from_oldest();
    let batch = case.segment.read_events(&mut cursor).unwrap();
    assert_eq!((batch.events.len(), batch.unknown, batch.lost), (1, 1, 0));
    let written = start + offset_of!(SlotHeader, events_written);
    case.writer.store(written, &u64::MAX.to_le_bytes());
    let batch = case.segment.read_events(&mut cursor).unwrap();
    assert_eq!((batch.events.len(), batch.lost > 1 << 60), (0, true));
    // The greatest possible number, in the place that belongs to it.
    let ring = start + offset_of!(Slot, events);
    case.writer.store(ring + 61 * RECORD_BYTES, &(u64::MAX - 1).to_le_bytes());
    let batch = case.segment.read_events(&mut cursor).unwrap();
    assert_eq!((batch.events.len(), batch.unknown, batch.lost), (0, 1, 0));
    case.writer.store(written, &1u64.to_le_bytes());
    assert_eq!(case.read(&mut cursor), (vec![], 0));
}

#[test]
fn a_reader_whose_time_is_up_goes_on_with_the_slots_that_come_next() {
    let mut case = case();
    let slots = 4 * TIMED_SLOTS;
    for thread in 0..slots {
        let slot = case.writer.take_slot(10 + thread, "worker");
        case.writer.slot(slot).event(event(thread.into()));
    }
    let mut cursor = EventCursor::from_beginning();
    let mut values = Vec::new();
    let mut calls = 0;
    while calls == 0 || cursor.from_slot != 0 {
        let batch =
            case.segment.read_events_up_to(&mut cursor, usize::MAX, Duration::ZERO).unwrap();
        values.extend(batch.events.iter().map(|event| event.value));
        calls += 1;
        assert!(calls <= slots, "every call reads some slots");
    }
    values.sort_unstable();
    assert_eq!(values, (0..slots.into()).collect::<Vec<u64>>());
    assert!(calls > 1, "the first call took more than no time");
}
