//! A diagnosis for tests: a program whose C7 frees took a slow routing.

use hakmem_diagnosis::diagnosis::{
    Cause, CauseKind, Caveat, Change, DOCUMENT_VERSION, Difference, Direction, Estimate, Method,
    ReasonChange, SideSummary, Stratum, StratumSide,
};
use hakmem_diagnosis::{Diagnosis, Series, Side, Verdict};
use hakmem_proto::v1 as proto;

use crate::model::sample;

pub(crate) fn estimate(value: f64, half: f64) -> Estimate {
    Estimate { value, low: value - half, high: value + half }
}

fn side(name: &str, slow_share: f64, cost_ns: f64) -> SideSummary {
    SideSummary {
        name: name.into(),
        programs: vec!["server".into()],
        executables: vec!["/usr/bin/server".into()],
        build_ids: vec!["8c1f6a".into()],
        processes: 1,
        samples: 601,
        seconds: 60.0,
        operations: 123_000_000,
        operations_per_second: 2_050_000.0,
        slow_share,
        cost_ns,
        from: 1_000_000.0,
        to: 1_000_060.0,
    }
}

fn stratum(class: &str, direction: Direction, shares: [f64; 2], slow: [f64; 2]) -> Stratum {
    let side = |index: usize| StratumSide {
        operations: (shares[index] * 123e6) as u64,
        share: shares[index],
        slow_share: slow[index],
        slow_ns: Some(if index == 0 { 1150.0 } else { 640.0 }),
    };
    let count = |index: usize| (shares[index] * 123e6 * slow[index]) as u64;
    let routed = slow[1] > 0.5;
    let reason = if routed { "routed" } else { "flush_full" };
    Stratum {
        class: class.into(),
        direction,
        sides: [side(0), side(1)],
        mix_ns: (shares[1] - shares[0]) * 12.0,
        frequency_ns: (slow[1] - slow[0]) * 0.25 * 640.0,
        duration_ns: -0.04,
        reasons: vec![ReasonChange {
            reason: reason.into(),
            count: [if routed { 0 } else { count(0) }, count(1)],
            per_operation: [if routed { 0.0 } else { slow[0] }, slow[1]],
            frequency_ns: (slow[1] - slow[0]) * 0.25 * 640.0,
        }],
    }
}

fn causes() -> Vec<Cause> {
    let cause = |kind, reason: &str, cost_ns, text: &str, advice: &str| Cause {
        kind,
        class: Some("C7".into()),
        direction: Some(Direction::Free),
        reason: Some(reason.into()),
        cost_ns,
        slow_share: estimate(0.987, 0.002),
        operations: [30_750_000, 30_750_000],
        text: text.into(),
        advice: advice.into(),
    };
    vec![
        cause(
            CauseKind::Routing,
            "routed",
            estimate(158.0, 4.0),
            "the routing changed from direct to exclude: frees of C7 leave the fast path in 100 % \
             of cases instead of 1.2 %",
            "unset HAKMEM_ROUTING, or take direct or uniform, which free C7 fast",
        ),
        cause(
            CauseKind::Duration,
            "flush_full",
            estimate(-0.3, 0.5),
            "slow paths of C7 take 640 ns instead of 1.15 µs",
            "nothing to do",
        ),
    ]
}

/// The diagnosis.
pub(crate) fn diagnosis() -> Diagnosis {
    Diagnosis {
        version: DOCUMENT_VERSION,
        verdict: Verdict::Regressed,
        unchanged_because: None,
        headline: "158 ns per operation more in slow paths: routing of C7".into(),
        before: side("yesterday.hakrec@10:00..10:01", 0.0123, 7.4),
        after: side("today.hakrec", 0.262, 165.0),
        change: Change {
            total: estimate(157.6, 4.2),
            mix: estimate(0.12, 0.4),
            path: estimate(157.48, 4.1),
            frequency: estimate(157.8, 4.0),
            duration: estimate(-0.32, 0.5),
            relative: Some(21.3),
        },
        causes: causes(),
        strata: vec![
            stratum("C3", Direction::Allocation, [0.25, 0.24], [0.0102, 0.0101]),
            stratum("C3", Direction::Free, [0.25, 0.24], [0.008, 0.0081]),
            stratum("C7", Direction::Allocation, [0.25, 0.26], [0.015, 0.0151]),
            stratum("C7", Direction::Free, [0.25, 0.26], [0.0123, 1.0]),
        ],
        differences: vec![Difference {
            what: "routing".into(),
            before: "direct".into(),
            after: "exclude".into(),
        }],
        caveats: vec![Caveat {
            forbids: false,
            text: "12 events were lost on the second side; counts are complete".into(),
        }],
        method: Method {
            confidence: 0.99,
            threshold_relative: 0.1,
            threshold_ns: 0.5,
            operations_min: 10_000,
            intervals_min: 8,
            intervals: "circular moving-block bootstrap (Künsch 1989; Politis & Romano 1992)"
                .into(),
            decomposition: "symmetric decomposition of a difference of rates (Kitagawa 1955)"
                .into(),
        },
    }
}

/// A side with samples of C3 and C7; `slow` is the share of slow operations.
pub(crate) fn samples(slow: f64) -> Side {
    let class = |name: &str, operations: u64| proto::ClassCounters {
        class: name.into(),
        allocations: operations,
        frees: operations,
        allocations_fast: (operations as f64 * (1.0 - slow)) as u64,
        frees_fast: (operations as f64 * (1.0 - slow)) as u64,
        ..Default::default()
    };
    let sample = |index: u64| {
        let wave = ((index as f64 / 9.0).sin() * 60_000.0) as u64;
        proto::Process {
            sampled_at: Some(sample::timestamp(1_000_000.0 + index as f64 / 4.0)),
            classes: vec![class("C3", index * 90_000 + 60_000 + wave), class("C7", index * 90_000)],
            ..Default::default()
        }
    };
    let series = Series { samples: (0..=240).map(sample).collect(), ..Series::default() };
    Side { name: "a side".into(), series: vec![series] }
}

/// The diagnosis with samples.
pub(crate) fn comparison() -> super::Comparison {
    super::Comparison::new(diagnosis(), &samples(0.012), &samples(0.4))
}
