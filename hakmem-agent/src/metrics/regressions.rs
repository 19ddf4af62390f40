//! The metrics of findings: those that go on, and their number so far.

use std::collections::BTreeMap;

use super::exposition::Exposition;
use super::families;
use crate::findings::Findings;
use crate::state::FleetView;
use crate::turns::take_turns;
use crate::users::Users;

/// Maximum number of series of ongoing findings; the most expensive findings of each user come
/// first.
const SERIES_MAX: usize = 32;
const LABELS: [&str; 7] =
    ["executable", "build_id", "cause", "class", "direction", "reason", "user"];

pub(super) fn write(out: &mut Exposition, view: &FleetView, findings: &Findings, users: &Users) {
    // One program may be slower than its past and than a recording: both findings have the same
    // series, which must occur only once.
    let mut series: BTreeMap<[String; 7], f64> = BTreeMap::new();
    for known in findings.ongoing() {
        let finding = &known.finding;
        let labels = [
            view.retired.name_of(known.owner, &known.program_name),
            &finding.build_id,
            &finding.cause,
            &finding.class,
            &finding.direction,
            &finding.reason,
            &users.label(known.owner),
        ];
        let seconds = series.entry(labels.map(str::to_owned)).or_default();
        *seconds = seconds.max(known.added_seconds);
    }
    let mut series: Vec<_> = series.into_iter().collect();
    series.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut series = take_turns(series, |(labels, _)| labels[6].clone());
    series.truncate(SERIES_MAX);
    for (values, seconds) in series {
        let labels: Vec<_> = LABELS.into_iter().zip(values.iter().map(String::as_str)).collect();
        out.float(&families::PATH_REGRESSION, &labels, seconds);
    }
    for ((owner, executable, cause), count) in findings.begun() {
        let user = users.label(owner);
        let labels =
            [("executable", executable.as_str()), ("cause", cause.as_str()), ("user", &user)];
        out.number(&families::PATH_REGRESSIONS, &labels, count.into());
    }
}
