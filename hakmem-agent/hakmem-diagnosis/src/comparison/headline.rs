//! The answer in a sentence.

use super::is_of_mix;
use crate::causes::number;
use crate::diagnosis::{Cause, CauseKind, Caveat, Change, Unchanged, Verdict};
use crate::evidence::Evidence;
use crate::statistics::per;

/// Says the verdict, its grounds, and the first cause.
pub(super) fn of(
    (verdict, because): (Verdict, Option<Unchanged>),
    evidence: &Evidence,
    change: &Change,
    causes: &[Cause],
    caveats: &[Caveat],
) -> String {
    let first = causes.first().map_or_else(String::new, |cause| format!(": {}", cause.text));
    let cost = evidence.cost(0);
    match verdict {
        Verdict::NotEnoughData => {
            let why = caveats.first().map_or("", |caveat| caveat.text.as_str());
            format!("not enough data to tell: {why}")
        }
        Verdict::Regressed => {
            let is_fewer = evidence.has_fewer_slow();
            format!("{}{first}", regressed(change, cost, causes.first(), is_fewer))
        }
        Verdict::Improved => {
            let amount = amount(change.frequency.value, cost);
            format!("slow paths are taken less often and cost {amount}{first}")
        }
        Verdict::Unchanged => {
            let because = because.unwrap_or(Unchanged::BelowThreshold);
            format!("{}{}", unchanged(because, evidence, change), of_note(because, causes))
        }
    }
}

/// The first cause, to follow the explanation of `unchanged`.
fn of_note(because: Unchanged, causes: &[Cause]) -> String {
    match (because, causes.first()) {
        (_, None) => String::new(),
        (Unchanged::OtherSizes, Some(cause)) if is_of_mix(cause) => format!(": {}", cause.text),
        (_, Some(cause)) => format!("; of note: {}", cause.text),
    }
}

/// Explains which of its meanings `unchanged` has here.
fn unchanged(because: Unchanged, evidence: &Evidence, change: &Change) -> String {
    let cost = evidence.cost(0);
    let frequency = change.frequency;
    match because {
        Unchanged::BelowThreshold => {
            format!(
                "no path became slower: {} is below the threshold of {} ns",
                amount(change.total.value, cost),
                number(evidence.floor_ns())
            )
        }
        Unchanged::NotSure => {
            let more = if frequency.value < 0.0 { "less" } else { "more" };
            format!(
                "not sure: slow paths seem to be taken {more} often and cost {}, but chance alone \
                 explains up to {} ns; measure for longer, or compare more runs",
                amount(frequency.value, cost),
                number(frequency.high - frequency.value)
            )
        }
        Unchanged::OnlyDurations => {
            format!(
                "only durations changed: no path is taken more often, and slow paths cost {}, \
                 which other load on the machine can cause too",
                amount(change.duration.value, cost)
            )
        }
        Unchanged::OtherSizes => {
            "the program allocates other sizes; no path became slower".to_owned()
        }
        Unchanged::FewerSlow => {
            format!(
                "fewer calls are slow, though the slow ones cost {}",
                amount(frequency.value, cost)
            )
        }
    }
}

fn regressed(change: &Change, cost: f64, first: Option<&Cause>, is_fewer: bool) -> String {
    let total = change.total.value;
    match first.map(|cause| cause.kind) {
        Some(CauseKind::Anomalies) => "wrong frees that did not occur before".to_owned(),
        Some(CauseKind::Leak) => "memory leaks".to_owned(),
        Some(CauseKind::Retention) => "unused memory is not returned".to_owned(),
        Some(CauseKind::Duration | CauseKind::LargeSpans) => {
            format!("slow paths cost {}", amount(total, cost))
        }
        _ if is_fewer => {
            format!(
                "fewer calls are slow, but the slow ones cost {}",
                amount(change.frequency.value, cost)
            )
        }
        _ => {
            format!(
                "slow paths are taken more often and cost {}",
                amount(change.frequency.value, cost)
            )
        }
    }
}

/// "3.30 ns more per operation (+12 %)". From 400 % on, the cost as a multiple of the cost before,
/// which reads better than a percentage.
fn amount(change: f64, cost: f64) -> String {
    let more = if change < 0.0 { "less" } else { "more" };
    let shown = format!("{} ns {more} per operation", number(change.abs()));
    let share = per(change, cost);
    match (cost > 0.0, share >= 4.0) {
        (false, _) => shown,
        (true, true) => format!("{shown} ({:.0} times as much in all)", share + 1.0),
        (true, false) => format!("{shown} ({:+.0} %)", share * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_says_more_or_less_and_compares_with_the_cost_before() {
        assert_eq!(amount(2.0, 8.0), "2.00 ns more per operation (+25 %)");
        assert_eq!(amount(-2.0, 8.0), "2.00 ns less per operation (-25 %)");
        assert_eq!(amount(0.0, 8.0), format!("{} ns more per operation (+0 %)", number(0.0)));
        assert_eq!(amount(32.0, 8.0), "32.0 ns more per operation (5 times as much in all)");
        assert_eq!(amount(2.0, 0.0), "2.00 ns more per operation");
    }
}
