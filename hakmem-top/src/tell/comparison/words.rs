//! The words for people that stand for the terms of a diagnosis.

use hakmem_diagnosis::diagnosis::{
    Cause, CauseKind, Change, Direction, Estimate, Method, ReasonChange, SideSummary, Stratum,
};
use hakmem_diagnosis::{Diagnosis, Verdict};

use super::Units;
use crate::words::paragraph::plain;
use crate::words::quantity::{self, added_ns};

/// What the mix part of a change means.
pub(super) const MIX: &str = "other sizes are used";
/// What the frequency part of a change means.
pub(super) const FREQUENCY: &str = "more or fewer calls are slow";
/// What the duration part of a change means.
pub(super) const DURATION: &str = "slow calls take more or less time";

/// The verdict, as it stands before everything else.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Unchanged => "unchanged",
        Verdict::NotEnoughData => "not enough data",
    }
}

/// The kind of a cause.
pub(super) fn kind(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Routing => "routing",
        CauseKind::Check => "check",
        CauseKind::Capacity => "capacity",
        CauseKind::Handover => "handover",
        CauseKind::ThreadChurn => "thread churn",
        CauseKind::Mix => "mix",
        CauseKind::SizeCrossing => "size crossing",
        CauseKind::LargeSpans => "large spans",
        CauseKind::Leak => "leak",
        CauseKind::Retention => "retention",
        CauseKind::Anomalies => "anomalies",
        CauseKind::Reason => "reason",
        CauseKind::Duration => "duration",
    }
}

/// The direction of a stratum.
pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Allocation => "alloc",
        Direction::Free => "free",
    }
}

/// The place of a cause: class, direction and reason, as far as it has them.
pub(super) fn place(cause: &Cause) -> String {
    let class = cause.class.as_deref();
    let words = [class, cause.direction.map(direction), cause.reason.as_deref()];
    plain(&words.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// An interval without its confidence.
pub(super) fn interval(estimate: &Estimate) -> String {
    format!("{} to {}", added_ns(estimate.low), added_ns(estimate.high))
}

/// Whether an interval lies on one side of 0, so that the direction of the change is certain.
pub(super) fn is_sure(estimate: &Estimate) -> bool {
    estimate.low > 0.0 || estimate.high < 0.0
}

/// The cost after, computed so that the cost before plus the change equals it exactly. A side's own
/// cost is computed at prices that both sides share, and so without the change of durations.
pub(super) fn cost_after(diagnosis: &Diagnosis) -> f64 {
    diagnosis.before.cost_ns + diagnosis.change.total.value
}

/// The headline without the verdict, which stands in front of it.
pub(super) fn headline(diagnosis: &Diagnosis) -> &str {
    let headline = &diagnosis.headline;
    match diagnosis.verdict {
        Verdict::NotEnoughData => {
            headline.strip_prefix("not enough data to tell: ").unwrap_or(headline)
        }
        _ => headline,
    }
}

/// The whole change, and its ratio to the cost before: a percentage, or a factor if it is large.
pub(super) fn total(change: &Change) -> String {
    let total = added_ns(change.total.value);
    match change.relative {
        None => total,
        Some(relative @ 2.0..) => format!("{total}, {:.1} times as much", relative + 1.0),
        Some(relative) => format!("{total}, {} %", quantity::added_percent(relative)),
    }
}

/// A confidence: `99 %`.
pub(super) fn confidence(confidence: f64) -> String {
    format!("{} %", (confidence * 1000.0).round() / 10.0)
}

/// The extent of a side: processes or runs, samples, seconds and operations.
pub(super) fn extent(side: &SideSummary, units: Units) -> String {
    let units = match (units, side.processes) {
        (Units::Processes, 1) => "process",
        (Units::Processes, _) => "processes",
        (Units::Runs, 1) => "run",
        (Units::Runs, _) => "runs",
    };
    format!(
        "{} {units}, {} samples in {}, {} operations",
        side.processes,
        side.samples,
        seconds(side.seconds),
        quantity::count(side.operations),
    )
}

/// A time span; with decimals below ten seconds.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        0.0..9.95 => format!("{seconds:.1}s"),
        _ => quantity::span_seconds(seconds.max(0.0).round() as u64),
    }
}

/// A duration of a slow path; `–` if none was timed.
pub(super) fn took(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or_else(|| "–".into(), |it| quantity::duration_ns(it.max(1.0).round() as u64))
}

/// The reasons of all strata: first those that change the cost most, then the most frequent ones.
/// Reasons that occur on neither side are left out.
pub(super) fn reasons(strata: &[Stratum]) -> Vec<(&Stratum, &ReasonChange)> {
    let all = strata.iter().flat_map(|it| it.reasons.iter().map(move |reason| (it, reason)));
    let mut used: Vec<_> = all.filter(|(_, reason)| reason.count != [0, 0]).collect();
    // A cost that rounds to zero counts as zero, so that frequency decides.
    let cost = |it: &ReasonChange| (it.frequency_ns.abs() * 1000.0).round();
    let count = |it: &ReasonChange| it.count[0].max(it.count[1]);
    used.sort_by(|(_, a), (_, b)| cost(b).total_cmp(&cost(a)).then(count(b).cmp(&count(a))));
    used
}

/// The rules for what counts as a change.
pub(super) fn rules(method: &Method) -> String {
    format!(
        "A path regressed if its part of the cost rose by more than {} % and {} ns per operation \
         with {} confidence; at least {} operations and {} intervals on each side.",
        (method.threshold_relative * 1000.0).round() / 10.0,
        quantity::cost_ns(method.threshold_ns),
        confidence(method.confidence),
        method.operations_min,
        method.intervals_min,
    )
}

/// How the intervals and the parts were computed.
pub(super) fn sources(method: &Method) -> String {
    format!("Intervals: {}. Mix and path: {}.", method.intervals, method.decomposition)
}
