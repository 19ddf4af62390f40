use super::*;
use crate::access::Viewer;
use crate::state::FleetView;

fn known(id: u64, owner: u32) -> Known {
    let finding = Finding {
        id,
        executable: "/bin/x".to_owned(),
        process_key: "1-2-3".to_owned(),
        pid: 7,
        cause: "reason".to_owned(),
        ..Finding::default()
    };
    Known { owner, program_name: "x".to_owned(), added_seconds: 1e-9, finding, sides: None }
}

fn take(findings: &Findings, steps: Vec<Step>, now: f64) {
    findings.take(steps, now, |_, name| name.to_owned());
}

fn everything() -> Selection {
    Selection::everything(Viewer::Everyone)
}

#[test]
fn findings_are_bounded_and_those_that_are_over_go_first() {
    let findings = Findings::default();
    let began = (1..=KEPT_MAX as u64).map(|id| Step::Began(known(id, 0))).collect();
    take(&findings, began, 10.0);
    take(&findings, vec![Step::Ended { id: 5, until: Some(9.0) }], 10.0);
    take(&findings, vec![Step::Began(known(1000, 0))], 10.0);
    let ids: Vec<u64> = findings.lock().kept.keys().copied().collect();
    assert_eq!((ids.len(), ids.contains(&5), ids.contains(&1000)), (KEPT_MAX, false, true));
    take(&findings, vec![Step::Began(known(1001, 0))], 10.0);
    assert!(!findings.lock().kept.contains_key(&1), "the oldest");
    assert_eq!(findings.begun(), [((0, "x".to_owned(), "reason".to_owned()), 258)]);
}

#[test]
fn the_findings_of_one_user_do_not_push_out_those_of_another() {
    let findings = Findings::default();
    take(&findings, vec![Step::Began(known(1, 7))], 10.0);
    let flood = (2..=2 * KEPT_MAX as u64).map(|id| Step::Began(known(id, 8))).collect();
    take(&findings, flood, 10.0);
    assert!(findings.lock().kept.contains_key(&1));
    assert_eq!(findings.lock().kept.len(), KEPT_MAX);
}

#[test]
fn what_is_over_is_kept_for_an_hour() {
    let findings = Findings::default();
    take(&findings, vec![Step::Began(known(1, 0)), Step::Ended { id: 1, until: None }], 10.0);
    assert!(findings.ongoing().is_empty());
    take(&findings, vec![], 3609.0);
    assert_eq!(findings.lock().kept[&1].finding.until.unwrap().seconds, 10);
    take(&findings, vec![], 3611.0);
    assert!(findings.lock().kept.is_empty());
    take(&findings, vec![Step::Ended { id: 1, until: None }], 3612.0);
    assert!(findings.lock().kept.is_empty(), "what is forgotten does not come back");
}

#[test]
fn a_full_queue_drops_findings_and_counts_them() {
    let findings = Findings::default();
    let mut stream = findings.watch(everything(), true);
    for _ in 0..QUEUE_MAX + 3 {
        take(&findings, vec![Step::Changed(known(1, 0))], 1.0);
    }
    assert_eq!((stream.queue.len(), stream.dropped.load(Ordering::Relaxed)), (QUEUE_MAX, 3));
    let short = findings.watch(everything(), false);
    assert_eq!(short.queue.len(), 1, "each finding that is kept once");
    assert_eq!(findings.lock().watchers.len(), 1);
    stream.queue.close();
    take(&findings, vec![Step::Changed(known(1, 0))], 1.0);
    assert!(findings.lock().watchers.is_empty(), "nobody listens any more");
}

#[test]
fn findings_are_seen_by_the_owner_of_the_program() {
    let view = FleetView::default();
    let finding = known(1, 1000).finding;
    let sees = |viewer, filter| Selection::new(viewer, filter).has_finding(&view, 1000, &finding);
    assert!(sees(Viewer::Everyone, None));
    assert!(sees(Viewer::User(1000), None));
    assert!(!sees(Viewer::User(1001), None));
    let filter = |pids: &[u32], contains: &str| {
        let (pids, contains) = (pids.to_vec(), contains.to_owned());
        Some(hakmem_proto::v1::ProcessFilter { pids, contains, ..Default::default() })
    };
    assert!(sees(Viewer::User(1000), filter(&[7], "bin")));
    assert!(!sees(Viewer::User(1000), filter(&[8], "")));
    assert!(!sees(Viewer::Everyone, filter(&[], "other")));
}
