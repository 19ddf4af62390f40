use hakmem_proto::v1::{
    Process, RecordingEnd, RecordingStart, Totals, WatchEventsResponse, WatchProcessesResponse,
};

use super::*;
use crate::reader::Recording;
use crate::sample::{STARTED_AT, history, start, timestamp, update};
use crate::window::Window;
use crate::writer::RecordingWriter;

/// The recording of `entries`, each written as a block.
fn recorded(start: RecordingStart, entries: Vec<RecordingEntry>) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start).unwrap();
    for entry in entries {
        writer.push(entry).unwrap();
        writer.flush_now();
    }
    writer.finish(RecordingEnd::default()).unwrap();
    std::fs::read(path).unwrap()
}

fn process(key: &str, second: f64, allocations: u64, frees: u64) -> Process {
    Process {
        sampled_at: Some(timestamp(second)),
        totals: Some(Totals { allocations, frees, ..Totals::default() }),
        ..history(1, key, 1).remove(0)
    }
}

#[test]
fn a_process_is_summed_up_from_its_first_to_its_last_sample() {
    let last = Process { state: "exited".to_owned(), ..process("a", 4.0, 1500, 700) };
    let entries = vec![
        update(0.0, vec![process("a", 0.0, 1000, 400)]),
        update(1.0, vec![process("a", 1.0, 1200, 500)]),
        update(2.0, vec![]),
        update(4.0, vec![last]),
    ];
    let recording = Recording::from_bytes(recorded(start(), entries)).unwrap();
    let summary = recording.summary();
    assert_eq!((summary.updates, summary.file_bytes > 100), (4, true));
    let [process] = &summary.processes[..] else { panic!("{summary:?}") };
    assert_eq!((process.state.as_str(), process.samples), ("exited", 3));
    assert_eq!(process.operations, 500 + 300);
    assert_eq!((process.from, process.to), (STARTED_AT as f64, STARTED_AT as f64 + 4.0));
    let mut seen = Vec::new();
    recording.for_each_sample(Window::ALL, |_| true, |sample| seen.push(sample.to_process()));
    assert_eq!(seen, recording.series(Window::ALL, |_| true)[0].samples);
}

#[test]
fn an_update_of_several_messages_is_one() {
    let part = |complete| {
        let update = WatchProcessesResponse {
            sampled_at: Some(timestamp(0.0)),
            complete,
            ..WatchProcessesResponse::default()
        };
        RecordingEntry { entry: Some(Entry::Update(update)) }
    };
    let entries = vec![part(false), part(false), part(true), part(true)];
    let recording = Recording::from_bytes(recorded(start(), entries)).unwrap();
    assert_eq!(recording.summary().updates, 2);
}

#[test]
fn losses_of_streams_that_began_anew_are_added() {
    let skipped = |second: f64, skipped_updates| {
        let update = WatchProcessesResponse {
            sampled_at: Some(timestamp(second)),
            complete: true,
            skipped_updates,
            ..WatchProcessesResponse::default()
        };
        RecordingEntry { entry: Some(Entry::Update(update)) }
    };
    let events = |lost_events, dropped_events| {
        let events =
            WatchEventsResponse { lost_events, dropped_events, ..WatchEventsResponse::default() };
        RecordingEntry { entry: Some(Entry::Events(events)) }
    };
    let updates = [2, 2, 5, 1, 1, 3].into_iter().zip(0_u8..);
    let mut entries: Vec<_> = updates.map(|(it, at)| skipped(f64::from(at), it)).collect();
    entries.extend([events(4, 1), events(7, 1), events(0, 2)]);
    let recording = Recording::from_bytes(recorded(start(), entries)).unwrap();
    assert_eq!(recording.summary().skipped_updates, 5 + 3);
    assert_eq!(recording.summary().lost_events, 8 + 2);
}

#[test]
fn what_damage_takes_is_counted_as_in_the_series() {
    let start = RecordingStart { interval_ms: 500, ..start() };
    let second = |tick: u32| f64::from(tick) / 2.0;
    let entries = (0..12).map(|tick| {
        update(second(tick), vec![process("a", second(tick), 100 * u64::from(tick), 0)])
    });
    let mut bytes = recorded(start, entries.collect());
    let marker = |it: &[u8]| it == crate::format::SYNC;
    let blocks: Vec<usize> =
        bytes.windows(8).enumerate().filter(|(_, it)| marker(it)).map(|(at, _)| at).collect();
    // The first block holds the start alone; ticks 3 to 5 are damaged.
    for block in &blocks[4..7] {
        bytes[block + 40] ^= 1;
    }
    let recording = Recording::from_bytes(bytes).unwrap();
    assert_eq!(recording.damage().len(), 1);
    let series = recording.series(Window::ALL, |_| true);
    assert_eq!(series[0].lost_samples, 3);
    assert_eq!(recording.summary().processes[0].lost_samples, 3);
    assert_eq!(recording.summary().processes[0].samples, 9);
}
