//! Slow paths that take longer each.
//!
//! A thread that is scheduled away within a slow path takes milliseconds, and a busy machine does
//! that to enough of them to make the mean a hundred times what it was. So a change of the mean is
//! a cause only if the typical slow path, the median, changed too. Even that happens: for the
//! verdict it counts only where several runs of each side were compared.

use super::wording::{number, percent};
use super::{Causes, Words};
use crate::diagnosis::{Cause, CauseKind};
use crate::evidence::Evidence;
use crate::layout::StratumId;
use crate::statistics::per;

/// Durations must change by so many times what would do for the frequency, in nanoseconds too:
/// where slow paths are few, other load on the machine doubles what little they cost.
const THRESHOLDS: f64 = 4.0;
/// The median changes by this factor at least.
const TYPICAL_FACTOR: f64 = 1.5;

/// A change of durations that is large and sure enough to be told.
#[derive(Clone, Debug)]
pub(crate) struct Slower {
    cause: Cause,
    /// Whether it is more than a few that were held up.
    pub(crate) is_typical: bool,
}

impl Slower {
    /// Looks at all classes together: it is mostly the machine that makes durations longer.
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
        let advice = "look at the machine first: other load, another processor, throttling, memory \
                      that is short";
        let words = Words::new(text, advice);
        let class = Some(name.clone());
        let cause = Cause { class, cost_ns, ..Cause::of_program(CauseKind::Duration, words) };
        Some(Self { cause, is_typical: ratio >= TYPICAL_FACTOR })
    }
}

impl Causes<'_> {
    /// Lists it where the typical slow path changed.
    pub(super) fn find_durations(&mut self) {
        let slower = Slower::of(self.evidence).filter(|slower| slower.is_typical);
        self.found.extend(slower.map(|slower| slower.cause));
    }
}
