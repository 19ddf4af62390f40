use super::*;
use sample::{process, strip, update};

fn class_flow(process: &Process, class: &str, measure: Measure) -> ClassFlow {
    process.class_flow(&ClassName::new(class), measure).unwrap()
}

#[test]
fn rates_are_differences_over_a_second() {
    let mut model = Model::new("test");
    for step in 0..=20 {
        let at = 100.0 + f64::from(step) * 0.1;
        model.merge(Stream::Detail, update(at, vec![process(7, "a", at, 1000.0)]));
    }
    let process = &model.processes["7-1-00"];
    let flow = class_flow(process, "C7", Measure::Rate);
    assert!((flow.allocations - 1000.0).abs() < 1.0, "{flow:?}");
    assert!((flow.slow() - 40.0).abs() < 2.0, "{flow:?}");
    assert_eq!(class_flow(process, "C7", Measure::Total).allocations, 102_000.0);
}

#[test]
fn a_class_that_did_not_change_keeps_its_counts_and_loses_its_rate() {
    let mut model = Model::new("test");
    model.merge(Stream::Detail, update(100.0, vec![process(7, "a", 100.0, 1000.0)]));
    let mut delta = process(7, "a", 101.0, 1000.0);
    delta.identity = None;
    delta.classes.retain(|class| class.class == "C7");
    model.merge(Stream::Detail, update(101.0, vec![delta]));
    let process = &model.processes["7-1-00"];
    assert_eq!(process.name(), "a");
    assert_eq!(class_flow(process, "C3", Measure::Rate).allocations, 0.0);
    assert_eq!(class_flow(process, "C3", Measure::Total).allocations, 50_000.0);
    assert_eq!(class_flow(process, "C7", Measure::Rate).allocations, 1000.0);
}

#[test]
fn a_process_that_does_not_change_falls_to_zero() {
    let mut model = Model::new("test");
    let first = process(7, "a", 100.0, 1000.0);
    let second = process(7, "a", 101.0, 1000.0);
    for stream in [Stream::Overview, Stream::Detail] {
        model.merge(stream, update(100.0, vec![first.clone()]));
        model.merge(stream, update(101.0, vec![second.clone()]));
        model.merge(stream, update(102.0, vec![]));
        model.merge(stream, update(103.0, vec![]));
    }
    let process = &model.processes["7-1-00"];
    assert_eq!(process.totals_flow(Measure::Rate).unwrap().allocations, 0.0);
    assert_eq!(class_flow(process, "C7", Measure::Rate).allocations, 0.0);
}

#[test]
fn older_values_never_make_counters_fall() {
    let mut model = Model::new("test");
    model.merge(Stream::Detail, update(101.0, vec![process(7, "a", 101.0, 1000.0)]));
    let newest = model.processes["7-1-00"].totals;
    model.merge(Stream::Overview, update(100.0, vec![strip(&process(7, "a", 100.0, 1000.0))]));
    assert_eq!(model.processes["7-1-00"].totals, newest);
}

#[test]
fn a_young_process_has_rates_from_its_first_sample() {
    let mut model = Model::new("test");
    model.merge(Stream::Detail, update(0.5, vec![process(7, "a", 0.5, 1000.0)]));
    let flow = class_flow(&model.processes["7-1-00"], "C7", Measure::Rate);
    assert_eq!(flow.allocations, 1000.0);
}

#[test]
fn an_old_process_has_no_rate_before_its_second_sample() {
    let mut model = Model::new("test");
    model.merge(Stream::Detail, update(50.0, vec![process(7, "a", 50.0, 1000.0)]));
    assert!(model.processes["7-1-00"].class_flow(&ClassName::new("C7"), Measure::Rate).is_none());
}

#[test]
fn quantiles_are_of_the_window_only() {
    let mut before = process(7, "a", 100.0, 1000.0);
    let histogram = |buckets: &[(u64, u64)]| {
        let bucket = |&(start_ns, count)| proto::DurationBucket { start_ns, count };
        Some(proto::DurationHistogram {
            buckets: buckets.iter().map(bucket).collect(),
            ..Default::default()
        })
    };
    before.classes[2].slow_durations = histogram(&[(1024, 1_000_000)]);
    let mut after = process(7, "a", 101.0, 1000.0);
    after.classes[2].slow_durations = histogram(&[(64, 98), (1024, 1_000_000), (4096, 2)]);
    let mut model = Model::new("test");
    model.merge(Stream::Detail, update(100.0, vec![before]));
    model.merge(Stream::Detail, update(101.0, vec![after]));
    let flow = class_flow(&model.processes["7-1-00"], "C7", Measure::Rate);
    assert_eq!((flow.p50_ns, flow.p99_ns), (72, 4608));
}

#[test]
fn processes_go_when_the_overview_says_so() {
    let mut model = Model::new("test");
    model.merge(Stream::Overview, update(1.0, vec![process(7, "a", 1.0, 1.0)]));
    let mut gone = update(2.0, vec![]);
    gone.removed = vec!["7-1-00".into()];
    model.merge(Stream::Detail, gone.clone());
    assert_eq!(model.processes.len(), 1, "the detail's stream says nothing of other processes");
    model.merge(Stream::Overview, gone);
    assert!(model.processes.is_empty());
}

#[test]
fn after_a_reconnection_the_whole_state_is_merged_without_a_jump() {
    let mut model = Model::new("test");
    for at in [100.0, 101.0] {
        model.merge(Stream::Detail, update(at, vec![process(7, "a", at, 1000.0)]));
    }
    model.connection = Connection::Lost { reason: "gone".into(), attempts: 3 };
    model.merge(Stream::Detail, update(131.0, vec![process(7, "a", 131.0, 1000.0)]));
    assert_eq!(model.connection, Connection::Live);
    let flow = class_flow(&model.processes["7-1-00"], "C7", Measure::Rate);
    assert_eq!(flow.allocations, 1000.0);
}

fn event(slot: u32, number: u64) -> proto::Event {
    proto::Event { process_key: "7".into(), slot, number, ..Default::default() }
}

fn events(lost_events: u64, events: Vec<proto::Event>) -> proto::WatchEventsResponse {
    proto::WatchEventsResponse { events, lost_events, dropped_events: 0 }
}

#[test]
fn events_are_kept_once_and_losses_add_up_over_streams() {
    let mut log = EventLog::default();
    log.begin_stream("7");
    log.merge(events(3, vec![event(0, 1), event(0, 2), event(1, 1)]));
    log.begin_stream("7");
    log.merge(events(2, vec![event(0, 2), event(0, 3)]));
    assert_eq!(log.newest_first().count(), 4);
    assert_eq!(log.missing(), 5);
    log.begin_stream("8");
    assert_eq!((log.newest_first().count(), log.missing()), (0, 0));
}

#[test]
fn output_keeps_its_tail_and_says_what_it_dropped() {
    let mut tail = OutputTail::default();
    tail.push(&vec![b'x'; 300 * 1024]);
    tail.push(b"\n\x1b[31mred\x1b[0m\ttab\nlast\x07\n");
    assert_eq!(tail.last_lines(2), ["red    tab", "last"]);
    assert_eq!(tail.dropped_bytes + tail.bytes().len() as u64, 300 * 1024 + 24);
}

#[test]
fn the_newest_process_with_the_programs_pid_is_the_programs() {
    let mut model = Model::new("test");
    let mut replaced = process(7, "sh", 1.0, 1.0);
    replaced.state = "replaced".into();
    let mut newest = process(7, "python3", 1.0, 1.0);
    newest.key = "7-1-01".into();
    newest.identity.as_mut().unwrap().started_at =
        Some(sample::timestamp(sample::STARTED_AT as f64 + 0.5));
    model.program = Some(Program { pid: 7, ..Program::default() });
    model.merge(Stream::Overview, update(1.0, vec![newest, replaced]));
    assert_eq!(model.program_key(), Some("7-1-01"));
}

#[test]
fn findings_are_replaced_by_number_and_forgotten_with_their_stream() {
    let finding = |id, until: Option<f64>| proto::Finding {
        id,
        since: Some(sample::timestamp(id as f64)),
        until: until.map(sample::timestamp),
        ..Default::default()
    };
    let mut model = sample::model();
    let mut merge = |findings, dropped_findings| {
        model.findings.merge(proto::WatchFindingsResponse { findings, dropped_findings });
        let ids: Vec<u64> = model.findings.ordered().iter().map(|it| it.id).collect();
        (ids, model.findings.ongoing(), model.findings.missing())
    };
    assert_eq!(merge(vec![finding(1, None), finding(2, None)], 0), (vec![2, 1], 2, 0));
    assert_eq!(merge(vec![finding(2, Some(9.0)), finding(3, Some(4.0))], 5), (vec![1, 3, 2], 1, 5));
    model.findings.begin_stream();
    assert!(model.findings.ordered().is_empty());
    assert_eq!(model.findings.missing(), 5, "what was lost stays lost");
}

#[test]
fn a_new_stream_of_all_processes_replaces_the_set_once_it_is_complete() {
    let mut model = Model::new("test");
    let of = |pid, at| strip(&process(pid, "a", at, 1.0));
    model.begin_overview();
    model.merge(Stream::Overview, update(1.0, vec![of(7, 1.0), of(8, 1.0), of(9, 1.0)]));
    model.merge(Stream::Overview, update(2.0, vec![]));
    assert_eq!(model.processes.len(), 3, "an update names only what changed");
    model.begin_overview();
    let mut first = update(3.0, vec![of(8, 3.0)]);
    first.complete = false;
    model.merge(Stream::Overview, first);
    assert_eq!(model.processes.len(), 3, "the rest may follow");
    // The stream of the process in focus does not mention the others.
    model.merge(Stream::Detail, update(3.0, vec![process(9, "a", 3.0, 1.0)]));
    model.merge(Stream::Overview, update(3.0, vec![of(10, 3.0)]));
    let pids: Vec<u32> = model.processes.values().map(|it| it.identity.pid).collect();
    assert_eq!(pids, [10, 8]);
}

#[test]
fn updates_skipped_by_two_agents_are_summed() {
    let mut model = Model::new("test");
    for skipped_updates in [3, 2] {
        model.begin_overview();
        let update = proto::WatchProcessesResponse { skipped_updates, ..update(1.0, vec![]) };
        model.merge(Stream::Overview, update);
    }
    assert_eq!(model.skipped_updates(), 5);
}

#[test]
fn a_bad_end_is_announced_once_and_only_if_it_was_seen() {
    let mut model = Model::new("test");
    let ended = |pid, at, state: &str, signal| proto::Process {
        state: state.into(),
        end_signal: signal,
        ..strip(&process(pid, "a", at, 1.0))
    };
    let names = |model: &Model, seconds| -> Vec<u32> {
        let now = Duration::from_secs(seconds);
        model.bad_ends.announced(now).map(|it| it.pid).collect()
    };
    let first = vec![ended(7, 1.0, "running", None), ended(8, 1.0, "crashed", Some(11))];
    model.merge(Stream::Overview, update(1.0, first));
    assert_eq!(names(&model, 0), [0; 0], "that one had crashed before");
    model.watched_for = Duration::from_secs(2);
    for stream in [Stream::Overview, Stream::Detail] {
        model.merge(stream, update(2.0, vec![ended(7, 2.0, "killed", Some(9))]));
    }
    assert_eq!(names(&model, 2), [7]);
    assert_eq!(names(&model, 61), [7]);
    assert_eq!(names(&model, 63), [0; 0]);
}
