use super::*;

fn cause(kind: CauseKind, cost: f64) -> Cause {
    Cause {
        kind,
        class: None,
        direction: None,
        reason: None,
        cost_ns: Estimate { value: cost, low: cost, high: cost },
        slow_share: Estimate::default(),
        operations: [0, 0],
        text: String::new(),
        advice: String::new(),
    }
}

/// The order of these kinds under a verdict, with the costs that each has.
fn check(verdict: Verdict, causes: &[(CauseKind, f64)], expected: &[(CauseKind, f64)]) {
    let mut found: Vec<Cause> = causes.iter().map(|&(kind, cost)| cause(kind, cost)).collect();
    order(&mut found, verdict);
    let found: Vec<(CauseKind, f64)> = found.iter().map(|it| (it.kind, it.cost_ns.value)).collect();
    assert_eq!(found, expected, "{verdict:?}");
}

#[test]
fn the_cause_behind_the_verdict_comes_first_after_wrong_frees_and_leaks() {
    use CauseKind::{Anomalies, Duration, Leak, Mix, Reason, Routing};
    let causes = [
        (Mix, 90.0),
        (Reason, -50.0),
        (Duration, 70.0),
        (Reason, 5.0),
        (Leak, 0.0),
        (Routing, 8.0),
        (Anomalies, 0.0),
    ];
    let [mix, fall, duration, rise, leak, routing, anomalies] = causes;
    let worse = [anomalies, leak, routing, rise, duration, mix, fall];
    check(Verdict::Regressed, &causes, &worse);
    let better = [anomalies, leak, fall, duration, mix, routing, rise];
    check(Verdict::Improved, &causes, &better);
    let same = [anomalies, leak, mix, duration, fall, routing, rise];
    check(Verdict::Unchanged, &causes, &same);
}

#[test]
fn only_other_sizes_and_memory_are_told_apart_from_slower_paths() {
    use CauseKind::*;
    let of_mix = |kind| is_of_mix(&cause(kind, 1.0));
    assert_eq!([Mix, SizeCrossing, LargeSpans, Reason].map(of_mix), [true, true, false, false]);
    let of_memory = |kind| is_of_memory(&cause(kind, 1.0));
    assert_eq!([Leak, Retention, LargeSpans, Mix].map(of_memory), [true, true, false, false]);
}
