use super::*;
use crate::model::sample;

#[path = "../../../fuzz/corpus.rs"]
mod corpus;

#[test]
fn the_corpus_of_updates_does_no_harm_and_its_seeds_are_shown() {
    for (name, input) in corpus::inputs("updates") {
        let known = show(&input);
        assert!(known > 0 || !corpus::is_seed(&name), "{name}: nothing is shown");
    }
}

fn step(step: &str, message: &[u8]) -> Vec<u8> {
    frames::write(&STEPS, step, message)
}

/// Writes the seeds anew: `cargo test -p hakmem-top --lib -- --ignored fuzz::tests::record`.
#[test]
#[ignore = "writes fuzz/corpus/updates"]
fn record() {
    let process = |at| sample::process(4000, "redis-server", at, 1e6);
    let update = |at, process| sample::update(at, vec![process]).encode_to_vec();
    let mut overview = vec![0];
    overview.extend(step("overview begins", &[]));
    for second in 1..4 {
        let at = f64::from(second);
        let process = sample::strip(&process(at));
        overview.extend(step("overview", &update(at, process)));
    }
    let ended = proto::Process {
        state: "crashed".into(),
        end_signal: Some(11),
        ..sample::strip(&process(5.0))
    };
    let ended = [overview.clone(), step("overview", &update(5.0, ended))].concat();
    let mut detail = overview.clone();
    detail.extend(step("detail", &update(2.0, process(2.0))));
    detail.extend(step("detail", &update(4.0, process(4.0))));
    let event = |number, kind: &str, detail: &str| proto::Event {
        process_key: "4000-1-00".into(),
        at: Some(sample::timestamp(sample::STARTED_AT as f64 + 2.0)),
        kind: kind.into(),
        class: "C7".into(),
        claimed_class: "C3".into(),
        detail: detail.into(),
        duration_ns: 480,
        number,
        ..Default::default()
    };
    let news = proto::WatchEventsResponse {
        events: vec![
            event(1, "slow_allocation", "refill_central"),
            event(2, "anomaly", "header_false_positive"),
        ],
        lost_events: 12,
        dropped_events: 3,
    };
    let mut events = detail.clone();
    events.extend(step("events begin", b"4000-1-00"));
    events.extend(step("events", &news.encode_to_vec()));
    let finding = proto::Finding {
        id: 1,
        process_key: "4000-1-00".into(),
        since: Some(sample::timestamp(sample::STARTED_AT as f64)),
        ..Default::default()
    };
    let news = proto::WatchFindingsResponse { findings: vec![finding], dropped_findings: 1 };
    let mut findings = overview.clone();
    findings.extend(step("findings begin", &[]));
    findings.extend(step("findings", &news.encode_to_vec()));
    let actions = [detail.clone(), step("action", &[0, 4, 12, 9, 10, 1, 7, 104, 3, 6])].concat();
    corpus::record(
        "updates",
        [
            ("an-overview", overview),
            ("a-process-crashes", ended),
            ("details", detail),
            ("events", events),
            ("findings", findings),
            ("actions", actions),
        ],
    );
}
