//! The answer in a sentence.

use super::is_of_mix;
use crate::causes::number;
use crate::diagnosis::{Cause, CauseKind, Caveat, Change, Verdict};
use crate::evidence::Evidence;
use crate::statistics::per;

/// What the verdict is, on what grounds, and the first cause.
pub(super) fn of(
    verdict: Verdict,
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
        Verdict::Regressed => format!("{}{first}", regressed(change, cost, causes.first())),
        Verdict::Improved => {
            let amount = amount(change.frequency.value, cost);
            format!("slow paths are taken less often and cost {amount}{first}")
        }
        Verdict::Unchanged => match causes.first() {
            Some(cause) if is_of_mix(cause) => {
                format!("the program allocates other sizes; no path became slower{first}")
            }
            Some(cause) if cause.kind == CauseKind::Duration => {
                format!("no path is taken more often; of note{first}")
            }
            Some(_) => format!("no change beyond the threshold in all; of note{first}"),
            None => {
                let amount = amount(change.total.value, cost);
                format!("no path became slower: {amount} is within the threshold")
            }
        },
    }
}

fn regressed(change: &Change, cost: f64, first: Option<&Cause>) -> String {
    let total = change.total.value;
    match first.map(|cause| cause.kind) {
        Some(CauseKind::Anomalies) => "wrong frees that were not there before".to_owned(),
        Some(CauseKind::Leak) => "memory leaks".to_owned(),
        Some(CauseKind::Retention) => "memory is held that is not live".to_owned(),
        Some(CauseKind::Duration | CauseKind::LargeSpans) => {
            format!("slow paths cost {}", amount(total, cost))
        }
        _ => {
            format!(
                "slow paths are taken more often and cost {}",
                amount(change.frequency.value, cost)
            )
        }
    }
}

/// "3.30 ns more per operation (+12 %)", or how many times as much as before where nobody thinks in
/// percent any more.
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
