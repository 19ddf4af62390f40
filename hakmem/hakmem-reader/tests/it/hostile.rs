//! Reads files that hostile users wrote.

use std::fs;
use std::mem::offset_of;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hakmem_reader::directory::SegmentName;
use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, bin_of};
use hakmem_reader::text::is_unsafe;
use hakmem_reader::{
    Class, EventCursor, EventKind, Limits, OpenError, SampleError, Segment, SlotSample,
};
use hakmem_segment::header::HEADER_BYTES;
use hakmem_segment::slot::SLOT_BYTES;
use hakmem_segment::{LAYOUT_MINOR, SegmentHeader};

struct Case {
    directory: tempfile::TempDir,
    writer: SegmentWriter,
}

/// A segment with two slots that hold something.
fn case() -> Case {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let slot = writer.take_slot(7, "main");
    writer.slot(slot).allocate(bin_of(Class::C7), 100);
    Case { directory, writer }
}

/// The message of opening a segment after `spoil`.
fn opened(spoil: impl FnOnce(&SegmentWriter)) -> String {
    let case = case();
    spoil(&case.writer);
    match Segment::open(case.writer.path()) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

macro_rules! forged {
    ($field:ident, $value:expr) => {
        opened(|writer| writer.store(offset_of!(SegmentHeader, $field), &$value.to_le_bytes()))
    };
}

#[test]
fn forged_headers_are_refused_with_the_field_that_is_wrong() {
    let impossible = |what: &str| format!("not a valid hakmem segment: its {what} is impossible");
    assert_eq!(opened(|_| ()), "ok");
    assert_eq!(forged!(header_bytes, 0u32), impossible("size of the header"));
    assert_eq!(forged!(header_bytes, u32::MAX), impossible("size of the header"));
    assert_eq!(forged!(header_bytes, 8193u32), impossible("size of the header"));
    assert_eq!(forged!(slot_bytes, 0u32), impossible("size of a slot"));
    assert_eq!(forged!(slot_bytes, 4096u32), impossible("size of a slot"));
    assert_eq!(forged!(slot_bytes, 0x8000_0000u32), impossible("size of a slot"));
    assert_eq!(forged!(slots_max, 0u32), impossible("number of slots"));
    assert_eq!(forged!(slots_max, u32::MAX), impossible("number of slots"));
    // Sizes of machines with larger pages.
    assert_eq!(forged!(header_bytes, 65_536u32), "ok");
    assert_eq!(forged!(slot_bytes, 65_536u32), "ok");
    // Sizes that only a later version can have.
    assert_eq!(forged!(header_bytes, 12_288u32), impossible("size of the header"));
    assert_eq!(forged!(slot_bytes, 40u32 << 10), impossible("size of a slot"));
    assert_eq!(forged!(slot_bytes, 1u32 << 20), impossible("size of a slot"));
    assert_eq!(forged!(slots_max, 65_536u32), impossible("number of slots"));
    assert_eq!(forged!(executable_bytes, 513u32), impossible("length of executable"));
    assert_eq!(forged!(command_line_bytes, u32::MAX), impossible("length of command_line"));
    assert_eq!(forged!(labels_bytes, 4096u32), impossible("length of labels"));
    assert_eq!(forged!(build_id_bytes, 33u32), impossible("length of build_id"));
    assert_eq!(forged!(routing, 99u8), impossible("routing"));
    assert_eq!(forged!(check, 3u8), impossible("check"));
    assert_eq!(forged!(push, 2u8), impossible("push"));
    assert_eq!(forged!(ready, 1u64), impossible("ready word"));
    assert_eq!(forged!(pid, 1u32), impossible("file name"));
    let bins = offset_of!(SegmentHeader, bins);
    assert_eq!(opened(|writer| writer.store(bins + 8 + 4, &[77])), impossible("class of a bin"));
    let outcome = opened(|writer| writer.store(bins + 8 + 5, &[77]));
    assert_eq!(outcome, impossible("fast outcome of a bin"));
}

#[test]
fn a_later_version_may_have_larger_headers_and_slots_in_whole_pages() {
    let opened = |at: usize, bytes: u32| {
        let minor = offset_of!(SegmentHeader, layout_minor);
        opened(|writer| {
            writer.store(minor, &(LAYOUT_MINOR + 1).to_le_bytes());
            writer.store(at, &bytes.to_le_bytes());
        })
    };
    for at in [offset_of!(SegmentHeader, header_bytes), offset_of!(SegmentHeader, slot_bytes)] {
        for bytes in [40 << 10, 1 << 20] {
            assert_eq!(opened(at, bytes), "ok", "{bytes} at {at}");
        }
        for bytes in [0, 4096, (40 << 10) + 8, (1 << 20) + 4096, u32::MAX] {
            assert!(opened(at, bytes).contains("its size of "), "{bytes} at {at}");
        }
    }
}

const OWN: &str = "which reads layout 2; use the same version for program and reader";

#[test]
fn other_versions_and_unready_segments_are_told_apart() {
    let other = |major| format!("segment layout {major} is not known to this version, {OWN}");
    assert_eq!(forged!(layout_major, 1u16), other(1));
    assert_eq!(forged!(layout_major, 3u16), other(3));
    assert_eq!(forged!(layout_minor, 9u16), "ok");
    let unready = "the segment is still being created; try again in a moment";
    assert_eq!(forged!(ready, 0u64), unready);
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create_unready(directory.path(), &FixtureProcess::new("/bin/a"));
    assert!(matches!(Segment::open(writer.path()), Err(OpenError::NotReady)));
    writer.make_ready();
    assert!(Segment::open(writer.path()).unwrap().is_writer_alive());
}

fn segment_path(directory: &Path, pid: u32) -> PathBuf {
    directory.join(SegmentName { pid, start_time_ticks: 1, nonce: 1 }.file_name())
}

#[test]
fn files_that_are_no_segments_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = segment_path(directory.path(), 1);
    let check = |expected: &str| {
        let start = Instant::now();
        assert_eq!(Segment::open(&path).unwrap_err().to_string(), expected);
        assert!(start.elapsed() < Duration::from_secs(5), "waited for a stranger");
    };
    check("the segment is gone");
    fs::write(&path, "").unwrap();
    check("the segment is still being created; try again in a moment");
    fs::write(&path, "short").unwrap();
    check("not a hakmem segment: it is too short");
    fs::write(&path, vec![0xa5; HEADER_BYTES + SLOT_BYTES]).unwrap();
    check("not a hakmem segment: its first bytes are not a segment's");
    fs::write(&path, vec![0; HEADER_BYTES]).unwrap();
    check("the segment is still being created; try again in a moment");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check("not a hakmem segment: it is not a regular file");
    fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    check("not a hakmem segment: it is not a regular file");
    fs::remove_file(&path).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    check("not a hakmem segment: it is not a regular file");
    drop(listener);
    fs::remove_file(&path).unwrap();
    symlink(case().writer.path(), &path).unwrap();
    check("not a hakmem segment: it is a symbolic link");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    check("not a hakmem segment: it is a symbolic link");
}

#[test]
fn a_segment_cut_off_anywhere_is_refused_or_says_so() {
    let case = case();
    let whole = fs::read(case.writer.path()).unwrap();
    assert_eq!(whole.len(), HEADER_BYTES + 2 * SLOT_BYTES);
    let cuts = (0..whole.len()).step_by(4096).flat_map(|page| [page, page + 1, page + 2048]);
    for length in cuts {
        let copy = case.directory.path().join("copy");
        fs::write(&copy, &whole[..length]).unwrap();
        match Segment::open(&copy) {
            Err(OpenError::NotReady) => assert_eq!(length, 0),
            Err(OpenError::NotASegment { .. }) => assert!(length < HEADER_BYTES, "{length}"),
            Err(other) => panic!("{length}: {other}"),
            Ok(mut segment) => {
                let error = segment.sample().unwrap_err();
                assert!(matches!(error, SampleError::Truncated), "{length}: {error}");
                let error = segment.read_events(&mut EventCursor::from_oldest()).unwrap_err();
                assert!(matches!(error, SampleError::Truncated), "{length}: {error}");
            }
        }
    }
}

#[test]
fn a_segment_cut_off_between_samples_is_an_error_and_not_a_signal() {
    let case = case();
    let mut segment = Segment::open(case.writer.path()).unwrap();
    segment.sample().unwrap();
    for length in [HEADER_BYTES + SLOT_BYTES + 1, HEADER_BYTES, 100, 0] {
        case.writer.truncate(length as u64);
        let error = segment.sample().unwrap_err();
        assert!(matches!(error, SampleError::Truncated), "{length}: {error}");
    }
}

#[test]
fn numbers_of_slots_beyond_reason_are_refused_without_reading_them() {
    let case = case();
    let slots_used = offset_of!(SegmentHeader, slots_used);
    let mut segment = Segment::open(case.writer.path()).unwrap();
    segment.sample().unwrap();
    let mut check = |used: u32, expected: &str| {
        case.writer.store(slots_used, &used.to_le_bytes());
        let start = Instant::now();
        assert_eq!(segment.sample().unwrap_err().to_string(), expected, "{used}");
        assert!(start.elapsed() < Duration::from_secs(1));
    };
    let malformed = "not a valid hakmem segment: its number of used slots is impossible";
    check(u32::MAX, malformed);
    check(16_385, malformed);
    check(1, malformed);
    check(16_384, "the segment was truncated; nothing more can be read from it");
    check(3, "the segment was truncated; nothing more can be read from it");
}

#[test]
fn slots_that_the_blocks_of_a_sparse_file_cannot_hold_are_refused_without_reading_them() {
    let case = case();
    let slots_used = offset_of!(SegmentHeader, slots_used);
    case.writer.truncate((HEADER_BYTES + 16_384 * SLOT_BYTES) as u64);
    case.writer.store(slots_used, &16_384u32.to_le_bytes());
    let mut segment = Segment::open(case.writer.path()).unwrap();
    let error = segment.sample().unwrap_err();
    assert!(matches!(error, SampleError::Malformed { .. }), "{error}");
    let error = segment.read_events(&mut EventCursor::from_oldest()).unwrap_err();
    assert!(matches!(error, SampleError::Malformed { .. }), "{error}");
}

#[test]
fn a_segment_is_read_within_the_limits_that_the_reader_sets() {
    let mut case = case();
    for thread in 0..100 {
        case.writer.take_slot(100 + thread, "");
    }
    let mut segment = Segment::open(case.writer.path()).unwrap();
    let mut check = |limits: Limits, expected: Option<&str>| {
        let told = segment.sample_within(&limits).err().map(|error| error.to_string());
        let expected = expected
            .map(|what| format!("the segment takes more {what} than the reader may spend on it"));
        assert_eq!(told, expected);
    };
    let needed = 102 * size_of::<SlotSample>();
    check(Limits { bytes: needed - 1, ..Limits::NONE }, Some("memory"));
    check(Limits { time: Duration::ZERO, ..Limits::NONE }, Some("time"));
    check(Limits { bytes: 2 * needed, ..Limits::NONE }, None);
}

#[test]
fn a_sample_taken_in_slices_is_the_sample_taken_at_once() {
    let mut case = case();
    for thread in 0..100 {
        let slot = case.writer.take_slot(100 + thread, "");
        case.writer.slot(slot).allocate(bin_of(Class::C3), u64::from(thread));
    }
    let mut segment = Segment::open(case.writer.path()).unwrap();
    let whole = segment.sample().unwrap();
    let limits = Limits { slice: Duration::ZERO, ..Limits::NONE };
    let mut calls = 1;
    let sliced = loop {
        match segment.sample_within(&limits).unwrap() {
            Some(sample) => break sample,
            None => assert!(segment.is_sample_unfinished()),
        }
        calls += 1;
        assert!(calls < 1000, "it gets on with each call");
    };
    assert!(calls > 5 && !segment.is_sample_unfinished(), "{calls}");
    assert_eq!(sliced.slots.len(), 102);
    assert_eq!(sliced.classes()[Class::C3 as usize].allocations, (0..100).sum::<u64>());
    assert_eq!(sliced.classes(), whole.classes());
    // The time of all calls counts together.
    segment.sample_within(&limits).unwrap();
    let error = segment.sample_within(&Limits { time: Duration::ZERO, ..limits }).unwrap_err();
    assert!(matches!(error, SampleError::TooMuch { what: "time" }), "{error}");
    assert_eq!(segment.sample().unwrap().slots.len(), 102);
}

#[test]
fn slots_that_are_never_done_with_events_keep_no_other_from_being_read() {
    let mut case = case();
    let quiet = case.writer.take_slot(100, "");
    let segment = Segment::open(case.writer.path()).unwrap();
    let mut cursor = EventCursor::from_oldest();
    segment.read_events(&mut cursor).unwrap();
    case.writer.slot(quiet).event(event());
    let mut told = false;
    for _ in 0..10 {
        (0..40).for_each(|_| case.writer.slot(1).event(event()));
        let batch = segment.read_events_up_to(&mut cursor, 20, Duration::MAX).unwrap();
        told |= batch.events.iter().any(|it| it.slot == quiet as u32);
    }
    assert!(told);
}

fn event() -> NewEvent {
    NewEvent {
        kind: EventKind::SlabMapped,
        class: Class::None,
        bin: 0,
        detail: 0,
        claimed_class: Class::None,
        monotonic_ns: 1,
        duration_ns: 0,
        value: 0,
        address: 0,
    }
}

#[test]
fn events_come_in_parts_if_the_caller_says_so_and_none_is_told_twice_or_lost() {
    let mut case = case();
    for thread in 0..20 {
        let slot = case.writer.take_slot(100 + thread, "");
        (0..10).for_each(|_| case.writer.slot(slot).event(event()));
    }
    let segment = Segment::open(case.writer.path()).unwrap();
    let all = segment.read_events(&mut EventCursor::from_oldest()).unwrap();
    let mut cursor = EventCursor::from_oldest();
    let mut parts = Vec::new();
    loop {
        let part = segment.read_events_up_to(&mut cursor, 35, Duration::MAX).unwrap();
        assert!(part.events.len() < 35 + 64 && part.lost == 0);
        if part.events.is_empty() {
            break;
        }
        parts.push(part.events);
    }
    assert!(parts.len() > 4, "{}", parts.len());
    let mut told: Vec<_> = parts.concat();
    told.sort_by_key(|event| (event.monotonic_ns, event.slot, event.number));
    assert_eq!(told, all.events);
}

#[test]
fn text_from_a_segment_is_printable() {
    let directory = tempfile::tempdir().unwrap();
    let process = FixtureProcess {
        arguments: vec!["a\x1b]0;title\x07".to_owned(), "\u{202e}b".to_owned()],
        labels: "service=\x1b[2J,b\x00c=d".to_owned(),
        package_version: "1\r2".to_owned(),
        ..FixtureProcess::new("/bin/\x1b[31mred")
    };
    let mut writer = SegmentWriter::create(directory.path(), &process);
    let slot = writer.take_slot(1, "\x1b[5m");
    let mut segment = Segment::open(writer.path()).unwrap();
    let sample = segment.sample().unwrap();
    let identity = segment.identity();
    let labels = identity.labels.iter().flat_map(|(key, value)| [key, value]);
    let texts = [&identity.executable, &identity.package_version, &sample.slots[slot].thread_name];
    for text in identity.arguments.iter().chain(labels).chain(texts) {
        assert!(!text.contains(is_unsafe), "{text:?}");
    }
    assert_eq!(identity.executable_name(), "\u{fffd}[31mred");
}
