use std::collections::BTreeMap;

use hakmem_proto::v1::{Event, Process, WatchEventsResponse};
use proptest::prelude::*;

use super::*;
use crate::format::SYNC;
use crate::fuzz::{block_of, read_bytes};
use crate::sample::{STARTED_AT, history, start, timestamp, update, updates};
use crate::window::seconds;
use crate::writer::RecordingWriter;

const PROCESSES: usize = 2;
const SECONDS: usize = 16;
/// The key frame is written before the update of this second.
const KEY_AT: usize = 11;

/// A recording with a block per second and a key frame in the middle.
fn recorded(seed: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    for (second, entry) in updates(seed, PROCESSES, SECONDS).into_iter().enumerate() {
        if second == KEY_AT {
            writer.hurry();
        }
        writer.push(entry).unwrap();
        writer.flush_now();
    }
    writer.finish(RecordingEnd::default()).unwrap();
    std::fs::read(path).unwrap()
}

/// The state of each process in each second.
fn truth(seed: u64) -> Truth {
    let key = |number: usize| format!("{number}-1-00");
    (0..PROCESSES).map(|it| (key(it), history(seed + it as u64, &key(it), SECONDS))).collect()
}

fn second_of(process: &Process) -> usize {
    (seconds(process.sampled_at.as_ref().unwrap()) - STARTED_AT as f64).round() as usize
}

/// Panics if any sample differs from the true state at its time; returns the number of samples.
fn check_true(recording: &Recording, truth: &Truth) -> usize {
    let mut samples = 0;
    for series in recording.series(Window::ALL, |_| true) {
        for sample in &series.samples {
            let was = &truth[&sample.key][second_of(sample)];
            let expected = Process { identity: None, ..was.clone() };
            assert_eq!(*sample, expected, "in second {}", second_of(sample));
            samples += 1;
        }
    }
    samples
}

#[test]
fn everything_comes_back() {
    let recording = read_bytes(&recorded(1)).unwrap();
    assert_eq!(recording.damage(), []);
    assert!(recording.is_complete());
    assert_eq!(recording.start(), &start());
    let truth = truth(1);
    check_true(&recording, &truth);
    let all = recording.series(Window::ALL, |_| true);
    assert_eq!(all.len(), PROCESSES);
    for series in &all {
        let states = &truth[&series.samples[0].key];
        let seen: Vec<usize> = series.samples.iter().map(second_of).collect();
        for second in 1..SECONDS {
            let is_change = states[second].totals != states[second - 1].totals;
            assert!(!is_change || seen.contains(&second), "second {second} is missing");
            // A rest has a sample at its last moment, too.
            assert!(!is_change || seen.contains(&(second - 1)), "the rest up to {second}");
        }
        assert_eq!((seen[0], seen[seen.len() - 1]), (0, SECONDS - 1));
        assert_eq!(series.lost_samples, 0);
        assert_eq!(Some(&series.identity), states[0].identity.as_ref());
    }
    let summary = recording.summary();
    assert_eq!(summary.processes.len(), PROCESSES);
    assert_eq!(summary.from, Some(STARTED_AT as f64));
    assert_eq!(summary.to, Some((STARTED_AT + SECONDS as i64 - 1) as f64));
}

#[test]
fn a_window_has_a_sample_at_each_end() {
    let recording = read_bytes(&recorded(2)).unwrap();
    let at = |second: f64| Some(STARTED_AT as f64 + second);
    let window = Window { from: at(5.5), to: at(12.5) };
    for series in recording.series(window, |_| true) {
        let seen: Vec<usize> = series.samples.iter().map(second_of).collect();
        assert_eq!((seen[0], seen[seen.len() - 1]), (6, 12), "{seen:?}");
    }
    let truth = truth(2);
    check_true(&recording, &truth);
    let one = recording.series(window, |identity| identity.executable == "/usr/bin/1-1-00");
    assert_eq!(one.len(), 1);
}

#[test]
fn a_process_that_started_meanwhile_had_counted_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let process = |key: &str, started: f64, forked: bool| {
        let mut process = history(1, key, 1).remove(0);
        process.sampled_at = Some(timestamp(9.0));
        let identity = process.identity.as_mut().unwrap();
        (identity.started_at, identity.forked) = (Some(timestamp(started)), forked);
        process
    };
    let processes = vec![
        process("before", -1.0, false),
        process("child", 7.0, true),
        process("new", 8.0, false),
        process("now", 9.0, false),
    ];
    writer.push(update(9.0, processes)).unwrap();
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    let moments = |window| {
        let all = recording.series(window, |_| true).into_iter();
        all.map(|it| it.samples.iter().map(second_of).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(moments(Window::ALL), [vec![9], vec![9], vec![8, 9], vec![9]]);
    let late = Window { from: Some(STARTED_AT as f64 + 8.5), to: None };
    assert_eq!(moments(late), [[9], [9], [9], [9]]);
    let first = &recording.series(Window::ALL, |it| it.executable.ends_with("new"))[0].samples[0];
    assert_eq!((first.totals, first.classes.len()), (Some(Default::default()), 0));
}

#[test]
fn a_sample_is_followed_by_the_next_and_by_nothing_in_between() {
    // Updates come a little after the samples, and between them come others with a process that is
    // sampled more often; none of these means that the first process is at rest.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let slow = history(1, "slow", 1).remove(0);
    let fast = history(2, "fast", 1).remove(0);
    let at = |process: &Process, after_start: f64| Process {
        sampled_at: Some(timestamp(after_start)),
        totals: Some(hakmem_proto::v1::Totals {
            allocations: (after_start * 1e3) as u64,
            ..Default::default()
        }),
        ..process.clone()
    };
    for tick in 0..12 {
        let now = f64::from(tick) * 0.5;
        let mut changed = vec![at(&fast, now)];
        if tick % 2 == 0 && tick < 7 {
            changed.push(at(&slow, now));
        }
        writer.push(update(now + 0.004, changed)).unwrap();
    }
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    let moments = |from: Option<f64>, name: &str| {
        let window = Window { from: from.map(|it| STARTED_AT as f64 + it), to: None };
        let series = recording.series(window, |it| it.executable.ends_with(name)).remove(0);
        let at = |it: &Process| seconds(it.sampled_at.as_ref().unwrap()) - STARTED_AT as f64;
        series.samples.iter().map(|it| (at(it) * 1e3).round() as u64).collect::<Vec<u64>>()
    };
    assert_eq!(moments(None, "fast").len(), 12);
    // At rest from 3 s to the end, which is the last update.
    assert_eq!(moments(None, "slow"), [0, 1000, 2000, 3000, 5504]);
    assert_eq!(moments(Some(0.9), "slow"), [1000, 2000, 3000, 5504]);
    // The window begins between a sample and its update.
    assert_eq!(moments(Some(1.002), "slow"), [2000, 3000, 5504]);
    let summary = recording.summary();
    let samples: Vec<u64> = summary.processes.iter().map(|it| it.samples).collect();
    assert_eq!((samples.iter().sum::<u64>(), samples.len()), (16, 2));
}

#[test]
fn a_clock_that_is_set_back_loses_samples_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let states = history(3, "a", 4);
    for (state, second) in states.into_iter().zip([10.0, 11.0, 5.0, 12.0]) {
        let state = Process {
            sampled_at: Some(timestamp(second)),
            loss: Some(hakmem_proto::v1::Loss { lost_events: second as u64, ..Default::default() }),
            ..state
        };
        writer.push(update(second, vec![state])).unwrap();
    }
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    let [series] = <[_; 1]>::try_from(recording.series(Window::ALL, |_| true)).unwrap();
    let seconds: Vec<usize> = series.samples.iter().map(second_of).collect();
    assert_eq!((seconds, series.lost_samples), (vec![10, 11, 12], 1));
    assert_eq!(series.lost_events, 2);
}

#[test]
fn updates_that_were_skipped_before_a_key_frame_are_lost_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    for (second, mut entry) in updates(1, 1, 4).into_iter().enumerate() {
        if let Some(Entry::Update(update)) = &mut entry.entry {
            // The number since the stream began.
            update.skipped_updates = if second == 0 { 0 } else { 3 };
        }
        if second == 2 {
            writer.hurry();
        }
        writer.push(entry).unwrap();
        writer.flush_now();
    }
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.series(Window::ALL, |_| true)[0].lost_samples, 3);
}

#[test]
fn a_damaged_block_is_reported_and_the_next_key_frame_goes_on() {
    let mut bytes = recorded(3);
    // The block of second 5; the first block has only the start.
    let at = blocks(&bytes)[6];
    bytes[at + 40] ^= 1;
    let recording = read_bytes(&bytes).unwrap();
    let [damage] = recording.damage() else { panic!("{:?}", recording.damage()) };
    assert_eq!((damage.offset, damage.kind), (at as u64, DamageKind::Corrupted));
    assert_eq!(damage.length, (blocks(&bytes)[7] - at) as u64);
    check_true(&recording, &truth(3));
    for series in recording.series(Window::ALL, |_| true) {
        let seen: Vec<usize> = series.samples.iter().map(second_of).collect();
        // The key frame repeats the last change before it, but no earlier change.
        let between = seen.iter().filter(|second| (5..KEY_AT - 1).contains(*second)).count();
        assert!(between <= 1, "{seen:?}");
        assert!(seen.contains(&4) && seen.contains(&(SECONDS - 1)), "{seen:?}");
        let resumed = *seen.iter().find(|second| **second > 4).unwrap();
        assert_eq!(series.lost_samples as usize, resumed - 5, "{seen:?}");
    }
}

#[test]
fn a_newer_version_is_refused_in_one_line() {
    let mut bytes = recorded(4);
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    let error = Recording::from_bytes(bytes).unwrap_err().to_string();
    let expected = "memory has format version 2, and this program reads up to 1; use a newer one";
    assert_eq!(error, expected);
}

#[test]
fn what_is_no_recording_is_called_that() {
    let check = |bytes: &[u8]| {
        let error = Recording::from_bytes(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("memory is not a recording; "), "{error}");
    };
    check(b"");
    check(b"text");
    check(&[0; 1000]);
    let directory = tempfile::tempdir().unwrap();
    let error = Recording::open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    let error = Recording::open(&directory.path().join("none")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("No such file"), "{error}");
}

#[test]
fn blocks_that_are_missing_or_doubled_are_noticed() {
    let bytes = recorded(5);
    let places = blocks(&bytes);
    let missing = [&bytes[..places[3]], &bytes[places[4]..]].concat();
    let recording = read_bytes(&missing).unwrap();
    assert_eq!(recording.damage()[0].kind, DamageKind::Order);
    check_true(&recording, &truth(5));
    let doubled = [&bytes[..places[4]], &bytes[places[3]..]].concat();
    let recording = read_bytes(&doubled).unwrap();
    assert_eq!(recording.damage()[0].kind, DamageKind::Order);
    check_true(&recording, &truth(5));
}

#[test]
fn a_file_of_nothing_but_markers_does_not_take_forever() {
    let mut bytes = recorded(6);
    let mut header = SYNC.to_vec();
    header.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 64, 0, 1, 2, 3, 4]);
    for _ in 0..100_000 {
        bytes.extend(&header);
    }
    let began = std::time::Instant::now();
    let recording = read_bytes(&bytes).unwrap();
    assert_eq!(recording.damage().len(), 1);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn events_are_selected_by_time_and_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let events = (0..10).map(|second| Event {
        process_key: (second % 2).to_string(),
        at: Some(timestamp(f64::from(second))),
        number: second as u64,
        ..Event::default()
    });
    let events =
        WatchEventsResponse { events: events.collect(), lost_events: 4, dropped_events: 1 };
    // Events come before the first sample.
    writer.push(RecordingEntry { entry: Some(Entry::Events(events)) }).unwrap();
    let processes = (0..2).map(|it| history(it, &it.to_string(), 1).remove(0));
    writer.push(update(0.0, processes.collect())).unwrap();
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!((recording.summary().events, recording.summary().lost_events), (10, 5));
    let mut seen = Vec::new();
    let window = Window { from: Some(STARTED_AT as f64 + 2.0), to: None };
    let selection = |identity: &Identity| identity.executable.ends_with("/1");
    recording.for_each_event(window, selection, |event| seen.push(event.number));
    assert_eq!(seen, [3, 5, 7, 9]);
}

/// Offsets of the blocks of an intact file.
fn blocks(bytes: &[u8]) -> Vec<usize> {
    let markers = bytes.windows(SYNC.len()).enumerate().filter(|(_, it)| *it == SYNC);
    markers.map(|(at, _)| at).collect()
}

type Truth = BTreeMap<String, Vec<Process>>;

fn corpus() -> &'static (Vec<u8>, Truth) {
    static CORPUS: std::sync::OnceLock<(Vec<u8>, Truth)> = std::sync::OnceLock::new();
    CORPUS.get_or_init(|| (recorded(7), truth(7)))
}

#[test]
fn any_truncation_loses_the_tail_and_nothing_else() {
    let (bytes, truth) = corpus();
    let places = blocks(bytes);
    let mut samples = 0;
    // Every length near the start and the end of a block, and some in between.
    let is_near = |length: usize| places.iter().any(|place| length.abs_diff(*place) < 4);
    let lengths = FILE_HEADER_BYTES..bytes.len();
    for length in lengths.filter(|length| length % 7 == 0 || is_near(*length)) {
        let recording = read_bytes(&bytes[..length]).unwrap();
        let seen = check_true(&recording, truth);
        assert!(seen >= samples, "what was there is gone at {length}");
        samples = seen;
        assert!(!recording.is_complete());
        let is_between = places.contains(&length);
        assert_eq!(recording.damage().is_empty(), is_between, "{length}");
        assert!(recording.damage().iter().all(|it| it.kind == DamageKind::CutOff), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_flipped_bits_are_noticed(at in any::<prop::sample::Index>(), mask in 1u8..) {
        let (bytes, truth) = corpus();
        let mut bytes = bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        match read_bytes(&bytes) {
            Some(recording) => {
                prop_assert!(!recording.damage().is_empty(), "byte {} changed silently", at);
                check_true(&recording, truth);
            }
            None => prop_assert!(at < FILE_HEADER_BYTES),
        }
    }

    #[test]
    fn mutated_recordings_do_no_harm(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..60)), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let (bytes, truth) = corpus();
        let mut bytes = bytes.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + value.len());
            bytes[at..end].copy_from_slice(&value[..end - at]);
        }
        bytes.truncate(cut.map_or(usize::MAX, |cut| cut.index(bytes.len())));
        if let Some(recording) = read_bytes(&bytes) {
            check_true(&recording, truth);
        }
    }

    #[test]
    fn lies_with_the_right_checksum_do_no_harm(
        place in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (bytes, _) = corpus();
        read_bytes(&with_lie(bytes, place, at, byte));
    }

    #[test]
    fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        read_bytes(&[format::file_header().to_vec(), bytes].concat());
    }
}

/// Changes a byte of a decompressed payload and recomputes the checksum.
fn with_lie(
    bytes: &[u8],
    place: prop::sample::Index,
    at: prop::sample::Index,
    byte: u8,
) -> Vec<u8> {
    use crate::format::BlockHeader;
    let places = blocks(bytes);
    let offset = places[place.index(places.len())];
    let header = BlockHeader::parse(&bytes[offset..]).unwrap();
    let from = offset + BLOCK_HEADER_BYTES;
    let to = from + header.payload_bytes as usize;
    let raw_bytes = header.raw_bytes as usize;
    let mut raw = zstd::bulk::decompress(&bytes[from..to], raw_bytes).unwrap();
    let at = at.index(raw.len());
    raw[at] = byte;
    let block = block_of(header.number, header.flags, &raw).unwrap();
    [&bytes[..offset], &block, &bytes[to..]].concat()
}
