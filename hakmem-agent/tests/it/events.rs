//! Streams of events.

use hakmem_proto::v1::{Event, ProcessFilter, WatchEventsRequest, WatchEventsResponse};
use hakmem_reader::fixture::{NewEvent, SegmentWriter};
use hakmem_reader::{AllocReason, Class, EventKind, Outcome};
use tonic::Streaming;

use crate::fleet::{Fleet, PATIENCE, program};

fn event(kind: EventKind, detail: u8, value: u64) -> NewEvent {
    NewEvent {
        kind,
        class: Class::C7,
        bin: 8,
        detail,
        claimed_class: Class::C0,
        monotonic_ns: 1_000_000 + value,
        duration_ns: 500,
        value,
        address: 0x1000,
    }
}

fn slow(value: u64) -> NewEvent {
    event(EventKind::SlowAllocation, AllocReason::RefillCentral as u8, value)
}

/// Reads until `number` events have come; returns them with the last message, for its losses.
async fn take(
    stream: &mut Streaming<WatchEventsResponse>,
    number: usize,
) -> (Vec<Event>, WatchEventsResponse) {
    let mut events = Vec::new();
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.message()).await;
        let mut message = next.expect("events come in time").unwrap().unwrap();
        events.append(&mut message.events);
        if events.len() >= number {
            return (events, message);
        }
    }
}

async fn watch(fleet: &Fleet, request: WatchEventsRequest) -> Streaming<WatchEventsResponse> {
    fleet.client.clone().watch_events(request).await.unwrap().into_inner()
}

fn write(writer: &mut SegmentWriter, values: std::ops::Range<u64>) {
    for value in values {
        writer.slot(1).event(slow(value));
    }
}

#[tokio::test]
async fn recent_events_come_first_and_none_twice() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "eventful", 1);
    write(&mut writer, 0..5);
    let key = fleet.key_of("eventful").await;
    fleet.get(&key).await;
    let request = WatchEventsRequest { include_recent: true, ..WatchEventsRequest::default() };
    let mut stream = watch(&fleet, request).await;
    let (events, _) = take(&mut stream, 5).await;
    write(&mut writer, 5..9);
    let (more, last) = take(&mut stream, 4).await;
    let values: Vec<u64> = events.iter().chain(&more).map(|event| event.value).collect();
    assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let event = &events[0];
    assert_eq!((event.kind.as_str(), event.class.as_str()), ("slow_allocation", "C7"));
    assert_eq!((event.detail.as_str(), event.duration_ns), ("refill_central", 500));
    assert_eq!((event.process_key.as_str(), event.slot, event.number), (key.as_str(), 1, 1));
    assert_eq!((last.lost_events, last.dropped_events), (0, 0));
}

#[tokio::test]
async fn only_kinds_and_processes_asked_for_come() {
    let fleet = Fleet::start().await;
    let mut wanted = program(fleet.path(), "wanted", 1);
    let mut other = program(fleet.path(), "other", 1);
    fleet.key_of("wanted").await;
    fleet.key_of("other").await;
    let filter = ProcessFilter { contains: "wanted".to_owned(), ..ProcessFilter::default() };
    let kinds = vec!["anomaly".to_owned()];
    let request = WatchEventsRequest { filter: Some(filter), include_recent: true, kinds };
    let mut stream = watch(&fleet, request).await;
    let anomaly = || event(EventKind::Anomaly, Outcome::HeaderFalsePositive as u8, 1);
    other.slot(1).event(anomaly());
    wanted.slot(1).event(slow(7));
    wanted.slot(1).event(anomaly());
    let (events, _) = take(&mut stream, 1).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].detail, "header_false_positive");
    assert_eq!(events[0].claimed_class, "C0");
}

#[tokio::test]
async fn overwritten_events_are_counted_as_lost() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "overrun", 1);
    let key = fleet.key_of("overrun").await;
    let mut stream = watch(&fleet, WatchEventsRequest::default()).await;
    // The sampler knows the stream once it has sampled a process that was requested after the
    // stream.
    fleet.get(&key).await;
    write(&mut writer, 0..1000);
    let (mut received, mut lost) = (0, 0);
    while received + lost < 1000 {
        let (events, message) = take(&mut stream, 0).await;
        received += events.len() as u64;
        lost = message.lost_events;
    }
    assert_eq!(received + lost, 1000);
    assert!(lost >= 1, "the ring holds 64 of 1000");
    let loss = fleet.get(&key).await.loss.unwrap();
    assert_eq!(loss.lost_events, lost);
}

#[tokio::test]
async fn the_last_events_of_a_crash_can_be_read_later() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "crashes", 1);
    write(&mut writer, 0..3);
    drop(writer);
    let key = fleet.key_of("crashes").await;
    fleet.reaches(&key, "ended").await;
    let filter = ProcessFilter { include_ended: true, ..ProcessFilter::default() };
    let request = WatchEventsRequest {
        filter: Some(filter),
        include_recent: true,
        ..WatchEventsRequest::default()
    };
    let (events, _) = take(&mut watch(&fleet, request).await, 3).await;
    assert_eq!(events.iter().map(|event| event.value).collect::<Vec<_>>(), [0, 1, 2]);
}
