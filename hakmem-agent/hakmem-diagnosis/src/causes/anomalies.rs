//! Frees that only a bug can cause, where the side before had none or far fewer.

use hakmem_segment::vocabulary::FreeReason;

use super::wording::number;
use super::{Causes, Words};
use crate::diagnosis::{Cause, CauseKind, Direction};
use crate::layout::{Reason, StratumId};
use crate::statistics::per;

/// A rate is new if it exceeds this multiple of the rate before.
const NEW_RATE: f64 = 3.0;

impl Causes<'_> {
    /// One cause for each class and outcome.
    pub(super) fn find_anomalies(&mut self) {
        let evidence = self.evidence;
        let [before, after] = &evidence.readings;
        let all = [0, 1].map(|side| evidence.sums(side).all());
        let mut new: Vec<(&(String, String), [u64; 2])> = after
            .anomalies
            .iter()
            .map(|(word, &count)| (word, [before.anomalies.get(word).copied().unwrap_or(0), count]))
            .filter(|(_, count)| is_new(*count, all))
            .collect();
        new.sort_by_key(|(_, count)| std::cmp::Reverse(count[1]));
        for ((class, outcome), count) in new {
            let text = format!(
                "{} frees of {class} were `{outcome}` ({} before): {} in a million operations",
                count[1],
                count[0],
                number(per(count[1] as f64, all[1]) * 1e6)
            );
            let advice = "run the program with HAKMEM_CHECK=full HAKMEM_ON_ERROR=abort, which \
                          stops at the first wrong call";
            let words = Words::new(text, advice);
            let index = evidence.layout.class(class).unwrap_or(0);
            let stratum = StratumId { class: index, direction: 1 };
            let cause = Cause {
                class: Some(class.clone()),
                direction: Some(Direction::Free),
                reason: Some(outcome.clone()),
                operations: self.operations(stratum),
                ..Cause::of_program(CauseKind::Anomalies, words)
            };
            self.found.push(cause);
        }
        if !self.found.is_empty() {
            let items = self.items(|_, _, reason| reason == Reason::Free(FreeReason::Rejected));
            self.claim(&self.places(&items));
        }
    }
}

fn is_new(count: [u64; 2], all: [f64; 2]) -> bool {
    let rate = |side: usize| per(count[side] as f64, all[side]);
    count[1] > 0 && (count[0] == 0 || rate(1) > rate(0) * NEW_RATE)
}

#[cfg(test)]
mod tests {
    use super::is_new;

    #[test]
    fn wrong_frees_are_new_if_there_were_none_or_far_fewer_of_them() {
        let check = |count, all, expected| assert_eq!(is_new(count, all), expected, "{count:?}");
        check([0, 1], [1e6, 1e6], true);
        check([0, 0], [1e6, 1e6], false);
        check([5, 0], [1e6, 1e6], false);
        check([1, 3], [1e6, 1e6], false);
        check([1, 4], [1e6, 1e6], true);
        // Ten times as many in ten times as many operations.
        check([1, 10], [1e6, 1e7], false);
        check([1, 31], [1e6, 1e7], true);
    }
}
