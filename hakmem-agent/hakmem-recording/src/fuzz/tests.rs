use hakmem_proto::v1::recording_entry::Entry;
use hakmem_proto::v1::{Event, RecordingEnd, RecordingEntry, WatchEventsResponse};

use super::*;
use crate::sample::{start, timestamp, update, updates};
use crate::writer::RecordingWriter;

#[path = "../../../../fuzz/corpus.rs"]
mod corpus;

#[test]
fn the_corpora_are_read_without_harm_and_their_seeds_without_damage() {
    for (target, body) in [("recording", read_bytes as fn(&[u8]) -> _), ("entries", read_entries)] {
        for (name, input) in corpus::inputs(target) {
            let recording = body(&input);
            let is_valid = recording.is_some_and(|it| it.summary().from.is_some());
            assert!(is_valid || !corpus::is_seed(&name), "{target}/{name}");
        }
    }
}

/// Entries of every kind, as a recording has them.
fn entries() -> Vec<RecordingEntry> {
    let event = |second: u32| Event {
        process_key: "0-1-00".to_owned(),
        at: Some(timestamp(f64::from(second))),
        kind: "slow_allocation".to_owned(),
        class: "C7".to_owned(),
        number: second.into(),
        ..Event::default()
    };
    let events = WatchEventsResponse {
        events: (1..4).map(event).collect(),
        lost_events: 1,
        dropped_events: 1,
    };
    let mut entries = vec![RecordingEntry { entry: Some(Entry::Start(start())) }];
    entries.extend(updates(1, 2, 6));
    entries.push(RecordingEntry { entry: Some(Entry::Events(events)) });
    entries.push(update(9.0, Vec::new()));
    entries.push(RecordingEntry { entry: Some(Entry::End(RecordingEnd::default())) });
    entries
}

/// Writes the seeds anew: `cargo test -p hakmem-recording -- --ignored fuzz::tests::record`.
#[test]
#[ignore = "writes fuzz/corpus/recording and fuzz/corpus/entries"]
fn record() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, keys: bool, is_ended: bool| {
        let path = directory.path().join(name);
        let mut writer = RecordingWriter::create(&path, start()).unwrap();
        for entry in entries().into_iter().skip(1).take(7) {
            if keys {
                writer.hurry();
            }
            writer.push(entry).unwrap();
            writer.flush_now();
        }
        if is_ended {
            writer.finish(RecordingEnd::default()).unwrap();
        }
        std::fs::read(path).unwrap()
    };
    let whole = file("a", false, true);
    let gap = [&whole[..whole.len() / 3], &whole[whole.len() / 2..]].concat();
    corpus::record(
        "recording",
        [
            ("without-end", file("b", false, false)),
            ("key-frames", file("c", true, true)),
            ("a-hole-in-the-middle", gap),
            ("whole", whole),
        ],
    );
    let mut raw = Vec::new();
    entries().iter().for_each(|entry| assert!(push_entry(&mut raw, entry)));
    let behind = |first: u8| [&[first], raw.as_slice()].concat();
    corpus::record("entries", [("every-kind", behind(0)), ("every-kind-and-a-gap", behind(1))]);
}
