//! Slow paths that take longer each.
//!
//! A thread that is descheduled within a slow path takes milliseconds, and a busy machine does this
//! to enough threads to multiply the mean by a hundred. So a change of the mean is a cause only if
//! the typical slow path, the median, changed too. A busy machine can move even the median: for the
//! verdict, durations count only where several runs of each side were compared.

use super::wording::{number, percent};
use super::{Causes, Words};
use crate::diagnosis::{Cause, CauseKind};
use crate::evidence::Evidence;
use crate::layout::StratumId;
use crate::statistics::per;

/// A change of durations must exceed the threshold for frequency by this factor, in nanoseconds
/// too: where slow paths are few, other load on the machine doubles the little that they cost.
const THRESHOLDS: f64 = 4.0;
/// The median must change by at least this factor.
const TYPICAL_FACTOR: f64 = 1.5;

/// A change of durations that is large and sure enough to be reported.
#[derive(Clone, Debug)]
pub(crate) struct Slower {
    cause: Cause,
    /// Whether the median changed too, and not only a few slow paths that were delayed.
    pub(crate) is_typical: bool,
}

impl Slower {
    /// Looks at all classes together, because it is mostly the machine that makes durations longer.
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
        let places: Vec<usize> =
            evidence.strata().map(|stratum| evidence.at.duration(stratum)).collect();
        let cost_ns = evidence.estimate(&places);
        let floor = evidence.options.threshold_duration * evidence.cost(0);
        if !cost_ns.is_change(floor.max(evidence.options.threshold_ns * THRESHOLDS)) {
            return None;
        }
        let sign = cost_ns.value.signum();
        let weight = |class: usize| {
            let part =
                |direction| evidence.part(evidence.at.duration(StratumId { class, direction }));
            sign * (part(0) + part(1))
        };
        let classes = 0..evidence.layout.classes.len();
        let class = classes.max_by(|&a, &b| weight(a).total_cmp(&weight(b)))?;
        let [before, after] = [0, 1].map(|side| evidence.typical_ns(side, class).unwrap_or(0.0));
        let ratio = if sign > 0.0 { per(after, before) } else { per(before, after) };
        let mean = |side: usize| number(evidence.sums(side).price(class).unwrap_or(0.0));
        let name = &evidence.layout.classes[class];
        let text = format!(
            "slow paths take {longer} each: those of {name}, {share} of the change, took {} ns on \
             average and {} at the median, and take {} and {}",
            mean(0),
            number(before),
            mean(1),
            number(after),
            longer = if sign > 0.0 { "longer" } else { "less" },
            share = percent(per(weight(class), cost_ns.value.abs()).min(1.0)),
        );
        let advice = "look at the machine first: other load, another processor, throttling, a \
                      shortage of memory";
        let words = Words::new(text, advice);
        let class = Some(name.clone());
        let cause = Cause { class, cost_ns, ..Cause::of_program(CauseKind::Duration, words) };
        Some(Self { cause, is_typical: ratio >= TYPICAL_FACTOR })
    }
}

impl Causes<'_> {
    /// Lists the change of durations if the typical slow path changed.
    pub(super) fn find_durations(&mut self) {
        let slower = Slower::of(self.evidence).filter(|slower| slower.is_typical);
        self.found.extend(slower.map(|slower| slower.cause));
    }
}
