//! Tests of the tab Findings, and of the comparison of the last minute.

use super::*;

fn finding(id: u64, pid: u32, since: f64, until: Option<f64>) -> proto::Finding {
    let at = |seconds: f64| sample::timestamp(sample::STARTED_AT as f64 + seconds);
    proto::Finding {
        id,
        executable: "/usr/bin/redis-server".into(),
        process_key: format!("{pid}-1-00"),
        pid,
        cause: "routing".into(),
        class: "C7".into(),
        direction: "free".into(),
        reason: "routed".into(),
        since: Some(at(since)),
        until: until.map(at),
        before_ns_per_op: 1.31,
        after_ns_per_op: 51.5,
        summary: "C7 frees went from 99.9 % fast to 0 %: routing direct -> exclude".into(),
        command: format!("hakmem-top diff pid:{pid}@10:00..10:05 'pid:{pid}@last 5m'"),
        ..Default::default()
    }
}

#[test]
fn findings_that_go_on_come_first_with_the_command_that_opens_their_diff() {
    let mut model = sample::model();
    let findings = vec![finding(1, 4000, 3.0, Some(12.0)), finding(2, 4100, 9.0, None)];
    model.findings.begin_stream();
    model.findings.merge(proto::WatchFindingsResponse { findings, dropped_findings: 3 });
    insta::assert_snapshot!(drawn(100, 15, &model, &state(Tab::Findings)), @r"
    hakmem  2 running                                                                         ● 100 ms
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings 1
    1 ongoing · 3 lost · paths that became slower than in their own past or their baseline
      SINCE   LASTED     PID PROGRAM              CAUSE         WHERE                  NS PER OPERATION
         7s  ongoing    4100 python3              routing       C7 free routed              1.31 → 51.5
        13s       9s    4000 redis-server         routing       C7 free routed              1.31 → 51.5

    C7 frees went from 99.9 % fast to 0 %: routing direct -> exclude
    to see why:
      hakmem-top diff pid:4100@10:00..10:05 'pid:4100@last 5m'




    q quit  ? help  j k finding  Enter process  / filter  p pause  + - interval  t theme
    ");
    // At 80 columns, all counts but this alarm are dropped.
    let narrow = drawn(80, 12, &model, &state(Tab::Findings));
    assert!(narrow.lines().nth(1).unwrap().ends_with("6 Findings 1"), "{narrow}");
    // Enter opens the process.
    let mut state = state(Tab::Findings);
    state.apply(Action::Open, &model);
    assert_eq!(state.tab, Tab::Classes);
    assert_eq!(state.focused(&model).unwrap().identity.pid, 4100);
}

#[test]
fn without_findings_the_tab_says_whether_anybody_looks_for_them() {
    let mut model = sample::model();
    let screen = drawn(100, 6, &model, &state(Tab::Findings));
    assert!(screen.contains("this agent does not look for regressions"), "{screen}");
    model.findings.begin_stream();
    let screen = drawn(100, 6, &model, &state(Tab::Findings));
    assert!(screen.contains("nothing found: no path became slower"), "{screen}");
}

#[test]
fn the_last_minute_is_compared_over_the_classes() {
    let model = sample::model();
    let mut state = state(Tab::Classes);
    assert_eq!(state.apply(Action::Compare, &model), Some(Effect::Compare));
    let screen = drawn(100, 20, &model, &state);
    assert!(screen.contains("comparing the last minute with the minute before …"), "{screen}");
    state.compared = Some(Compared::Failed("the agent is older than this program".into()));
    let screen = drawn(100, 20, &model, &state);
    assert!(screen.contains("cannot compare: the agent is older"), "{screen}");
    let comparison = comparison::sample::comparison();
    state.compared = Some(Compared::Ready(Box::new(comparison)));
    insta::assert_snapshot!(drawn(100, 20, &model, &state), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample                           ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
    ┌ the last minute · Esc closes · 1 to 15 of 46, j k scroll ────────────────────────────────────────┐
    │ regressed: 158 ns per operation more in slow paths: routing of C7                                │
    │   before  yesterday.hakrec@10:00..10:01: 1 process, 601 samples in 1m00s, 123M operations of     │
    │           server                                                                                 │
    │   after   today.hakrec: 1 process, 601 samples in 1m00s, 123M operations of server               │
    │                                                                                                  │
    │ CAUSES, in nanoseconds per operation (99 % interval)                                             │
    │  1. routing · C7 free routed                                                 +158 (+154 to +162) │
    │     the routing changed from direct to exclude: frees of C7 leave the fast path in 100 % of      │
    │     cases instead of 1.2 %                                                                       │
    │     → unset HAKMEM_ROUTING, or take direct or uniform, which free C7 fast                        │
    │  2. duration · C7 free flush_full                                         -0.30 (-0.80 to +0.20) │
    │     slow paths of C7 take 640 ns instead of 1.15 µs                                              │
    │     → nothing to do                                                                              │
    │                                                                                                  │
    │ CHANGE, in nanoseconds in slow paths per operation                                               │
    └──────────────────────────────────────────────────────────────────────────────────────────────────┘
     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval  t theme
    ");
    state.apply(Action::Back, &model);
    assert!(state.compared.is_none() && state.tab == Tab::Classes);
}
