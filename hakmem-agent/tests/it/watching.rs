//! Streams of updates: full first, then only changes, never more than the client takes.

use std::collections::BTreeMap;
use std::time::Duration;

use hakmem_proto::v1::{Process, ProcessFilter, WatchProcessesRequest, WatchProcessesResponse};
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tonic::Streaming;

use crate::fleet::{Fleet, PATIENCE, allocations, eventually, executable_of, program};

fn everything() -> WatchProcessesRequest {
    WatchProcessesRequest {
        filter: None,
        interval_ms: 0,
        include_threads: true,
        include_classes: true,
    }
}

async fn message(stream: &mut Streaming<WatchProcessesResponse>) -> WatchProcessesResponse {
    let next = tokio::time::timeout(PATIENCE, stream.message()).await;
    next.expect("an update comes in time").unwrap().expect("the stream goes on")
}

/// All messages of the next update.
async fn update(stream: &mut Streaming<WatchProcessesResponse>) -> Vec<WatchProcessesResponse> {
    let mut messages = vec![message(stream).await];
    while !messages.last().unwrap().complete {
        messages.push(message(stream).await);
    }
    messages
}

/// The next update that mentions a process.
async fn next_change(stream: &mut Streaming<WatchProcessesResponse>) -> Process {
    loop {
        let changed = update(stream).await.into_iter().flat_map(|message| message.changed);
        if let Some(process) = changed.last() {
            return process;
        }
    }
}

#[tokio::test]
async fn a_label_that_a_program_sets_reaches_those_who_watch_it_already() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "labelled", 3);
    let key = fleet.key_of("labelled").await;
    let mut stream = fleet.watch(everything()).await;
    assert!(next_change(&mut stream).await.identity.unwrap().labels.is_empty());

    writer.set_labels("service=api");
    let process = loop {
        // An update may still hold a change from before.
        let process = next_change(&mut stream).await;
        if process.identity.is_some() {
            break process;
        }
    };
    assert_eq!(process.identity.as_ref().unwrap().labels["service"], "api");
    assert_eq!(allocations(&process, "C7"), 3, "the process is whole");
    assert_eq!(fleet.get(&key).await.identity, process.identity);
}

#[tokio::test]
async fn the_first_update_is_full_and_the_next_hold_what_changed() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "watched", 3);
    writer.slot(1).allocate(bin_of(Class::C2), 2);
    let key = fleet.key_of("watched").await;
    // Sampled now, because an idle process is sampled only once a second.
    fleet.get(&key).await;
    let mut stream = fleet.watch(everything()).await;

    let first = update(&mut stream).await;
    assert_eq!((first.len(), first[0].update), (1, 1));
    let process = &first[0].changed[0];
    assert_eq!(executable_of(process), "watched");
    assert_eq!((allocations(process, "C7"), allocations(process, "C2")), (3, 2));
    assert!(!process.threads.is_empty());
    assert_eq!(first[0].agent.as_ref().unwrap().interval_ms, 100);

    writer.slot(1).allocate(bin_of(Class::C7), 4);
    let change = next_change(&mut stream).await;
    assert_eq!((change.key.as_str(), change.identity), (key.as_str(), None));
    let classes: Vec<&str> = change.classes.iter().map(|entry| entry.class.as_str()).collect();
    assert_eq!(classes, ["C7"], "C2 did not change");
    assert_eq!(change.classes[0].allocations, 7, "values are absolute");
    assert_eq!(change.threads.len(), 1, "the other slot did not change");

    drop(writer);
    let end = next_change(&mut stream).await;
    assert_eq!(end.state, "ended", "a watched process is followed to its end");
}

#[tokio::test]
async fn updates_are_numbered_and_none_is_skipped_for_a_quick_client() {
    let fleet = Fleet::start().await;
    let _writer = program(fleet.path(), "watched", 1);
    fleet.key_of("watched").await;
    let mut stream = fleet.watch(everything()).await;
    for number in 1..=5 {
        let update = update(&mut stream).await;
        let last = update.last().unwrap();
        assert_eq!((last.update, last.skipped_updates), (number, 0));
        assert_eq!(last.changed.len(), usize::from(number == 1), "nothing changed");
    }
}

#[tokio::test]
async fn a_stream_adds_up_to_the_state_and_no_counter_falls() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "busy", 1);
    let key = fleet.key_of("busy").await;
    let mut stream = fleet.watch(everything()).await;
    let mut known = BTreeMap::new();
    let bin = bin_of(Class::C7);
    let work = async {
        for _ in 0..60 {
            writer.slot(1).allocate(bin, 13);
            writer.slot(1).free(bin, 5);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let watch = async {
        for _ in 0..5 {
            for process in update(&mut stream).await.into_iter().flat_map(|m| m.changed) {
                for class in process.classes {
                    let former = known.insert(class.class.clone(), class.allocations);
                    assert!(former.unwrap_or(0) <= class.allocations, "a counter fell");
                }
            }
        }
    };
    tokio::join!(work, watch);
    loop {
        let state = fleet.get(&key).await;
        let settled = next_change_or_quiet(&mut stream, &mut known).await;
        assert_eq!(allocations(&state, "C7"), 1 + 60 * 13);
        if settled && known["C7"] == 1 + 60 * 13 {
            break;
        }
    }
}

async fn next_change_or_quiet(
    stream: &mut Streaming<WatchProcessesResponse>,
    known: &mut BTreeMap<String, u64>,
) -> bool {
    let changed: Vec<Process> =
        update(stream).await.into_iter().flat_map(|message| message.changed).collect();
    for class in changed.iter().flat_map(|process| &process.classes) {
        known.insert(class.class.clone(), class.allocations);
    }
    changed.is_empty()
}

#[tokio::test]
async fn a_new_process_shows_up_and_a_removed_one_goes() {
    let fleet = Fleet::start().await;
    let mut stream = fleet.watch(everything()).await;
    assert!(update(&mut stream).await[0].changed.is_empty());
    let writer = program(fleet.path(), "new", 1);
    let path = writer.path().to_owned();
    let process = next_change(&mut stream).await;
    assert_eq!(executable_of(&process), "new");
    writer.exit(0);
    assert_eq!(next_change(&mut stream).await.state, "exited");
    std::fs::remove_file(path).unwrap();
    loop {
        let update = update(&mut stream).await;
        if !update.last().unwrap().removed.is_empty() {
            assert_eq!(update.last().unwrap().removed, [process.key]);
            break;
        }
    }
}

#[tokio::test]
async fn ended_processes_come_only_when_asked_for() {
    let fleet = Fleet::start().await;
    program(fleet.path(), "ended", 1).exit(0);
    let key = fleet.key_of("ended").await;
    fleet.reaches(&key, "exited").await;
    let mut without = fleet.watch(everything()).await;
    assert!(update(&mut without).await[0].changed.is_empty());
    let filter = Some(ProcessFilter { include_ended: true, ..ProcessFilter::default() });
    let mut with = fleet.watch(WatchProcessesRequest { filter, ..everything() }).await;
    assert_eq!(update(&mut with).await[0].changed.len(), 1);
}

#[tokio::test]
async fn a_large_update_comes_in_messages_below_the_limit() {
    const PROCESSES: usize = 1200;
    let directory = tempfile::tempdir().unwrap();
    // Ended processes, because running ones would cost this test a descriptor each.
    for _ in 0..PROCESSES {
        let mut facts = FixtureProcess::new("one-of-many");
        facts.arguments = vec!["x".repeat(1000)];
        SegmentWriter::create(directory.path(), &facts).exit(0);
    }
    let fleet = Fleet::start_in(directory, |config| config.keep_ended = 2 * PROCESSES).await;
    eventually(async || (fleet.http("/-/ready", "").await.1 == "ready\n").then_some(())).await;
    let filter = Some(ProcessFilter { include_ended: true, ..ProcessFilter::default() });
    let mut stream = fleet.watch(WatchProcessesRequest { filter, ..everything() }).await;
    let messages = update(&mut stream).await;
    let sizes: Vec<usize> = messages.iter().map(prost::Message::encoded_len).collect();
    assert!(sizes.len() > 1 && sizes.iter().all(|&bytes| bytes < 4 << 20), "{sizes:?}");
    assert_eq!(messages.iter().map(|message| message.changed.len()).sum::<usize>(), PROCESSES);
}

/// The synthetic writer takes a descriptor for each slot.
pub(crate) fn raise_limit_of_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[tokio::test]
async fn a_slow_client_misses_updates_and_is_told_how_many() {
    raise_limit_of_open_files();
    let fleet =
        Fleet::start_with(|config| config.watched_interval = Duration::from_millis(20)).await;
    let mut facts = FixtureProcess::new("changing");
    facts.arguments = vec!["x".repeat(1000)];
    let mut writer = SegmentWriter::create(fleet.path(), &facts);
    // Enough threads for an update that no buffer between agent and client can hold.
    let slots: Vec<usize> = (0..2000).map(|n| writer.take_slot(n + 1, "thread")).collect();
    fleet.key_of("changing").await;
    let mut stream = fleet.watch(everything()).await;
    update(&mut stream).await;
    for round in 0..40 {
        for &slot in &slots {
            writer.slot(slot).allocate(bin_of(Class::C7), 1 + round);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let total: u64 = slots.len() as u64 * (0..40).map(|round| 1 + round).sum::<u64>();
    let mut last = 0;
    loop {
        let messages = update(&mut stream).await;
        let update = messages.last().unwrap();
        assert!(update.update > last, "numbers grow");
        last = update.update;
        let seen = messages.iter().flat_map(|m| &m.changed).map(|p| allocations(p, "C7")).max();
        if seen == Some(total) {
            assert!(update.skipped_updates > 0, "the client was slow and nothing was skipped");
            break;
        }
    }
}
