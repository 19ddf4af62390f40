use hakmem_proto::v1::{ClassCounters, RecordingEnd};

use super::*;
use crate::sample::{STARTED_AT, history, timestamp, update};

/// Keeps the numbers of the events that it receives.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Audience for Numbers {
    fn sample(&mut self, _sample: Sample<'_>) {}

    fn event(&mut self, event: &Event) {
        self.0.push(event.number);
    }
}

const KEY: &str = "1-1-00";

fn update_at(second: f64) -> RecordingEntry {
    update(second, vec![history(1, KEY, 1).remove(0)])
}

/// An event of the process, which has the second as its number.
fn event_at(second: u32) -> RecordingEntry {
    let event = Event {
        process_key: KEY.to_owned(),
        at: Some(timestamp(second.into())),
        number: second.into(),
        ..Event::default()
    };
    let events = WatchEventsResponse { events: vec![event], ..WatchEventsResponse::default() };
    RecordingEntry { entry: Some(Entry::Events(events)) }
}

/// A replay of the first ten seconds.
fn replay() -> Replay<impl Fn(&Identity) -> bool, Numbers> {
    let window = Window { from: None, to: Some(STARTED_AT as f64 + 10.0) };
    Replay::new(window, 1000, |_: &Identity| true, Numbers::default())
}

#[test]
fn events_may_come_a_little_after_the_window_and_none_after_the_end() {
    let mut replay = replay();
    replay.entry(update_at(9.0));
    replay.entry(event_at(7));
    replay.entry(update_at(11.0));
    // Events of the window that were written after its last update, and one from after it.
    replay.entry(event_at(8));
    replay.entry(event_at(12));
    replay.entry(update_at(10.0 + EVENT_SLACK_SECONDS - 1.0));
    assert!(!replay.has_ended);
    replay.entry(event_at(9));
    replay.entry(update_at(10.0 + EVENT_SLACK_SECONDS + 1.0));
    assert!(replay.has_ended, "a reader stops here and does not read the rest of the file");
    replay.entry(event_at(10));
    assert_eq!(replay.audience.0, [7, 8, 9]);
}

#[test]
fn a_replay_that_was_finished_takes_nothing_more() {
    let mut replay = replay();
    replay.entry(update_at(1.0));
    replay.finish();
    replay.entry(event_at(1));
    replay.entry(RecordingEntry { entry: Some(Entry::End(RecordingEnd::default())) });
    assert!(replay.audience.0.is_empty(), "{:?}", replay.audience.0);
}

#[test]
fn a_process_has_its_origin_where_it_starts_and_has_counted_nothing() {
    let identity = Identity { started_at: Some(timestamp(1.0)), ..Identity::default() };
    let counted = Process { classes: vec![ClassCounters::default()], ..Process::default() };
    let is_origin = |process: &Process, second: f64| {
        let at = timestamp(second);
        Sample { identity: &identity, process, at, at_rest: false }.is_origin()
    };
    assert!(is_origin(&Process::default(), 1.0));
    assert!(!is_origin(&Process::default(), 2.0), "without classes, later");
    assert!(!is_origin(&counted, 1.0), "a sample of the moment of the start");
    assert!(!is_origin(&counted, 2.0));
}

/// Keeps the seconds of samples, and whether they show a rest.
#[derive(Default)]
struct Moments(Vec<(f64, bool)>);

impl Audience for Moments {
    fn sample(&mut self, sample: Sample<'_>) {
        self.0.push((seconds(&sample.at) - STARTED_AT as f64, sample.at_rest));
    }
}

#[test]
fn a_process_that_rests_over_a_key_frame_is_at_rest_until_it_changes() {
    let mut replay = Replay::new(Window::ALL, 1000, |_: &Identity| true, Moments::default());
    let states = history(1, KEY, 5);
    replay.entry(update(0.0, vec![states[0].clone()]));
    replay.entry(update(1.0, Vec::new()));
    // A key frame repeats the state of second 0 in whole.
    replay.entry(update(2.0, vec![states[0].clone()]));
    replay.entry(update(3.0, Vec::new()));
    replay.entry(update(4.0, vec![states[4].clone()]));
    replay.finish();
    assert_eq!(replay.audience.0, [(0.0, false), (3.0, true), (4.0, false)]);
}
