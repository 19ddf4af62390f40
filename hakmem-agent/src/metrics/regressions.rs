//! Findings that go on, and how many there were.

use std::collections::BTreeMap;

use super::exposition::Exposition;
use super::families;
use crate::findings::Findings;
use crate::state::FleetView;

/// Series of findings that go on at most; those that cost most are told.
const SERIES_MAX: usize = 32;
const LABELS: [&str; 6] = ["executable", "build_id", "cause", "class", "direction", "reason"];

pub(super) fn write(out: &mut Exposition, view: &FleetView, findings: &Findings) {
    // One program may be slower than its past and than a recording, and so may be the programs of
    // two users: the same series, which must be there once.
    let mut series: BTreeMap<[String; 6], f64> = BTreeMap::new();
    for known in findings.ongoing() {
        let finding = &known.finding;
        let labels = [
            view.retired.name_of(&known.executable_name),
            &finding.build_id,
            &finding.cause,
            &finding.class,
            &finding.direction,
            &finding.reason,
        ];
        let seconds = series.entry(labels.map(str::to_owned)).or_default();
        *seconds = seconds.max(known.added_seconds);
    }
    let mut series: Vec<_> = series.into_iter().collect();
    series.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    series.truncate(SERIES_MAX);
    for (values, seconds) in series {
        let labels: Vec<_> = LABELS.into_iter().zip(values.iter().map(String::as_str)).collect();
        out.float(&families::PATH_REGRESSION, &labels, seconds);
    }
    for ((executable, cause), count) in findings.begun() {
        let labels = [("executable", executable.as_str()), ("cause", cause.as_str())];
        out.number(&families::PATH_REGRESSIONS, &labels, count.into());
    }
}
