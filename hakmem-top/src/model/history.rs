//! The last minutes of a class, in steps of equal length, for sparklines.

use std::collections::VecDeque;

use hakmem_proto::v1 as proto;
use hakmem_segment::Outcome;

/// Length of a step in seconds.
pub const STEP_SECONDS: f64 = 0.5;
/// Points that are kept: two minutes.
const POINTS: usize = 240;

/// Mean rates over one step, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistoryPoint {
    /// Allocations on the fast path.
    pub allocations_fast: f64,
    /// Allocations on the slow path.
    pub allocations_slow: f64,
    /// Frees on the fast path.
    pub frees_fast: f64,
    /// Frees on the slow path.
    pub frees_slow: f64,
    /// Frees with an outcome that only a bug explains.
    pub anomalies: f64,
}

/// Points of one class, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<HistoryPoint>,
    step_began: Option<(f64, Mark)>,
    anomalies_before: Option<u64>,
    anomaly_seen_at: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    allocations: u64,
    allocations_fast: u64,
    frees: u64,
    frees_fast: u64,
    anomalies: u64,
}

/// Frees of a class with an outcome that only a bug explains.
pub fn anomalies(counters: &proto::ClassCounters) -> u64 {
    let known = |it: &&proto::OutcomeCount| {
        Outcome::from_name(&it.outcome).is_some_and(Outcome::is_anomaly)
    };
    counters.outcomes.iter().filter(known).map(|it| it.count).fold(0, u64::saturating_add)
}

impl History {
    /// Records the counters at `at`, and ends the step if it is long enough.
    pub(super) fn record(&mut self, at: f64, counters: &proto::ClassCounters) {
        let mark = Mark {
            allocations: counters.allocations,
            allocations_fast: counters.allocations_fast,
            frees: counters.frees,
            frees_fast: counters.frees_fast,
            anomalies: anomalies(counters),
        };
        if self
            .anomalies_before
            .replace(mark.anomalies)
            .is_some_and(|before| mark.anomalies > before)
        {
            self.anomaly_seen_at = Some(at);
        }
        let Some((began, start)) = self.step_began else {
            self.step_began = Some((at, mark));
            return;
        };
        let seconds = at - began;
        // Samples come at the interval, give or take the scheduler: a tenth of tolerance makes five
        // samples of 100 ms one step.
        if seconds < STEP_SECONDS * 0.9 {
            return;
        }
        let rate = |start: u64, end: u64| end.saturating_sub(start) as f64 / seconds;
        let allocations_fast = rate(start.allocations_fast, mark.allocations_fast);
        let frees_fast = rate(start.frees_fast, mark.frees_fast);
        let point = HistoryPoint {
            allocations_fast,
            allocations_slow: (rate(start.allocations, mark.allocations) - allocations_fast)
                .max(0.0),
            frees_fast,
            frees_slow: (rate(start.frees, mark.frees) - frees_fast).max(0.0),
            anomalies: rate(start.anomalies, mark.anomalies),
        };
        // A gap, such as a lost connection, becomes steps of equal rate, so that the time axis
        // stays true.
        let steps = ((seconds / STEP_SECONDS).round() as usize).clamp(1, POINTS);
        for _ in 0..steps {
            self.points.push_back(point);
        }
        while self.points.len() > POINTS {
            self.points.pop_front();
        }
        self.step_began = Some((at, mark));
    }

    /// When the number of anomalies last grew.
    pub fn anomaly_seen_at(&self) -> Option<f64> {
        self.anomaly_seen_at
    }

    /// The newest `width` values of `value`, oldest first.
    pub fn newest(&self, width: usize, value: impl Fn(&HistoryPoint) -> f64) -> Vec<f64> {
        let skipped = self.points.len().saturating_sub(width);
        self.points.iter().skip(skipped).map(value).collect()
    }
}
