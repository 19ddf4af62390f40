use prost_types::Timestamp;

use super::*;

#[path = "../../../fuzz/corpus.rs"]
mod corpus;

#[test]
fn the_corpus_of_requests_does_no_harm_and_its_seeds_are_answered() {
    for (name, input) in corpus::inputs("requests") {
        let answered = answer(&input);
        assert!(answered > 0 || !corpus::is_seed(&name), "{name}: nothing was answered");
    }
}

fn request(call: &str, message: &impl Message) -> Vec<u8> {
    frames::write(&CALLS, call, &message.encode_to_vec())
}

/// Writes the seeds anew: `cargo test -p hakmem-agent --lib -- --ignored fuzz::tests::record`.
#[test]
#[ignore = "writes fuzz/corpus/requests"]
fn record() {
    let pids = vec![(1 << 22) + 1, 7];
    let key = format!("{}-1-{:016x}", (1 << 22) + 2, 1);
    let filter = |keys, pids, contains: &str| {
        let contains = contains.to_owned();
        Some(ProcessFilter { keys, pids, contains, include_ended: true, include_children: true })
    };
    let by_pid = filter(Vec::new(), pids, "");
    let by_key = filter(vec![key.clone()], Vec::new(), "program");
    let list = request("ListProcesses", &ListProcessesRequest { filter: by_pid.clone() });
    let get = request("GetProcess", &GetProcessRequest { key: key.clone() });
    let watch = WatchProcessesRequest {
        filter: by_key.clone(),
        interval_ms: 500,
        include_threads: true,
        include_classes: true,
    };
    let moment = |seconds| Some(Timestamp { seconds, nanos: 1 });
    let history = GetHistoryRequest {
        key,
        from: moment(1),
        to: moment(1 << 40),
        step_ms: 1000,
        include_threads: true,
    };
    let events = WatchEventsRequest {
        filter: by_key.clone(),
        include_recent: true,
        kinds: vec!["slow_allocation".to_owned(), "anomaly".to_owned()],
    };
    let findings = WatchFindingsRequest { filter: by_pid, follow: true };
    let finding = GetFindingRequest { id: 1, since: moment(1) };
    let watch = request("WatchProcesses", &watch);
    let history = request("GetHistory", &history);
    let events = request("WatchEvents", &events);
    let findings = request("WatchFindings", &findings);
    let all = [&list, &get, &watch, &history, &events, &findings].map(Vec::as_slice).concat();
    let all = [all, request("GetFinding", &finding)].concat();
    corpus::record(
        "requests",
        [
            ("list", list),
            ("get", get),
            ("watch", watch),
            ("history", history),
            ("events", events),
            ("findings", findings),
            ("every-call", all),
        ],
    );
}
